//! Erasures of one tenant that go through its payloads together, so that a thousand of them are few
//! passes and not a thousand. Pure.

use std::time::Duration;

use tidings_kernel::Timestamp;

use super::{BEGINS_AFTER, Erasure};

/// Others that are looked at, whether they go along.
pub(crate) const OTHERS_MAX: i64 = 1_000;
/// Erasures that go in one pass: as many rows are written with each of its batches.
const PASS_MAX: usize = 100;
/// How long an erasure waits until it is looked again whether the pass before it has ended.
pub(crate) const WAITS: Duration = Duration::from_secs(5);
/// For so long at most: a pass that stands still holds up nobody for ever.
const WAITS_MAX: Duration = Duration::from_mins(10);

/// What becomes of an erasure when its turn comes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It goes on, with these: it is the first of them.
    Goes(Vec<Erasure>),
    /// A pass is under way; those that wait make the next one.
    Waits,
}

/// Whether an erasure goes on, and which others of its phase go along: those that have come as far.
pub(crate) fn join(erasure: Erasure, others: Vec<Erasure>, now: Timestamp) -> Turn {
    let waited = now.since(erasure.requested_at.after(BEGINS_AFTER));
    let is_new = erasure.reached.is_empty();
    if is_new && waited < WAITS_MAX && others.iter().any(|other| !other.reached.is_empty()) {
        return Turn::Waits;
    }
    let reached = erasure.reached.clone();
    let mut pass = vec![erasure];
    let along = others.into_iter().filter(|other| other.reached == reached);
    pass.extend(along.take(PASS_MAX - 1));
    Turn::Goes(pass)
}

/// How many of these fit one batch: one at least, however large it is.
pub(crate) fn fitting(sizes: &[i64], bytes_max: i64) -> usize {
    let mut sum = 0_i64;
    let fits = |size: &&i64| {
        sum = sum.saturating_add(**size);
        sum <= bytes_max
    };
    sizes.iter().take_while(fits).count().max(1).min(sizes.len())
}

#[cfg(test)]
mod tests {
    use tidings_kernel::{CustomerId, ErasureId, TenantId, Uuid};

    use super::*;
    use crate::erasure::{Counts, Phase};

    fn erasure(number: u128, reached: &str) -> Erasure {
        Erasure {
            id: ErasureId::from_uuid(Uuid::from_u128(number)),
            tenant_id: TenantId::from_uuid(Uuid::from_u128(2)),
            subject: CustomerId::from_uuid(Uuid::from_u128(number)).any(),
            asked_by: "api".to_owned(),
            before_version: 1,
            before_at: Timestamp::default(),
            phase: Phase::Mentions,
            reached: reached.to_owned(),
            counts: Counts::default(),
            requested_at: Timestamp::default(),
            completed_at: None,
            version: 1,
        }
    }

    /// Which go together, by number; none where it waits.
    fn joined(own: (u128, &str), others: &[(u128, &str)], now: Timestamp) -> Option<Vec<u128>> {
        let others = others.iter().map(|(number, reached)| erasure(*number, reached)).collect();
        match join(erasure(own.0, own.1), others, now) {
            Turn::Goes(pass) => Some(pass.iter().map(|one| one.id.uuid().as_u128()).collect()),
            Turn::Waits => None,
        }
    }

    #[test]
    fn those_that_have_come_as_far_go_together_and_others_wait_for_the_next_pass() {
        let begun = Timestamp::default().after(BEGINS_AFTER);
        let late = begun.after(WAITS_MAX);
        for (own, others, now, wanted) in [
            ((1, ""), &[][..], begun, Some(vec![1])),
            ((3, ""), &[(1, ""), (2, "")], begun, Some(vec![3, 1, 2])),
            ((3, ""), &[(1, "x"), (2, "")], begun, None),
            ((3, ""), &[(1, "x"), (2, "")], late, Some(vec![3, 2])),
            ((3, "x"), &[(1, "x"), (2, "")], begun, Some(vec![3, 1])),
            ((3, "y"), &[(1, "x")], begun, Some(vec![3])),
        ] {
            assert_eq!(joined(own, others, now), wanted, "{own:?} {others:?}");
        }
        let many: Vec<(u128, &str)> = (2..=500).map(|number| (number, "")).collect();
        assert_eq!(joined((1, ""), &many, begun).map(|pass| pass.len()), Some(PASS_MAX));
    }

    #[test]
    fn a_batch_holds_what_fits_and_one_at_least() {
        for (sizes, fits) in [
            (&[][..], 0),
            (&[5], 1),
            (&[11], 1),
            (&[11, 1], 1),
            (&[5, 5], 2),
            (&[5, 5, 1], 2),
            (&[1, 10, 1], 1),
            (&[i64::MAX, i64::MAX], 1),
        ] {
            assert_eq!(fitting(sizes, 10), fits, "{sizes:?}");
        }
    }
}
