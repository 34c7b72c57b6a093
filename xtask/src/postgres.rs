//! `cargo xtask postgres`: the cluster of the tests, for working by hand.

use std::process::ExitCode;

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::server::Server;

pub(crate) fn run() -> Result<ExitCode, Failure> {
    let mut interrupts = Interrupts::listen()?;
    let cluster = Cluster::start(&Server::find_or_install()?)?;
    println!("{}", cluster.url());
    eprintln!("PostgreSQL runs until Ctrl-C; its data is then gone.");
    interrupts.wait();
    drop(cluster);
    Ok(ExitCode::SUCCESS)
}
