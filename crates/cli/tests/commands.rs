//! The real binary, as a shell and a terminal treat it.
#![expect(clippy::unwrap_used, reason = "a command that cannot be run fails, with the reason")]

mod descriptors;
#[cfg(target_os = "linux")]
mod full_volume;
mod server;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;
use tidings_testkit::{Client, ScratchDir, postgres};

use server::{OPERATOR, free_port, start, wait_until_ready};

/// What a shell says of a process that wrote to a pipe without a reader.
const CLOSED: i32 = 141;

fn tidings(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -s {name} {}", child.id());
    assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn a_closed_pipe_is_the_end_and_not_a_fault() {
    for command in [
        &["events", "list"][..],
        &["events", "show", "customer.created"],
        &["coverage"],
        &["coverage", "--json"],
        &["listen", "--listen", "127.0.0.1:0"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let Output { status, stderr, .. } =
            tidings(command).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(status.code(), Some(CLOSED), "{command:?}: {}", text(&stderr));
        assert_eq!(text(&stderr), "", "{command:?}");
    }
}

#[test]
fn a_fault_with_nobody_to_tell_is_still_a_fault() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = tidings(&["events", "show", "no.such.type"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

/// Starts a receiver that subscribes by itself, and waits until it listens.
fn listen(client: &Client, key: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = tidings(&["listen", "--listen", "127.0.0.1:0", "--server", client.base()])
        .env("TIDINGS_API_KEY", key)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("listening") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the receiver ended");
    }
    (child, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_ends_its_subscription_however_it_is_ended() {
    let scratch = ScratchDir::new();
    let server = start(&scratch.path().join("data"), free_port(), None).await;
    let operator = server.client.with_key(OPERATOR);
    let tenant = operator.post("/api/v1/tenants", &json!({"name": "Acme"})).await.unwrap();
    let key = tenant.text("/api_key");
    let client = server.client.with_key(&key);
    let subscriptions = async || {
        let list = client.get("/api/v1/webhooks/subscriptions").await.unwrap().json();
        list["data"].as_array().unwrap().len()
    };
    for name in ["INT", "TERM", "HUP"] {
        let (mut receiver, mut lines) = listen(&server.client, &key);
        assert_eq!(subscriptions().await, 1, "{name}");
        signal(&receiver, name);
        let mut said = String::new();
        lines.read_to_string(&mut said).unwrap();
        assert!(receiver.wait().unwrap().success(), "{name}");
        assert!(said.contains("is ended"), "{name}: {said}");
        assert_eq!(subscriptions().await, 0, "{name}");
    }

    // Nobody reads on: it ends by itself when it has something to say.
    let (mut receiver, lines) = listen(&server.client, &key);
    drop(lines);
    let ada = json!({"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"});
    client.post("/api/v1/customers", &ada).await.unwrap();
    assert_eq!(receiver.wait().unwrap().code(), Some(CLOSED));
    assert_eq!(subscriptions().await, 0);
}

/// Starts a server with this operator's key, ends it when it is ready, and gives what it logged.
async fn log_of_a_start(data: &Path, operator_key: &str) -> String {
    let address = free_port();
    let child = tidings(&["serve", "--listen", &address.to_string(), "--data"])
        .arg(data)
        .env("TIDINGS_OPERATOR_KEY", operator_key)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = wait_until_ready(child, address).await;
    signal(&server.child, "TERM");
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_key_that_is_not_taken_is_told_of() {
    let scratch = ScratchDir::new();
    let data = scratch.path().join("data");
    let told = "only the first start takes one";
    let other = "another-operator-key-of-the-tests-0123456789";
    assert!(!log_of_a_start(&data, OPERATOR).await.contains(told));
    assert!(!log_of_a_start(&data, OPERATOR).await.contains(told));
    let log = log_of_a_start(&data, other).await;
    assert!(log.contains(told) && !log.contains(other), "{log}");

    // What the line says to do helps.
    let rotated = tidings(&["operator-key", "rotate", "--data"])
        .arg(&data)
        .env("TIDINGS_OPERATOR_KEY", other)
        .output()
        .unwrap();
    assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    assert!(!log_of_a_start(&data, other).await.contains(told));
}

fn doctor(data: &Path, database: Option<&str>) -> Output {
    let mut command = tidings(&["doctor", "--data"]);
    command.arg(data);
    if let Some(database) = database {
        command.args(["--database", database]);
    }
    command.output().unwrap()
}

/// Twice, because a look that changed something would show another thing the second time.
fn assert_behind(data: &Path, database: Option<&str>) {
    for _ in 0..2 {
        let Output { status, stderr, .. } = doctor(data, database);
        let said = text(&stderr);
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("lacks 0001_foundation") && said.contains("migrate"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_changes_nothing_on_sqlite() {
    let scratch = ScratchDir::new();
    let data = scratch.path().join("data");
    assert!(!doctor(&data, None).status.success());
    assert!(!data.exists(), "where nothing was, nothing is made");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("tidings.db"), "").unwrap();
    assert_behind(&data, None);
    assert!(!data.join("root.key").exists());

    // Killed, so that it leaves its log: evidence of what happened, and on a disk that is full.
    drop(start(&data, free_port(), None).await);
    let left = contents(&data);
    assert!(left["tidings.db-wal"] > (0, 0), "{left:?}");
    let well = doctor(&data, None);
    assert!(well.status.success(), "{}{}", text(&well.stdout), text(&well.stderr));
    assert_eq!(contents(&data), left);
}

/// The files of an installation: how long each is, and what is in it, as a number. What is shared in
/// memory is an index that every process makes for itself.
fn contents(data: &Path) -> BTreeMap<String, (u64, u64)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(data).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let bytes = std::fs::read(data.join(&name)).unwrap();
        let mut hasher = DefaultHasher::new();
        if !name.ends_with("-shm") {
            bytes.hash(&mut hasher);
        }
        found.insert(name, (bytes.len() as u64, hasher.finish()));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_changes_nothing_on_postgres() {
    let Some(database) = postgres::fresh_database().await else { return };
    let scratch = ScratchDir::new();
    let (data, elsewhere) = (scratch.path().join("data"), scratch.path().join("elsewhere"));
    assert_behind(&elsewhere, Some(&database.url));
    let _server = start(&data, free_port(), Some(&database.url)).await;
    let well = doctor(&elsewhere, Some(&database.url));
    let said = text(&well.stdout);
    assert!(well.status.success(), "{said}{}", text(&well.stderr));
    assert!(said.contains("server        running"), "{said}");
    assert!(!elsewhere.exists(), "a look needs no data directory");
}

/// Asks a running server, as SQLite needs it.
fn ask(server: &str, key: Option<&str>, flags: &[&str]) -> Output {
    let mut command = tidings(&["doctor", "--server", server]);
    command.args(flags).env_remove("TIDINGS_OPERATOR_KEY");
    if let Some(key) = key {
        command.env("TIDINGS_OPERATOR_KEY", key);
    }
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_asks_the_running_server() {
    let scratch = ScratchDir::new();
    let data = scratch.path().join("data");
    let address = free_port();
    let server = start(&data, address, None).await;
    let url = format!("http://{address}");

    let well = ask(&url, Some(OPERATOR), &[]);
    let said = text(&well.stdout);
    assert_eq!(well.status.code(), Some(0), "{said}{}", text(&well.stderr));
    assert!(said.contains("server        running") && said.contains("all is well"), "{said}");
    let json = ask(&url, Some(OPERATOR), &["--json", "--older-than", "0"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["is_well"], &json["engine"]), (&json!(true), &json!("sqlite")));

    for (key, flags, code, told) in [
        (None, &[][..], 2, "set TIDINGS_OPERATOR_KEY"),
        (Some("not-the-operators-key-0123456789-0123456789"), &[], 1, "credential is not known"),
        (Some(OPERATOR), &["--older-than", "604801"], 1, "which is a week"),
        (Some(OPERATOR), &["--older-than", "soon"], 2, "invalid digit"),
    ] {
        let refused = ask(&url, key, flags);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(code), "{said}");
        assert!(said.contains(told), "{said}");
    }
    drop(server);
    let gone = ask(&url, Some(OPERATOR), &[]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains("is the server running?"), "{}", text(&gone.stderr));
}

/// Starts a server without a key, kills it when it is ready, and gives what it printed.
async fn said_by_a_start(data: &Path, tenant_by: Option<&str>) -> String {
    let address = free_port();
    let mut command = tidings(&["serve", "--log", "warn", "--data"]);
    command.arg(data).args(["--listen", &address.to_string()]).env_remove("TIDINGS_OPERATOR_KEY");
    let mut server =
        wait_until_ready(command.stdout(Stdio::piped()).spawn().unwrap(), address).await;
    if let Some(key) = tenant_by {
        let operator = server.client.with_key(key);
        let made = operator.post("/api/v1/tenants", &json!({"name": "Acme"})).await.unwrap();
        assert!(made.status.is_success(), "{}", made.json());
    }
    signal(&server.child, "KILL");
    server.child.wait().unwrap();
    let mut said = String::new();
    server.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_key_that_was_lost_before_it_was_seen_can_be_replaced() {
    let data = ScratchDir::new();
    let hint = "tidings operator-key rotate";
    let first = said_by_a_start(data.path(), None).await;
    assert!(first.contains("operator key (shown this once)") && !first.contains(hint), "{first}");
    // As if nobody had seen that: the key is stored, and shown no more.
    let second = said_by_a_start(data.path(), None).await;
    assert!(!second.contains("shown this once") && second.contains(hint), "{second}");
    let rotated = tidings(&["operator-key", "rotate", "--data"]).arg(data.path()).output().unwrap();
    assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    let said = text(&rotated.stdout);
    let key = said.trim().strip_prefix("operator key: ").unwrap();
    said_by_a_start(data.path(), Some(key)).await;
    let used = said_by_a_start(data.path(), None).await;
    assert!(!used.contains(hint), "{used}");
}
