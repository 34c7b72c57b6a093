//! `cargo xtask simulate`: the engine on several nodes in virtual time, seed by seed.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::{machine, workspace};

const USAGE: &str = "usage: cargo xtask simulate [--seeds N] [--from S] | --seed S";

/// What to simulate.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// One seed, with its whole trace.
    One(u64),
    /// So many seeds from there on; as many as the test runs, from the first, unless told.
    Many { seeds: Option<u64>, from: Option<u64> },
}

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let wanted = read(arguments)?;
    let mut interrupts = Interrupts::listen()?;
    machine::provide_c_compiler()?;
    let mut runner = workspace::cargo();
    runner.args(["test", "--package", "tidings-simulation", "--test", "seeds", "--"]).args([
        "every_seed_keeps_every_promise",
        "--exact",
        "--nocapture",
    ]);
    match wanted {
        Wanted::One(seed) => {
            runner.env("TIDINGS_SIMULATE_SEED", seed.to_string());
        }
        Wanted::Many { seeds, from } => {
            for (variable, number) in
                [("TIDINGS_SIMULATE_SEEDS", seeds), ("TIDINGS_SIMULATE_FROM", from)]
            {
                if let Some(number) = number {
                    runner.env(variable, number.to_string());
                }
            }
        }
    }
    interrupts.run(&mut runner)
}

fn read(arguments: &[String]) -> Result<Wanted, Failure> {
    let usage = || Failure::new(USAGE);
    let (mut one, mut seeds, mut from) = (None, None, None);
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let number = rest.next().and_then(|text| text.parse::<u64>().ok()).ok_or_else(usage)?;
        let place = match flag.as_str() {
            "--seed" => &mut one,
            "--seeds" => &mut seeds,
            "--from" => &mut from,
            _ => return Err(usage()),
        };
        if place.replace(number).is_some() {
            return Err(usage());
        }
    }
    match (one, seeds, from) {
        (Some(seed), None, None) => Ok(Wanted::One(seed)),
        (None, Some(0), _) | (Some(_), ..) => Err(usage()),
        (None, seeds, from) => Ok(Wanted::Many { seeds, from }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Wanted, read};

    #[test]
    fn one_seed_or_many_is_said_once() {
        let of =
            |line: &str| read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).ok();
        assert_eq!(of(""), Some(Wanted::Many { seeds: None, from: None }));
        assert_eq!(of("--seed 7"), Some(Wanted::One(7)));
        assert_eq!(
            of("--seeds 50 --from 9"),
            Some(Wanted::Many { seeds: Some(50), from: Some(9) })
        );
        for refused in
            ["--seed", "--seed x", "--seeds 0", "--seed 1 --seeds 2", "--seed 1 --seed 2", "7 8"]
        {
            assert_eq!(of(refused), None, "{refused}");
        }
    }
}
