//! `cargo xtask ci`: everything that must pass, cheapest first, each step announced.

use std::process::ExitCode;

use crate::failure::{Doing, Failure};
use crate::{test, tidy, workspace};

pub(crate) fn run() -> Result<ExitCode, Failure> {
    cargo_step(&["fmt", "--all", "--", "--check"])?;
    cargo_step(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    announce("cargo xtask tidy");
    if tidy::run() != ExitCode::SUCCESS {
        return Err(Failure::new("`cargo xtask tidy` failed"));
    }
    announce("cargo xtask test");
    test::run(&[])
}

fn cargo_step(arguments: &[&str]) -> Result<(), Failure> {
    let step = format!("cargo {}", arguments.join(" "));
    announce(&step);
    let status = workspace::cargo().args(arguments).status().doing("run cargo")?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{step}` failed"))) }
}

fn announce(step: &str) {
    println!("==> {step}");
}
