//! The real binary as a server, for the tests that need one running.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tidings_testkit::Client;

pub(crate) const OPERATOR: &str = "operator-key-of-the-binary-tests-0123456789";

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) client: Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already, and is so after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the real binary and waits until it is ready.
pub(crate) async fn start(data: &Path, address: SocketAddr, database: Option<&str>) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command
        .args(["serve", "--dev", "--log", "warn", "--data"])
        .arg(data)
        .args(["--listen", &address.to_string()])
        .env("TIDINGS_OPERATOR_KEY", OPERATOR)
        .stdout(Stdio::null());
    if let Some(database) = database {
        command.args(["--database", database]);
    }
    wait_until_ready(command.spawn().unwrap(), address).await
}

/// Waits until a server answers that it is ready.
pub(crate) async fn wait_until_ready(child: Child, address: SocketAddr) -> Server {
    let server = Server { child, client: Client::new(format!("http://{address}")) };
    let began = Instant::now();
    while !server.client.get("/readyz").await.is_ok_and(|answer| answer.status.is_success()) {
        assert!(began.elapsed() < Duration::from_secs(20), "the server does not become ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
