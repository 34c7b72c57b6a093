//! Many seeds; one seed twice; lies that must be noticed.
#![expect(clippy::unwrap_used, reason = "a run that cannot go on fails, with the reason")]
#![expect(clippy::print_stdout, reason = "a failing seed is told with the command that replays it")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tidings_simulation::{Mutation, Report, simulate};

/// Seeds of a run unless told.
const SEEDS: u64 = 1_000;
/// Threads that simulate; each simulation is on one.
const THREADS: usize = 2;

#[expect(clippy::disallowed_methods, reason = "`cargo xtask simulate` says so by the environment")]
fn told(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn show(report: &Report) {
    for line in &report.trace {
        println!("{line}");
    }
    println!(
        "seed {}: {} events, {} arrivals, {} disturbances, trace {}",
        report.seed, report.events, report.arrivals, report.disturbances, report.digest
    );
    for violation in &report.violations {
        println!("seed {} breaks a promise: {violation}", report.seed);
    }
}

fn sweep(first: u64, count: u64) -> Vec<Report> {
    let next = AtomicU64::new(first);
    let bad = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let report = simulate(seed, None);
                    if !report.violations.is_empty() {
                        bad.lock().unwrap().push(report);
                    }
                }
            });
        }
    });
    bad.into_inner().unwrap()
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = told("TIDINGS_SIMULATE_SEED") {
        let report = simulate(seed, None);
        show(&report);
        assert!(report.violations.is_empty(), "seed {seed}");
        return;
    }
    let count = told("TIDINGS_SIMULATE_SEEDS").unwrap_or(SEEDS);
    let first = told("TIDINGS_SIMULATE_FROM").unwrap_or(1);
    let mut bad = sweep(first, count);
    bad.sort_by_key(|report| report.seed);
    for report in &bad {
        for violation in report.violations.iter().take(4) {
            println!("seed {} breaks a promise: {violation}", report.seed);
        }
    }
    if let Some(report) = bad.first() {
        println!("to see it again: cargo xtask simulate --seed {}", report.seed);
    }
    assert!(bad.is_empty(), "{} of {count} seeds break a promise", bad.len());
}

#[test]
fn one_seed_gives_one_run() {
    for seed in [1, 2, 3, 4, 5, 6] {
        let (once, again) = (simulate(seed, None), simulate(seed, None));
        let differs = once.trace.iter().zip(&again.trace).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(once.digest, again.digest, "seed {seed}");
        assert!(once.arrivals > 0, "seed {seed} sends nothing");
    }
}

/// What the judge says of a lie, so that no lie is noticed by the law of another.
fn verdict(mutation: Mutation) -> &'static str {
    match mutation {
        Mutation::ForgetEvent => "is called delivered, and never arrived",
        Mutation::AlterBody => "was sent with other bytes",
        Mutation::Invent => "was sent and never committed",
        Mutation::Repeat => "times at endpoint",
        Mutation::Overtake | Mutation::Overlap => "had ended",
        Mutation::SendCutOff => "cut off since",
        Mutation::CountTwice => "were counted",
    }
}

#[test]
fn every_lie_is_noticed() {
    for &mutation in Mutation::ALL {
        let noticed = (1..=80).any(|seed| {
            let report = simulate(seed, Some(mutation));
            report.violations.iter().any(|violation| violation.contains(verdict(mutation)))
        });
        assert!(noticed, "{mutation:?}");
    }
}
