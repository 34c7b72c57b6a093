//! The tools of the command line: the real binary, against receivers and servers of the test's.
#![expect(clippy::unwrap_used, reason = "a run of the binary that cannot go on fails, with why")]

mod conformance;
mod listen;
mod offline;
mod replay;
#[path = "../server/mod.rs"]
mod server;
mod tail;
mod trigger;

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use axum::Router;
use tokio::net::TcpListener;

/// A secret of the tests.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Another one.
const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// The binary, without settings of whoever runs the test.
fn tidings(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(arguments);
    for name in ["TIDINGS_WEBHOOK_SECRET", "TIDINGS_API_KEY", "TIDINGS_URL", "TIDINGS_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Runs it with something on standard input.
fn run(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever reads none of it closes the pipe, and that is fine.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Runs it beside the test's own tasks.
async fn run_beside(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || run(&mut command, b"")).await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Serves for as long as the test runs.
async fn served(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    drop(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
    address
}
