//! `cargo xtask crash`: the binary, killed under load many more times than in a run of all tests.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::test::Database;
use crate::{machine, workspace};

/// Kills on each engine unless told.
const ROUNDS: u32 = 200;

const USAGE: &str = "usage: cargo xtask crash [--rounds N], N from 1 on";

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let rounds = rounds(arguments)?;
    let mut interrupts = Interrupts::listen()?;
    machine::provide_c_compiler()?;
    let database = Database::provide()?;
    let mut runner = workspace::cargo();
    runner
        .args(["test", "--package", "tidings-cli", "--test", "crash", "--"])
        // One engine after the other: each has the machine for itself, and its figures are shown.
        .args(["--test-threads=1", "--nocapture"])
        .env("TIDINGS_CRASH_ROUNDS", rounds.to_string())
        // What a missing server would leave out must fail.
        .env("CI", "true");
    database.hand_to(&mut runner);
    interrupts.run(&mut runner)
}

fn rounds(arguments: &[String]) -> Result<u32, Failure> {
    let told = match arguments {
        [] => return Ok(ROUNDS),
        [flag, number] if flag == "--rounds" => number,
        [both] => both.strip_prefix("--rounds=").ok_or_else(|| Failure::new(USAGE))?,
        _ => return Err(Failure::new(USAGE)),
    };
    told.parse().ok().filter(|rounds| *rounds > 0).ok_or_else(|| Failure::new(USAGE))
}

#[cfg(test)]
mod tests {
    use super::{ROUNDS, rounds};

    #[test]
    fn the_rounds_are_told_or_the_usual() {
        let of = |line: &str| {
            rounds(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).ok()
        };
        assert_eq!(of(""), Some(ROUNDS));
        assert_eq!(of("--rounds 7"), Some(7));
        assert_eq!(of("--rounds=7"), Some(7));
        for refused in ["--rounds", "--rounds 0", "--rounds many", "7", "--rounds 7 8"] {
            assert_eq!(of(refused), None, "{refused}");
        }
    }
}
