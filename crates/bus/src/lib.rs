//! Wake-ups between tasks, and the tasks themselves.
//!
//! **The cast.** A [`Topic`] is a kind of work that may be due. A [`Bus`] tells whoever waits for a
//! topic that there may be some. [`Tasks`] are the program's loops, and a watchdog looks at them. [`Activity`] counts what is
//! under way.
//!
//! **The plot.** Whoever makes work due calls [`Bus::wake`]; a loop waits with [`Bus::wait`] for
//! that, or for the instant at which something falls due by itself.
//!
//! **The reasons.** A wake-up is a hint and never carries the work: the database has it. Losing
//! every hint costs the time until the next poll, and no event.

mod activity;
mod tasks;
mod watchdog;

use std::sync::Arc;
use std::time::Duration;

use tidings_kernel::{Clock, Timestamp};
use tokio::sync::Notify;

pub use activity::{Activity, Busy};
pub use tasks::{Beat, Pulse, Shutdown, Tasks};
pub use watchdog::{LATE_AFTER, STUCK_AFTER, late};

/// A kind of work that may be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Events wait for dispatch, or deliveries are due.
    Dispatch,
    /// Jobs are due.
    Jobs,
    /// Events wait for a position.
    Sequencer,
    /// Positions wait for a reaction.
    Reactions,
}

const TOPICS: usize = 4;

/// The longest wait for a topic, by a clock that nobody sets. A wall clock that is set back by an
/// hour would make a loop miss an hour of polls.
pub const WAIT_MAX: Duration = Duration::from_secs(1);

struct Inner {
    clock: Arc<dyn Clock>,
    topics: [Notify; TOPICS],
    placed: Notify,
    settled: Notify,
    jumped: Arc<Notify>,
}

/// Tells loops that something may be due.
#[derive(Clone)]
pub struct Bus(Arc<Inner>);

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bus")
    }
}

impl Bus {
    /// A bus within this process.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let jumped = Arc::new(Notify::new());
        let waiters = Arc::clone(&jumped);
        clock.on_jump(Box::new(move || waiters.notify_waiters()));
        Self(Arc::new(Inner {
            clock,
            topics: std::array::from_fn(|_| Notify::new()),
            placed: Notify::new(),
            settled: Notify::new(),
            jumped,
        }))
    }

    /// Says that there may be work of this kind. Saying it twice is saying it once.
    pub fn wake(&self, topic: Topic) {
        self.0.topics[topic as usize].notify_one();
    }

    /// Says to everybody who follows a log that events have got positions.
    pub fn announce_positions(&self) {
        self.0.placed.notify_waiters();
    }

    /// Waits until events have got positions. What is announced after this call is heard, even
    /// before it is awaited: call it, read the log, and then await it.
    pub fn positions(&self) -> tokio::sync::futures::Notified<'_> {
        self.0.placed.notified()
    }

    /// Says to everybody who follows deliveries that outcomes were written.
    pub fn announce_outcomes(&self) {
        self.0.settled.notify_waiters();
    }

    /// Waits until outcomes were written, as [`Bus::positions`] does for positions.
    pub fn outcomes(&self) -> tokio::sync::futures::Notified<'_> {
        self.0.settled.notified()
    }

    /// Waits until somebody says that there may be work of this kind, or until `due`; where time
    /// passes by itself no longer than [`WAIT_MAX`], whatever the clock shows.
    pub async fn wait(&self, topic: Topic, due: Timestamp) {
        tokio::select! {
            biased;
            () = self.0.topics[topic as usize].notified() => {}
            () = self.wait_until(due) => {}
            () = tokio::time::sleep(WAIT_MAX), if self.0.clock.ticks() => {}
        }
    }

    /// Waits until the clock shows `due`. A clock that stands still is waited for as well.
    pub async fn wait_until(&self, due: Timestamp) {
        loop {
            // Registered before the clock is read, so that no jump falls between the two.
            let jumped = self.0.jumped.notified();
            let now = self.0.clock.now();
            if now >= due {
                return;
            }
            if self.0.clock.ticks() {
                // A bounded sleep, so that a clock that was set is noticed within the minute.
                let pause = due.since(now).min(Duration::from_mins(1));
                tokio::time::sleep(pause).await;
            } else {
                jumped.await;
            }
        }
    }

    /// The instant `after` from now, for [`Bus::wait`].
    pub fn after(&self, after: Duration) -> Timestamp {
        self.0.clock.now().after(after)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A wall clock that ticks, and that somebody sets.
    struct Wall(AtomicI64);

    impl Clock for Wall {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.0.load(Ordering::SeqCst))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
        let wall = Arc::new(Wall(AtomicI64::new(7_200_000_000)));
        let bus = Bus::new(Arc::<Wall>::clone(&wall));
        let due = bus.after(Duration::from_millis(500));
        wall.0.fetch_sub(3_600_000_000, Ordering::SeqCst);
        let began = tokio::time::Instant::now();
        bus.wait(Topic::Dispatch, due).await;
        assert_eq!(began.elapsed(), WAIT_MAX);
    }
}
