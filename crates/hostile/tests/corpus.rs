//! Every target over its seeds, and over mutations that are the same on every run.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, with the reason")]

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use tidings_hostile::{Mutator, TARGETS, Target};

/// The number that decides the mutations, unless `TIDINGS_FUZZ_SEED` says another.
const NUMBER: u64 = 7;
/// The longest that one input may take, with checks on and neighbours busy. The promise is a tenth
/// of a second, which `cargo xtask fuzz` holds optimised code to.
const INPUT_TIME_MAX: Duration = Duration::from_secs(3);

fn told(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn feed(target: &Target, what: &str, input: &[u8]) {
    let began = Instant::now();
    let held = catch_unwind(|| (target.run)(input)).is_ok();
    let took = began.elapsed();
    let shown = input.escape_ascii();
    assert!(held, "`{}` fails on {what}: b\"{shown}\"", target.name);
    assert!(took < INPUT_TIME_MAX, "`{}` takes {took:?} on {what}: b\"{shown}\"", target.name);
}

fn run(name: &str) {
    let target = Target::find(name).unwrap();
    let seeds = target.seeds();
    assert!(seeds.len() >= 3, "`{name}` has too few seeds in {}", target.folder().display());
    for (file, input) in &seeds {
        feed(target, &format!("the seed {file}"), input);
    }
    let number = told("TIDINGS_FUZZ_SEED").unwrap_or(NUMBER);
    let mut mutator = Mutator::new(&seeds, number);
    for round in 0..told("TIDINGS_FUZZ_ROUNDS").unwrap_or(target.rounds.into()) {
        let what = format!("mutation {round} of TIDINGS_FUZZ_SEED={number}");
        feed(target, &what, &mutator.input());
    }
}

macro_rules! targets {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )+

        #[test]
        fn every_target_is_run() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),+]);
        }
    };
}

targets! {
    url
    retry_after
    custom_headers
    authorization
    idempotency_key
    if_match
    signature
    signing_secret
    cursor
    event_filter
    names
    payload_filter
    schema
    json
    publication
    subscription
    query
    cloudevents
    settings
}

#[test]
fn the_same_number_makes_the_same_inputs() {
    let seeds = Target::find("json").unwrap().seeds();
    let inputs = |number| {
        let mut mutator = Mutator::new(&seeds, number);
        std::iter::repeat_with(|| mutator.input()).take(50).collect::<Vec<_>>()
    };
    assert_eq!(inputs(1), inputs(1));
    assert_ne!(inputs(1), inputs(2));
}
