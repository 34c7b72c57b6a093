//! The product under measurement: the released binary, started as a user starts it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tidings_client::Client;

use crate::run::Setting;
use crate::{Failure, tls};

const OPERATOR: &str = "operator-key-of-the-benchmark-0123456789";
/// The same for all nodes; it opens nothing but what a run makes.
const ROOT_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Clock ticks a second in `/proc`, on every Linux that we know.
const TICKS: f64 = 100.0;

/// One server.
struct Node {
    child: Child,
    address: SocketAddr,
}

/// One running server, or several over one database.
pub(crate) struct Product {
    binary: PathBuf,
    nodes: Vec<Node>,
    /// Where each node listens.
    listen: Vec<SocketAddr>,
    data: PathBuf,
    trusted: PathBuf,
    /// Whether the data folder stays, to be looked into.
    keep: bool,
    database: Option<String>,
}

impl Drop for Product {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(&self.trusted);
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.data);
        }
    }
}

impl Product {
    pub(crate) async fn start(setting: &Setting) -> Result<Self, Failure> {
        // The current folder, not the folder for temporary files: that may be memory.
        let data = PathBuf::from(format!("target/bench-data-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&data);
        let database = setting.database.as_deref().map(fresh_database).transpose()?;
        if setting.nodes > 1 && database.is_none() {
            return Err("several nodes need --database".into());
        }
        let free = || std::net::TcpListener::bind("127.0.0.1:0")?.local_addr();
        let listen = (0..setting.nodes).map(|_| free()).collect::<Result<Vec<_>, _>>()?;
        let mut product = Self {
            binary: setting.binary.clone(),
            nodes: Vec::new(),
            listen,
            data,
            trusted: tls::trusted()?,
            keep: false,
            database,
        };
        product.launch().await?;
        Ok(product)
    }

    /// Starts the nodes, each when the one before is ready.
    pub(crate) async fn launch(&mut self) -> Result<(), Failure> {
        for (number, address) in self.listen.clone().into_iter().enumerate() {
            let data = self.data.join(number.to_string());
            std::fs::create_dir_all(&data)?;
            let mut command = Command::new(&self.binary);
            command
                .args(["serve", "--dev", "--log", "warn", "--data"])
                .arg(&data)
                .args(["--listen", &address.to_string()])
                .env("TIDINGS_OPERATOR_KEY", OPERATOR)
                .env("TIDINGS_ROOT_KEY", ROOT_KEY)
                .env("SSL_CERT_FILE", &self.trusted)
                .stdout(Stdio::null());
            if let Some(database) = &self.database {
                command.args(["--database", database]);
            }
            let child = command.spawn().map_err(|error| {
                format!(
                    "{} cannot be started ({error}); `cargo build --release` makes it",
                    self.binary.display()
                )
            })?;
            self.nodes.push(Node { child, address });
            ready(address).await?;
        }
        Ok(())
    }

    /// Ends the nodes at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        for mut node in self.nodes.drain(..) {
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// A tenant with a custom type.
    pub(crate) async fn tenant(&self) -> Result<Tenant, Failure> {
        let client = Client::new(format!("http://{}", self.listen[0]));
        let operator = client.with_key(OPERATOR);
        let made = operator.post("/api/v1/tenants", &json!({"name": "bench"})).await?;
        let key = made.text("/api_key");
        let tenant = Tenant { client: client.with_key(&key), key };
        tenant.make("/api/v1/webhooks/event-types", &json!({"event_type": "custom.bench"})).await?;
        Ok(tenant)
    }

    /// Leaves the data folder behind, and says where.
    pub(crate) fn keep_data(&mut self) -> &Path {
        self.keep = true;
        &self.data
    }

    /// Processor seconds so far: the nodes' own, and those of PostgreSQL's processes.
    pub(crate) fn cpu(&self) -> (f64, f64) {
        let stat = |node: &Node| ticks(&format!("/proc/{}/stat", node.child.id()));
        let own: f64 = self.nodes.iter().filter_map(stat).sum::<f64>() / TICKS;
        let database = self.database.as_ref().map_or(0.0, |_| postgres_ticks() / TICKS);
        (own, database)
    }

    /// The most memory that a node held, in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.nodes.iter().map(|node| peak_mib(&node.child)).fold(0.0, f64::max)
    }
}

/// A tenant, and its key.
pub(crate) struct Tenant {
    client: Client,
    pub(crate) key: String,
}

impl Tenant {
    /// Makes something; what is refused ends the run.
    pub(crate) async fn make(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let answer = self.client.post(path, body).await?;
        if answer.status.is_success() {
            Ok(answer.json())
        } else {
            Err(format!("{path}: {}: {}", answer.status, answer.json()).into())
        }
    }

    /// Makes so many subscriptions to a type, some at a time.
    pub(crate) async fn subscribe(
        &self,
        url: &str,
        event: &str,
        many: usize,
    ) -> Result<(), Failure> {
        let body = json!({"url": url, "events": [event], "timeout_seconds": 30});
        let made = (0..many).map(|_| self.make("/api/v1/webhooks/subscriptions", &body));
        let mut made = futures_util::stream::iter(made).buffer_unordered(32);
        while let Some(made) = made.next().await {
            made?;
        }
        Ok(())
    }
}

async fn ready(address: SocketAddr) -> Result<(), Failure> {
    let (client, began) = (Client::new(format!("http://{address}")), Instant::now());
    while !client.get("/readyz").await.is_ok_and(|answer| answer.status.is_success()) {
        if began.elapsed() > Duration::from_secs(20) {
            return Err("the server does not become ready".into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn peak_mib(child: &Child) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    let status = status.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1_024.0
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
