//! The model, explored; and each sabotage, found.

use std::collections::BTreeSet;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Path};

use super::action::Action;
use super::sabotage::Sabotage;
use super::world::{Budget, World};
use super::{Setup, TWO_ATTEMPTS, circles, properties};

/// One fault, of whatever kind.
const ONE_FAULT: Budget = Budget {
    all: 1,
    crashes: 1,
    pauses: 1,
    lost_answers: 1,
    stops: 1,
    parks: 1,
    idle_reads: 1,
    gone: 1,
    failures: 2,
};
#[expect(clippy::print_stderr, reason = "the figures of an exploration, and the paths it found")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Explores all there is, and wants every law to hold.
fn explore(name: &str, setup: Setup) {
    let begun = Instant::now();
    let checker = setup.checker().spawn_dfs().join();
    let (states, took) = (checker.unique_state_count(), begun.elapsed());
    say(&format!("{name}: {states} states, {} steps deep, {took:.1?}", checker.max_depth()));
    for property in checker.model().properties() {
        if property.expectation.discovery_is_failure() {
            checker.assert_no_discovery(property.name);
        }
    }
}

/// The shortest path on which a law is broken, or something happens.
fn find(setup: Setup, law: &'static str) -> Option<Path<World, Action>> {
    let wanted = HasDiscoveries::AllOf(BTreeSet::from([law]));
    setup.checker().finish_when(wanted).spawn_bfs().join().discovery(law)
}

/// Explores a program that is broken in one way, which must break a law; without, the law holds.
fn finds(sabotage: Sabotage, budget: Budget, law: &'static str) {
    let sound = Setup::new(TWO_ATTEMPTS, budget);
    assert!(find(sound.clone(), law).is_none(), "{law}: broken without {sabotage:?}");
    let Some(path) = find(sound.with(sabotage), law) else {
        panic!("{sabotage:?} breaks no law: {law}");
    };
    say(&format!("{sabotage:?} breaks {law}:\n{}", steps(path)));
}

fn steps(path: Path<World, Action>) -> String {
    let steps: Vec<String> = path.into_actions().iter().map(|step| format!("  {step:?}")).collect();
    steps.join("\n")
}

#[test]
fn every_law_holds_whatever_fault_comes_in() {
    explore("one fault", Setup::new(TWO_ATTEMPTS, ONE_FAULT));
}

/// Two faults of these kinds and the failures that one receiver may answer with.
const fn two_faults(failures: u8) -> Budget {
    Budget { all: 2, pauses: 0, failures, ..ONE_FAULT }
}

/// A pause and one fault of another kind. Where nobody stops, one failure leaves an attempt, so
/// everything has to arrive.
const fn beside_a_pause(other: Budget) -> Budget {
    Budget { all: 2, pauses: 1, failures: 1, ..other }
}

#[test]
fn every_law_holds_where_two_faults_come_together() {
    explore("two faults", Setup::new(TWO_ATTEMPTS, two_faults(2)).calm());
}

#[test]
fn every_law_holds_where_a_crash_comes_beside_a_pause() {
    let budget = beside_a_pause(Budget { crashes: 1, ..Budget::NONE });
    explore("pause, crash", Setup::new(TWO_ATTEMPTS, budget).calm());
}

/// What else can come beside a pause.
const SOMETHING_ELSE: [(&str, Budget); 5] = [
    ("pause, lost commit", Budget { lost_answers: 1, ..Budget::NONE }),
    ("pause, stop", Budget { stops: 1, ..Budget::NONE }),
    ("pause, full lane", Budget { parks: 1, ..Budget::NONE }),
    ("pause, gone", Budget { gone: 1, ..Budget::NONE }),
    ("pause, early read", Budget { idle_reads: 1, ..Budget::NONE }),
];

#[test]
fn every_law_holds_where_something_else_comes_beside_a_pause() {
    for (name, other) in SOMETHING_ELSE {
        explore(name, Setup::new(TWO_ATTEMPTS, beside_a_pause(other)).calm());
    }
}

fn has_no_circle(setup: &Setup) {
    assert_eq!(circles::find_circle(setup), None, "{setup:?}");
}

#[test]
fn no_path_goes_in_circles() {
    has_no_circle(&Setup::new(TWO_ATTEMPTS, Budget { failures: 1, ..ONE_FAULT }));
    has_no_circle(&Setup::new(TWO_ATTEMPTS, two_faults(1)).calm());
}

#[test]
fn no_path_goes_in_circles_beside_a_pause() {
    let crash = Budget { crashes: 1, ..Budget::NONE };
    for other in SOMETHING_ELSE.into_iter().map(|(_, other)| other).chain([crash]) {
        let budget = Budget { failures: 0, ..beside_a_pause(other) };
        has_no_circle(&Setup::new(TWO_ATTEMPTS, budget).calm());
    }
}

#[test]
fn each_thing_happens() {
    let one = |budget| Budget { all: 1, ..budget };
    let (none, two) = (Budget::NONE, |budget| Budget { all: 2, ..budget });
    let (crash, pause) = (one(Budget { crashes: 1, ..none }), one(Budget { pauses: 1, ..none }));
    let lost = one(Budget { lost_answers: 1, ..none });
    let table = [
        ("delivered", none),
        ("exhausted", Budget { failures: 2, ..none }),
        ("discarded, for the endpoint is gone", one(Budget { gone: 1, ..none })),
        ("discarded, for the subscription stopped", one(Budget { stops: 1, ..none })),
        ("parked, and taken up again", one(Budget { parks: 1, ..none })),
        ("a retry taken up", Budget { failures: 1, ..none }),
        ("an outcome dropped by the node that came after", pause),
        ("an outcome refused by the database", pause),
        ("fenced while it stood still", pause),
        ("fenced after it died", crash),
        ("taken over from a node that was fenced", crash),
        ("written again, for the answer was lost", lost),
        ("an end found written", Budget { failures: 2, ..lost }),
        ("an end left for later", Budget { failures: 2, ..lost }),
        ("put off, for the lease was over", pause),
        ("a read that came too early", one(Budget { idle_reads: 1, failures: 1, ..none })),
        ("sent again, for the outcome was lost", crash),
        ("an event that nobody wants", two(Budget { stops: 2, ..none })),
        ("a pointer recovered", crash),
    ];
    let all = properties::all();
    let wanted = all.iter().filter(|property| !property.expectation.discovery_is_failure());
    assert_eq!(wanted.count(), table.len());
    for (what, budget) in table {
        let path = find(Setup::new(TWO_ATTEMPTS, budget).watched(), what);
        let Some(path) = path else { panic!("it does not happen: {what}") };
        say(&format!("{what}:\n{}", steps(path)));
    }
}

macro_rules! found {
    ($($name:ident: $sabotage:ident, $law:ident, { $($kind:ident: $most:literal),* };)*) => {
        $(#[test]
        fn $name() {
            let budget = Budget { $($kind: $most,)* ..Budget::NONE };
            finds(Sabotage::$sabotage, budget, properties::$law);
        })*

        #[test]
        fn each_sabotage_is_tried() {
            let tried = [$(Sabotage::$sabotage),*];
            for sabotage in Sabotage::ALL {
                assert!(tried.contains(sabotage), "{sabotage:?}");
            }
        }
    };
}

found! {
    a_worker_that_ignores_its_fence_is_found: IgnoresItsFence, STALE_REFUSED, { all: 1, pauses: 1 };
    an_outcome_of_another_holder_is_found: IgnoresTheHolder, STALE_REFUSED, { all: 1, pauses: 1 };
    a_pointer_that_another_node_drops_is_found:
        UnwantedByAnybody, STALE_REFUSED, { all: 3, pauses: 1, stops: 2 };
    an_end_that_is_left_is_found: LeavesTheEnd, END_ABSORBS, { all: 2, lost_answers: 1, gone: 1 };
    an_attempt_too_many_is_found: OneAttemptTooMany, ATTEMPTS_MAX, { failures: 2 };
    a_retry_that_comes_early_is_found: RetriesAtOnce, NOT_EARLY, { failures: 1 };
    an_attempt_for_who_stopped_is_found: SendsToTheStopped, STOPPED, { all: 1, stops: 1 };
    an_attempt_without_a_lease_is_found: SendsWithoutLease, LEASED, { all: 1, pauses: 1 };
    a_pointer_that_goes_with_the_first_pair_is_found: DropsThePointerEarly, EVERY_PAIR, {};
    a_pointer_that_goes_at_once_is_found: DropsThePointerAtOnce, EVERY_PAIR, {};
    a_delivery_in_two_hands_is_found:
        TakesWhatIsInHand, ONE_TOKEN, { all: 1, idle_reads: 1, failures: 1 };
    what_stays_with_the_dead_is_found: NeverAdopts, ALL_END, { all: 1, crashes: 1 };
    a_lease_that_never_expires_is_found: NeverFences, NONE_LEFT, { all: 1, crashes: 1 };
    what_is_parked_and_forgotten_is_found: ForgetsTheParked, ALL_END, { all: 1, parks: 1 };
    a_pair_that_is_planned_twice_is_found:
        PlansPairsTwice, ONE_TOKEN, { all: 1, crashes: 1, failures: 1 };
}
