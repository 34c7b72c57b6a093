//! The product under measurement: the released binary, started as a user starts it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidings_client::Client;

use crate::Failure;

const OPERATOR: &str = "operator-key-of-the-benchmark-0123456789";
/// Clock ticks a second in `/proc`, on every Linux that we know.
const TICKS: f64 = 100.0;

/// A running server with a tenant.
pub(crate) struct Product {
    child: Child,
    data: PathBuf,
    /// Whether the data folder stays, to be looked into.
    keep: bool,
    database: Option<String>,
    pub(crate) address: SocketAddr,
    /// The tenant's.
    pub(crate) client: Client,
}

impl Drop for Product {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.data);
        }
    }
}

impl Product {
    pub(crate) async fn start(binary: &Path, server: Option<&str>) -> Result<Self, Failure> {
        // The current folder, not the folder for temporary files: that may be memory.
        let data = PathBuf::from(format!("target/bench-data-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir_all(&data)?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let database = server.map(fresh_database).transpose()?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--dev", "--log", "warn", "--data"])
            .arg(&data)
            .args(["--listen", &address.to_string()])
            .env("TIDINGS_OPERATOR_KEY", OPERATOR)
            .stdout(Stdio::null());
        if let Some(database) = &database {
            command.args(["--database", database]);
        }
        let child = command.spawn().map_err(|error| {
            format!(
                "{} cannot be started ({error}); `cargo build --release` makes it",
                binary.display()
            )
        })?;
        let client = Client::new(format!("http://{address}"));
        let mut product = Self { child, data, keep: false, database, address, client };
        product.ready().await?;
        let operator = product.client.with_key(OPERATOR);
        let tenant = operator.post("/api/v1/tenants", &json!({"name": "bench"})).await?;
        product.client = product.client.with_key(tenant.text("/api_key"));
        product
            .make("/api/v1/webhooks/event-types", &json!({"event_type": "custom.bench"}))
            .await?;
        Ok(product)
    }

    async fn ready(&self) -> Result<(), Failure> {
        let began = Instant::now();
        while !self.client.get("/readyz").await.is_ok_and(|answer| answer.status.is_success()) {
            if began.elapsed() > Duration::from_secs(20) {
                return Err("the server does not become ready".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Makes something; what is refused ends the run.
    pub(crate) async fn make(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let answer = self.client.post(path, body).await?;
        if answer.status.is_success() {
            Ok(answer.json())
        } else {
            Err(format!("{path}: {}: {}", answer.status, answer.json()).into())
        }
    }

    /// Leaves the data folder behind, and says where.
    pub(crate) fn keep_data(&mut self) -> &Path {
        self.keep = true;
        &self.data
    }

    pub(crate) async fn subscribe(&self, url: &str, events: &[&str]) -> Result<(), Failure> {
        let body = json!({"url": url, "events": events, "timeout_seconds": 30});
        self.make("/api/v1/webhooks/subscriptions", &body).await.map(drop)
    }

    /// Processor seconds so far: the server's own, and those of PostgreSQL's processes.
    pub(crate) fn cpu(&self) -> (f64, f64) {
        let own = ticks(&format!("/proc/{}/stat", self.child.id())).unwrap_or(0.0) / TICKS;
        let database = self.database.as_ref().map_or(0.0, |_| postgres_ticks() / TICKS);
        (own, database)
    }

    /// The most memory that the server held, in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1_024.0
    }
}

/// User and system ticks of a process and of its children that ended.
fn ticks(stat: &str) -> Option<f64> {
    let text = std::fs::read_to_string(stat).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let sum: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(sum as f64)
}

/// Of all processes that are called `postgres`: no other server should run during a measurement.
fn postgres_ticks() -> f64 {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .map(|process| process.path().join("stat"))
        .filter(|stat| std::fs::read_to_string(stat).is_ok_and(|text| text.contains("(postgres)")))
        .filter_map(|stat| ticks(&stat.to_string_lossy()))
        .sum()
}

/// A new database on a server, made with its own client.
fn fresh_database(server: &str) -> Result<String, Failure> {
    let nanos = std::time::UNIX_EPOCH.elapsed()?.as_nanos();
    let name = format!("tidings_bench_{nanos}");
    let made = Command::new("psql")
        .args([server, "--quiet", "--command", &format!("CREATE DATABASE {name}")])
        .status()
        .map_err(|error| format!("psql, which makes the database, cannot be started: {error}"))?;
    if !made.success() {
        return Err("the database could not be made".into());
    }
    let (base, _) = server.rsplit_once('/').ok_or("the URL names no database")?;
    Ok(format!("{base}/{name}"))
}
