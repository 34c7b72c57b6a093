//! Development tasks, in Rust instead of shell: `cargo xtask <command>`.
//!
//! One command is one module and one arm of `run`. A task that needs a database gets one of its
//! own from [`cluster`], which disappears with it, however it ends.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod bench;
mod ci;
mod cluster;
mod crash;
mod failure;
mod fuzz;
mod generate;
mod interrupts;
mod machine;
mod postgres;
mod python;
mod schemathesis;
mod server;
mod simulate;
mod test;
mod tidy;
mod verifier;
mod workspace;

use std::process::ExitCode;

use failure::Failure;

const USAGE: &str = "\
usage: cargo xtask <command>

  test [arguments of cargo test]   run the tests, with everything they need
  crash [--rounds N]               kill the binary under load, on both engines; 200 times
  simulate [--seeds N | --seed S]  the engine on several nodes in virtual time; 1,000 seeds
  fuzz [TARGET] [--seconds N]      the parsers under libFuzzer; each for a minute
  schemathesis [--seconds N] [--seed N]
                                   the API against its own document; for a quarter of an hour
  bench [--postgres] [arguments of tidings-bench]
                                   the released binary, measured; `bench --list` names the scenarios
  postgres                         keep a throw-away PostgreSQL running until Ctrl-C
  gen [--check]                    write, or compare, the files derived from the program
  tidy                             check what the compiler and clippy cannot
  ci                               everything that must pass: fmt, clippy, tidy, test";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err(Failure::new(USAGE));
    };
    match command.as_str() {
        "test" => test::run(rest),
        "crash" => crash::run(rest),
        "simulate" => simulate::run(rest),
        "fuzz" => fuzz::run(rest),
        "schemathesis" => schemathesis::run(rest),
        "bench" => bench::run(rest),
        "postgres" => postgres::run(),
        "gen" => generate::run(rest),
        "tidy" => Ok(tidy::run()),
        "ci" => ci::run(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => Err(Failure::new(format!("there is no command `{unknown}`\n{USAGE}"))),
    }
}
