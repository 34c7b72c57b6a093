//! The binary `tidings`: serve, migrate, doctor, and client commands.

mod args;
mod catalog;
mod conformance;
mod coverage;
mod demo;
mod doctor;
mod failure;
mod forward;
mod inputs;
mod listen;
mod replay;
mod say;
mod serve;
mod sign;
mod signals;
mod tail;
mod tenant;
mod trigger;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command, EventsCommand, OperatorKeyCommand};
use failure::Ended;
use say::{aside, say};

/// A tenth less processor time for an event than with the allocator of the C library, of which SQLite
/// gets this one too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    logs(&args);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref()),
    }
}

/// What a shell says of a process that wrote to a pipe without a reader.
const CLOSED: u8 = 141;

/// What went wrong, with its causes, in one line for each.
fn fail(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    if error.is::<say::Closed>() {
        return ExitCode::from(CLOSED);
    }
    let ended = error.downcast_ref::<Ended>();
    if let Some(Ended::Negative) = ended {
        return Ended::Negative.status();
    }
    aside(format_args!("tidings: {error}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        aside(format_args!("  because: {error}"));
        cause = error.source();
    }
    ended.map_or(ExitCode::FAILURE, Ended::status)
}

/// Logs go to standard error, so that standard output is the command's own.
fn logs(args: &Args) {
    let (log, as_json) = args.logging();
    let filter = tracing_subscriber::EnvFilter::try_new(&log)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that cannot be written would be complained of with `eprintln!`, which panics.
        .log_internal_errors(false);
    if as_json {
        logs.json().init();
    } else {
        logs.with_target(false).init();
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Serve(settings) => serve::run(settings.into_settings()?).await,
        Command::Migrate(settings) => {
            let engine = tidings_server::App::migrate(&settings.into_settings()?).await?;
            say!("the {engine} database is up to date")
        }
        Command::Doctor(options) => doctor::run(options).await,
        Command::OperatorKey(OperatorKeyCommand::Rotate(settings)) => {
            let settings = settings.into_settings()?;
            let key = tidings_server::App::rotate_operator_key(&settings).await?;
            say!("operator key: {}", key.expose())
        }
        Command::Events(EventsCommand::List) => catalog::list(),
        Command::Events(EventsCommand::Show { event_type }) => catalog::show(&event_type),
        Command::Events(EventsCommand::Tail(options)) => tail::events(options).await,
        Command::Deliveries(command) => tail::deliveries(command).await,
        Command::Coverage { json } => coverage::print(json),
        Command::Listen(options) => listen::run(options).await,
        Command::Trigger(options) => trigger::run(options).await,
        Command::Replay(options) => replay::run(options).await,
        Command::Sign(options) => sign::run(&options),
        Command::Verify(options) => verify::run(&options),
        Command::Conformance(options) => conformance::run(options).await,
        Command::Demo(options) => demo::run(options).await,
    }
}
