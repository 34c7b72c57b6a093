//! Measures the released binary through its front door: publishers with kept-open connections, a
//! receiver that records every arrival, and, in the same run, the two exchanges of a webhook without
//! any product between them, which is the bound that a share is quoted of.
//!
//! Everything talks over loopback and stops by itself.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]
#![expect(clippy::cast_precision_loss, reason = "what one run counts is far below 2 to the 52nd")]

mod book;
mod bound;
mod load;
mod product;
mod receiver;
mod report;
mod run;
mod scenario;
mod tls;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::run::Setting;
use crate::scenario::Scenario;

/// What went wrong, as a sentence.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures the released binary through its front door.
#[derive(Debug, Parser)]
struct Arguments {
    /// The scenarios to run, by name; unless told all but those that take very long.
    scenarios: Vec<String>,
    /// The binary.
    #[arg(long, default_value = "target/release/tidings")]
    binary: PathBuf,
    /// A PostgreSQL server on which databases may be made; SQLite unless told.
    #[arg(long, env = "TIDINGS_BENCH_POSTGRES")]
    database: Option<String>,
    /// Servers over one database; it must be PostgreSQL for more than one.
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// How long each scenario publishes, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often each scenario runs; the medians are told.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Connections that publish.
    #[arg(long, default_value_t = 64)]
    publishers: usize,
    /// Where to write every figure of every run, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Lists the scenarios.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for scenario in Scenario::ALL {
            println!("{:<18} {}", scenario.name(), scenario.says());
        }
        return ExitCode::SUCCESS;
    }
    match measure(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Failure> {
    let scenarios = chosen(&arguments.scenarios)?;
    let setting = Setting {
        binary: arguments.binary.clone(),
        database: arguments.database.clone(),
        nodes: arguments.nodes.max(1),
        length: Duration::from_secs(arguments.seconds),
        publishers: arguments.publishers,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = report::Report::new(&setting);
    for scenario in scenarios {
        for _ in 0..arguments.runs {
            // The bound is measured beside each run: the machine's mood is in both.
            let bound = runtime.block_on(bound::two_hops(&setting))?;
            let figures = runtime.block_on(run::run(scenario, &setting))?;
            eprintln!("{}", report.add(scenario, bound, figures));
        }
    }
    println!("{}", report.table());
    if let Some(file) = &arguments.json {
        std::fs::write(file, report.json())?;
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<Scenario>, Failure> {
    if names.is_empty() {
        return Ok(Scenario::ALL.into_iter().filter(|one| one.is_usual()).collect());
    }
    let find = |name: &String| {
        Scenario::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
            .ok_or_else(|| format!("there is no scenario `{name}`; --list names them").into())
    };
    names.iter().map(find).collect()
}
