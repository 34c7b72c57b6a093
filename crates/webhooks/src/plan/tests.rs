use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const NOW: Timestamp = Timestamp::from_micros(1_795_437_004_000_000);

fn status(status: u16, retry_after_seconds: Option<u64>) -> Outcome {
    Outcome::Status { status, retry_after_seconds }
}

/// Seconds until the next attempt, rounded down; none where there is no next one.
fn wait(policy: RetryPolicy, number: u32, outcome: Outcome, random: u64) -> Option<u64> {
    match plan(policy, Attempt { number, outcome, first_due_at: NOW }, NOW, random) {
        NextStep::Wait { until } => Some(until.since(NOW).as_secs()),
        NextStep::Exhausted => None,
        other @ (NextStep::Delivered | NextStep::Gone) => panic!("{other:?}"),
    }
}

#[test]
fn each_status_has_its_class_and_its_step() {
    let table: [(&[u16], &str); 5] = [
        (&[200, 201, 202, 204, 205, 206, 226, 299], "success"),
        (&[300, 301, 302, 303, 304, 305, 306, 307, 308, 399], "redirect"),
        (&[410], "gone"),
        (&[429, 502, 503, 504], "throttle"),
        (
            &[
                0, 99, 100, 101, 103, 199, 400, 401, 403, 404, 408, 409, 411, 421, 425, 451, 499,
                500, 501, 505, 599, 600, 999, 1_000, 65_535,
            ],
            "http",
        ),
    ];
    for (statuses, class) in table {
        for &code in statuses {
            let outcome = status(code, None);
            assert_eq!((class_of(code), outcome.class()), (class, class), "{code}");
            let attempt = |number| Attempt { number, outcome, first_due_at: NOW };
            let first = plan(RetryPolicy::Standard, attempt(1), NOW, 0);
            let last = plan(RetryPolicy::Standard, attempt(10), NOW, 0);
            let wait = NextStep::Wait { until: NOW.after(Duration::from_secs(5)) };
            let wanted = match class {
                "success" => (NextStep::Delivered, NextStep::Delivered),
                "gone" => (NextStep::Gone, NextStep::Gone),
                _ => (wait, NextStep::Exhausted),
            };
            assert_eq!((first, last), wanted, "{code}");
        }
    }
    assert_eq!(Outcome::Failed("timeout.dns").class(), "timeout.dns");
}

#[test]
fn a_policy_makes_all_its_attempts_each_within_its_jitter() {
    // The number of the attempt just made, and the least and the most seconds to wait.
    let standard: &[(u32, u64, u64)] = &[
        (0, 5, 6),
        (1, 5, 6),
        (2, 302, 360),
        (3, 1_802, 2_160),
        (4, 2 * HOUR + 2, 2 * HOUR + 900),
        (5, 5 * HOUR + 2, 5 * HOUR + 900),
        (6, 10 * HOUR + 2, 10 * HOUR + 900),
        (7, 14 * HOUR + 2, 14 * HOUR + 900),
        (8, 20 * HOUR + 2, 20 * HOUR + 900),
        (9, DAY + 2, DAY + 900),
    ];
    let original: &[(u32, u64, u64)] =
        &[(1, 300, 360), (2, HOUR + 2, HOUR + 720), (3, 6 * HOUR + 2, 6 * HOUR + 900)];
    for (policy, table) in [(RetryPolicy::Standard, standard), (RetryPolicy::Original, original)] {
        for &(number, least, most) in table {
            let failed = Outcome::Failed("refused");
            assert_eq!(wait(policy, number, failed, 0), Some(least), "{policy:?} {number}");
            // The largest random number stays a microsecond below the most.
            let longest = wait(policy, number, failed, u64::MAX);
            assert_eq!(longest, Some(most - 1), "{policy:?} {number}");
        }
        let max = policy.attempts_max();
        assert_eq!(table.last().unwrap().0 + 1, max);
        for number in [max, max + 1, u32::MAX] {
            assert_eq!(wait(policy, number, Outcome::Failed("dns"), 0), None);
        }
        assert_eq!(RetryPolicy::find(policy.name()), Some(policy));
    }
    let sum: Duration = RetryPolicy::Standard.schedule().iter().sum();
    assert_eq!(sum, Duration::from_secs(75 * HOUR + 35 * 60 + 5));
    assert_eq!(RetryPolicy::find("Standard"), None);
}

#[test]
fn retry_after_delays_up_to_a_day_and_never_hastens() {
    let table: [(Option<u64>, u64); 10] = [
        (None, 5),
        (Some(0), 5),
        (Some(4), 5),
        (Some(5), 5),
        (Some(6), 6),
        (Some(120), 120),
        (Some(DAY - 1), DAY - 1),
        (Some(DAY), DAY),
        (Some(DAY + 1), DAY),
        (Some(u64::MAX), DAY),
    ];
    for code in [301, 404, 429, 503] {
        for (asked, wanted) in table {
            let seconds = wait(RetryPolicy::Standard, 1, status(code, asked), 0);
            assert_eq!(seconds, Some(wanted), "{code} {asked:?}");
        }
    }
    let short = status(503, Some(60));
    assert_eq!(wait(RetryPolicy::Standard, 4, short, 0), Some(2 * HOUR + 2));
    let attempt = |code| Attempt { number: 1, outcome: status(code, Some(60)), first_due_at: NOW };
    assert_eq!(plan(RetryPolicy::Standard, attempt(410), NOW, 0), NextStep::Gone);
    assert_eq!(plan(RetryPolicy::Standard, attempt(200), NOW, 0), NextStep::Delivered);
}

#[test]
fn whatever_is_asked_for_all_attempts_fit_into_five_days() {
    for policy in RetryPolicy::ALL {
        for random in [0, u64::MAX / 2, u64::MAX] {
            let (mut now, mut attempts) = (NOW, 1);
            let made = |number| Attempt {
                number,
                outcome: status(429, Some(u64::MAX)),
                first_due_at: NOW,
            };
            while let NextStep::Wait { until } = plan(*policy, made(attempts), now, random) {
                (now, attempts) = (until, attempts + 1);
            }
            assert_eq!(plan(*policy, made(attempts), now, random), NextStep::Exhausted);
            assert_eq!(attempts, policy.attempts_max());
            assert!(now <= NOW.after(STRETCHED_MAX), "{policy:?} ends at {now}");
        }
    }
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (any::<u16>(), any::<Option<u64>>()).prop_map(|(code, asked)| status(code, asked)),
        Just(Outcome::Failed("reset")),
    ]
}

proptest! {
    #[test]
    fn every_input_has_a_step_and_no_step_is_early(
        standard in any::<bool>(), number in prop_oneof![0_u32..12, any::<u32>()],
        outcome in outcomes(), now in any::<i64>(), first_due_at in any::<i64>(),
        random in any::<u64>(),
    ) {
        let policy = if standard { RetryPolicy::Standard } else { RetryPolicy::Original };
        let first_due_at = Timestamp::from_micros(first_due_at);
        let now = Timestamp::from_micros(now);
        let attempt = Attempt { number, outcome, first_due_at };
        if let NextStep::Wait { until } = plan(policy, attempt, now, random) {
            let index = usize::try_from(number.max(1)).unwrap();
            let wait = policy.schedule()[index];
            prop_assert!(until >= now.after(wait));
            prop_assert!(until <= now.after(wait.max(RETRY_AFTER_MAX)).after(JITTER_MAX));
            let unasked = Attempt { outcome: Outcome::Failed("reset"), ..attempt };
            let NextStep::Wait { until: plain } = plan(policy, unasked, now, random) else {
                return Err(TestCaseError::fail("a failure with attempts left waits"));
            };
            prop_assert!(until >= plain, "retry-after only delays");
        }
    }
}
