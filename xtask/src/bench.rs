//! `cargo xtask bench`: the released binary, measured through its front door.

use std::process::ExitCode;

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::server::Server;
use crate::{machine, workspace};

/// Measures on PostgreSQL, on a cluster that flushes as in production.
const POSTGRES: &str = "--postgres";

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let mut interrupts = Interrupts::listen()?;
    machine::provide_c_compiler()?;
    let mut build = workspace::cargo();
    build.args(["build", "--release", "--package", "tidings-cli", "--package", "tidings-bench"]);
    let ended = interrupts.run(&mut build)?;
    if ended != ExitCode::SUCCESS {
        return Ok(ended);
    }
    let (ours, theirs): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| *argument == POSTGRES);
    let cluster = if ours.is_empty() {
        None
    } else {
        Some(Cluster::start_durable(&Server::find_or_install()?)?)
    };
    let mut bench = std::process::Command::new(workspace::target().join("release/tidings-bench"));
    bench.current_dir(workspace::root()).args(theirs);
    if let Some(cluster) = &cluster {
        bench.args(["--database", &cluster.url()]);
    }
    interrupts.run(&mut bench)
}
