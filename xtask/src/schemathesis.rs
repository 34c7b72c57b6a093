//! `cargo xtask schemathesis`: the running server, asked whatever its own OpenAPI document allows and
//! forbids, for much longer than in a run of all tests.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::python::Environment;
use crate::{machine, workspace};

/// Where the tests find the program.
pub(crate) const VARIABLE: &str = "TIDINGS_TEST_SCHEMATHESIS";

/// Seconds in all unless told.
const SECONDS: u32 = 900;

const USAGE: &str = "usage: cargo xtask schemathesis [--seconds N] [--seed N]";

const ENVIRONMENT: Environment = Environment {
    name: "schemathesis",
    requirements: include_str!("schemathesis.txt"),
    pip_arguments: &[],
    check: "import schemathesis",
    advice: "Python 3 with venv is needed: install the packages `python3` and `python3-venv`, or set \
        TIDINGS_TEST_SCHEMATHESIS to the program `st`",
};

/// The program: the caller's, the one of an earlier run, or a new one.
pub(crate) fn find_or_install() -> Result<PathBuf, Failure> {
    if let Some(program) = std::env::var_os(VARIABLE) {
        return Ok(program.into());
    }
    Ok(ENVIRONMENT.provide()?.join("st"))
}

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let told = Told::read(arguments)?;
    let mut interrupts = Interrupts::listen()?;
    machine::provide_c_compiler()?;
    let mut runner = workspace::cargo();
    runner
        .args(["test", "--package", "tidings-cli", "--test", "schemathesis", "--", "--nocapture"])
        .env(VARIABLE, find_or_install()?)
        .env("TIDINGS_SCHEMATHESIS_SECONDS", told.seconds.to_string())
        .env("TIDINGS_SCHEMATHESIS_SEED", told.seed.to_string());
    interrupts.run(&mut runner)
}

#[derive(Debug, PartialEq, Eq)]
struct Told {
    seconds: u32,
    seed: u32,
}

impl Told {
    fn read(arguments: &[String]) -> Result<Self, Failure> {
        let usage = || Failure::new(USAGE);
        let mut told = Self { seconds: SECONDS, seed: 1 };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            let value = match flag.as_str() {
                "--seconds" => &mut told.seconds,
                "--seed" => &mut told.seed,
                _ => return Err(usage()),
            };
            *value = rest.next().and_then(|text| text.parse().ok()).ok_or_else(usage)?;
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::{SECONDS, Told};

    #[test]
    fn seconds_and_seed_are_told_or_the_usual() {
        let of = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Told::read(&words).ok()
        };
        assert_eq!(of(""), Some(Told { seconds: SECONDS, seed: 1 }));
        assert_eq!(of("--seed 7 --seconds 30"), Some(Told { seconds: 30, seed: 7 }));
        for refused in ["--seconds", "--seconds many", "30", "--seed -1"] {
            assert_eq!(of(refused), None, "{refused}");
        }
    }
}
