//! Whether the disk has room for more than what was promised already.
//!
//! What somebody waits for is refused while there is a rest left, so that outcomes, positions and
//! heartbeats can still be written: otherwise every delivery that arrives would be sent again for
//! as long as the disk is full.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// The rest that is kept on a small volume, in bytes.
const RESERVE_BYTES_MIN: u64 = 8 * 1024 * 1024;
/// The rest that is kept on a large one, in bytes.
const RESERVE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The share of a volume in between: 2 %.
const RESERVE_SHARE: u64 = 50;
/// How old a measurement may be, in milliseconds. It costs a microsecond, and is asked for by every
/// write.
const MEASURED_EVERY_MS: u64 = 250;

/// The room on the volume of the database.
pub(crate) struct Room {
    path: PathBuf,
    began: Instant,
    /// When the next measurement is due, in milliseconds since `began`.
    due_ms: AtomicU64,
    is_short: AtomicBool,
}

impl Room {
    pub(crate) fn of(path: PathBuf) -> Self {
        let due_ms = AtomicU64::new(0);
        Self { path, began: Instant::now(), due_ms, is_short: AtomicBool::new(false) }
    }

    /// Whether no more than the reserve is left.
    pub(crate) fn is_short(&self) -> bool {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = self.due_ms.load(Ordering::Relaxed);
        let next = now.saturating_add(MEASURED_EVERY_MS);
        let is_mine = now >= due
            && self
                .due_ms
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_mine {
            self.measure();
        }
        self.is_short.load(Ordering::Relaxed)
    }

    fn measure(&self) {
        // A volume that cannot be asked is left to the write itself, which knows.
        let is_short = rustix::fs::statvfs(&self.path).is_ok_and(|volume| {
            let unit = volume.f_frsize;
            is_short(volume.f_bavail.saturating_mul(unit), volume.f_blocks.saturating_mul(unit))
        });
        if self.is_short.swap(is_short, Ordering::Relaxed) != is_short {
            if is_short {
                tracing::error!("the disk is full but for the reserve; new changes are refused");
            } else {
                tracing::info!("the disk has room again; changes are accepted");
            }
        }
    }
}

/// Whether so little is left of a volume that new changes are refused.
fn is_short(free_bytes: u64, volume_bytes: u64) -> bool {
    free_bytes < (volume_bytes / RESERVE_SHARE).clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn the_reserve_is_a_share_of_the_volume_within_bounds() {
        for (free, volume, expected) in [
            (0, 0, true),
            (8 * MIB - 1, 64 * MIB, true),
            (8 * MIB, 64 * MIB, false),
            (20 * MIB - 1, 1_000 * MIB, true),
            (20 * MIB, 1_000 * MIB, false),
            (256 * MIB - 1, 4_000_000 * MIB, true),
            (256 * MIB, 4_000_000 * MIB, false),
            (u64::MAX, u64::MAX, false),
        ] {
            assert_eq!(is_short(free, volume), expected, "{free} of {volume}");
        }
    }

    #[test]
    fn a_volume_that_cannot_be_asked_refuses_nothing() {
        assert!(!Room::of(PathBuf::from("/there/is/no/such/folder")).is_short());
    }
}
