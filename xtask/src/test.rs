//! `cargo xtask test`: the tests, with everything they need.

use std::process::{Command, ExitCode};

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::server::Server;
use crate::{machine, schemathesis, verifier, workspace};

/// Where tests find a PostgreSQL server on which they may create databases.
const SERVER_URL_VARIABLE: &str = "TIDINGS_TEST_POSTGRES";

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let mut interrupts = Interrupts::listen()?;
    machine::provide_c_compiler()?;
    machine::provide_curl()?;
    let database = Database::provide()?;
    let mut runner = workspace::cargo();
    runner
        .arg("test")
        .env(verifier::VARIABLE, verifier::find_or_install()?)
        .env(schemathesis::VARIABLE, schemathesis::find_or_install()?);
    if !selects_packages(arguments) {
        runner.arg("--workspace");
    }
    runner.args(arguments);
    database.hand_to(&mut runner);
    interrupts.run(&mut runner)
}

/// The tests' PostgreSQL: the caller's, or a cluster that is removed when this is dropped. It must
/// be held until the runner has ended.
pub(crate) struct Database(Option<Cluster>);

impl Database {
    pub(crate) fn provide() -> Result<Self, Failure> {
        Ok(Self(match std::env::var_os(SERVER_URL_VARIABLE) {
            Some(_) => None,
            None => Some(Cluster::start(&Server::find_or_install()?)?),
        }))
    }

    /// Tells a runner where it is.
    pub(crate) fn hand_to(&self, runner: &mut Command) {
        if let Some(cluster) = &self.0 {
            runner.env(SERVER_URL_VARIABLE, cluster.url());
        }
    }
}

/// Whether the arguments name packages themselves; cargo lets `--workspace` win over `--package`.
fn selects_packages(arguments: &[String]) -> bool {
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
}

#[cfg(test)]
mod tests {
    use super::selects_packages;

    fn selects(line: &str) -> bool {
        selects_packages(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_named_package_replaces_the_workspace() {
        assert!(selects("-p tidings-kernel"));
        assert!(selects("--release -ptidings-kernel"));
        assert!(selects("--package=tidings-db some_test"));
    }

    #[test]
    fn arguments_of_the_test_binary_select_nothing() {
        assert!(!selects(""));
        assert!(!selects("--release pays_an_invoice"));
        assert!(!selects("-- -p"));
    }
}
