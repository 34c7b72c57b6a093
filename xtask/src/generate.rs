//! `cargo xtask gen`: the files that are derived from the program.
//!
//! The generator is a program of its own, because it holds the whole server. So the other tasks
//! work while the server does not compile.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::{machine, workspace};

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let mut interrupts = Interrupts::listen()?;
    machine::provide_c_compiler()?;
    let mut generator = workspace::cargo();
    generator.args(["run", "--quiet", "--package", "xtask-gen", "--"]).args(arguments);
    interrupts.run(&mut generator)
}
