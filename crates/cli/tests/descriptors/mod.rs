//! The real binary with few descriptors, and somebody without a credential who wants them all.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use tidings_testkit::{Receiver, ScratchDir};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::server::{OPERATOR, Server, free_port, wait_until_ready};

/// Connections of whoever sends half a request: more than the server has descriptors. Where its places
/// are taken, as many again as the kernel's queue holds get through to that.
const HALF_OPEN: usize = 300;

/// Starts a server under limits, as `ulimit` takes them.
async fn start(data: &Path, address: SocketAddr, limits: &str) -> Server {
    let child = Command::new("sh")
        .args(["-c", &format!("{limits} && exec \"$@\""), "sh"])
        .args([env!("CARGO_BIN_EXE_tidings"), "serve", "--dev", "--log", "error", "--data"])
        .arg(data)
        .args(["--listen", &address.to_string()])
        .env("TIDINGS_OPERATOR_KEY", OPERATOR)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_ready(child, address).await
}

async fn half_open(address: SocketAddr) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..HALF_OPEN {
        // Who finds the kernel's queue full is left waiting; so many need not get in.
        let Ok(connected) =
            tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(address)).await
        else {
            break;
        };
        let mut stream = connected.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: ").await.unwrap();
        streams.push(stream);
    }
    streams
}

#[tokio::test]
async fn half_open_requests_take_no_delivery_its_descriptor() {
    let scratch = ScratchDir::new();
    let address = free_port();
    let server = start(&scratch.path().join("data"), address, "ulimit -n 256").await;
    let operator = server.client.with_key(OPERATOR);
    let made = operator.post("/api/v1/tenants", &json!({"name": "few"})).await.unwrap();
    let tenant = server.client.with_key(made.text("/api_key"));

    // The client's own connection stays; everybody else's place is taken.
    let streams = half_open(address).await;
    assert!(streams.len() >= 128, "{} connected", streams.len());
    let mut receivers = Vec::new();
    for number in 0..4 {
        let receiver = Receiver::start().await;
        let body = json!({"url": receiver.url(), "events": ["customer.created"]});
        let made = tenant.post("/api/v1/webhooks/subscriptions", &body).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
        receivers.push(receiver);
        let body = json!({"email": format!("c{number}@example.com"), "first_name": "C",
            "last_name": "D"});
        let made = tenant.post("/api/v1/customers", &body).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    }
    for (number, receiver) in receivers.iter().enumerate() {
        receiver.wait_for(4 - number).await;
    }
    // Each is counted a moment after the receiver has it.
    let counted = async || {
        let attempts = operator.get("/metrics").await.unwrap();
        let page = String::from_utf8(attempts.bytes.to_vec()).unwrap();
        let of_attempts = |line: &&str| line.starts_with("tidings_attempts_total");
        page.lines().filter(of_attempts).map(str::to_owned).collect::<Vec<_>>()
    };
    let all = ["tidings_attempts_total{class=\"success\"} 10"];
    let began = Instant::now();
    while counted().await != all && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(counted().await, all, "none failed");
    drop(streams);
}

/// On Linux, where a process can be asked what its limits are.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let scratch = ScratchDir::new();
    let limits = "ulimit -Sn 128 && ulimit -Hn 512";
    let server = start(&scratch.path().join("data"), free_port(), limits).await;
    let path = format!("/proc/{}/limits", server.child.id());
    let limits = std::fs::read_to_string(path).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<_> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["512", "512"]);
}
