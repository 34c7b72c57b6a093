//! The real binary on a volume that runs full: what is new is refused, what was promised goes on,
//! and room is enough to be well again.
//!
//! The volume is mounted where only the server sees it, which needs Linux and either root or user
//! namespaces. Where neither is to be had the test says so; on CI it fails.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Client, Receiver, ScratchDir};

use crate::server::{OPERATOR, Server, free_port, wait_until_ready};

/// The size of the volume; the reserve of one this small is 8 MiB.
const VOLUME: &str = "size=40m";
/// How long after there is room again the first change may still be refused.
const RECOVERED_WITHIN: Duration = Duration::from_secs(10);

/// `unshare` with a mount namespace, and a user namespace unless this is root.
fn unshare() -> Command {
    use std::os::unix::fs::MetadataExt;
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        command.arg("--map-root-user");
    }
    command
}

fn can_mount() -> bool {
    let tried = unshare().args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    let can = tried.is_ok_and(|output| output.status.success());
    // On CI a test that is left out would be a lie.
    let is_ci = std::env::var_os("CI").is_some();
    assert!(can || !is_ci, "a volume of its own cannot be mounted");
    can
}

async fn start_on_volume(data: &Path, address: SocketAddr) -> Server {
    let mounted = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";
    let child = unshare()
        .args(["sh", "-c", mounted, "sh", VOLUME])
        .arg(data)
        .args([env!("CARGO_BIN_EXE_tidings"), "serve", "--dev", "--log", "off", "--data"])
        .arg(data)
        .args(["--listen", &address.to_string()])
        .env("TIDINGS_OPERATOR_KEY", OPERATOR)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_ready(child, address).await
}

/// What else lies on the volume, reached through the server's own view of the file system.
struct Ballast(PathBuf);

impl Ballast {
    /// Fills the volume until nothing more fits.
    fn fill(server: &Server, data: &Path, name: &str) -> Self {
        let seen = format!("/proc/{}/root{}", server.child.id(), data.display());
        let path = Path::new(&seen).join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        let block = vec![0_u8; 64 * 1024];
        while file.write_all(&block).is_ok() {}
        Self(path)
    }

    /// Leaves so many bytes free again.
    fn leave(&self, bytes: u64) {
        let file = std::fs::OpenOptions::new().write(true).open(&self.0).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length - bytes).unwrap();
    }

    fn remove(self) {
        std::fs::remove_file(self.0).unwrap();
    }
}

fn customer(number: usize) -> Value {
    json!({"email": format!("c{number}@example.com"), "first_name": "C", "last_name": "D"})
}

/// A tenant, and a receiver that is subscribed to its new customers.
async fn subscribed(server: &Server) -> (Client, Receiver) {
    let operator = server.client.with_key(OPERATOR);
    let tenant = operator.post("/api/v1/tenants", &json!({"name": "full"})).await.unwrap();
    let client = server.client.with_key(tenant.text("/api_key"));
    let receiver = Receiver::start().await;
    let body = json!({"url": receiver.url(), "events": ["customer.created"]});
    let made = client.post("/api/v1/webhooks/subscriptions", &body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    (client, receiver)
}

async fn a_volume_runs_full() {
    let scratch = ScratchDir::new();
    let data = scratch.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    let server = start_on_volume(&data, free_port()).await;
    let (client, receiver) = subscribed(&server).await;
    let mut accepted = 0;
    let made = client.post("/api/v1/customers", &customer(accepted)).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    accepted += 1;

    // Room for a little more than the reserve: changes go on until that little is used up.
    let ballast = Ballast::fill(&server, &data, "ballast");
    ballast.leave(9 * 1024 * 1024);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let refused = loop {
        let answer = client.post("/api/v1/customers", &customer(accepted)).await.unwrap();
        if answer.status != StatusCode::CREATED {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 5_000, "the volume does not run full");
    };
    assert!(accepted > 10, "only {accepted} were accepted");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.json());
    assert_eq!(refused.text("/type"), "/problems/storage_full");
    assert_eq!(refused.headers["retry-after"], "10");
    // It says so to who watches, and answers whoever reads.
    // A good answer counts for a second, and the last one may be as young.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let ready = server.client.get("/readyz").await.unwrap();
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text("/database").contains("no room"), "{}", ready.json());
    let page = client.get("/api/v1/customers?limit=5").await.unwrap();
    assert_eq!(page.status, StatusCode::OK, "{}", page.json());

    // What was accepted arrives, and that it arrived is written, in the reserve.
    let delivered = || async {
        let path = "/api/v1/webhooks/deliveries?status=pending&limit=200";
        let pending = client.get(path).await.unwrap().json();
        pending["data"].as_array().unwrap().is_empty() && receiver.count() >= accepted
    };
    let began = Instant::now();
    while !delivered().await {
        assert!(began.elapsed() < Duration::from_secs(30), "{} arrived", receiver.count());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(receiver.count(), accepted, "each arrives once");

    // Without a byte left, the reserve used by somebody else, nothing is half-done and nobody lies.
    let rest = Ballast::fill(&server, &data, "rest");
    for number in 0..20 {
        let answer = client.post("/api/v1/customers", &customer(100_000 + number)).await.unwrap();
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.json());
    }
    rest.remove();
    ballast.remove();

    let began = Instant::now();
    loop {
        let answer = client.post("/api/v1/customers", &customer(accepted)).await.unwrap();
        if answer.status == StatusCode::CREATED {
            accepted += 1;
            break;
        }
        assert!(began.elapsed() < RECOVERED_WITHIN, "{}", answer.json());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let began = Instant::now();
    while receiver.count() < accepted {
        assert!(began.elapsed() < Duration::from_secs(10), "the last one does not arrive");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let overview = client.get("/api/v1/customers/metrics/overview").await.unwrap().json();
    assert_eq!(overview["total_customers"], accepted, "{overview}");
}

#[test]
fn on_a_full_volume_what_was_promised_goes_on_and_the_rest_is_refused() {
    if !can_mount() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(a_volume_runs_full());
}
