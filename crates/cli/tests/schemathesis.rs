//! The real binary, asked whatever its own OpenAPI document allows and forbids. Schemathesis makes the
//! requests and judges the answers: no server error, no status, header or body that the document does
//! not have, nothing invalid that is taken, nothing that a missing credential does not refuse.
//!
//! `TIDINGS_SCHEMATHESIS_SECONDS` says for how long in all, 45 unless told; `TIDINGS_SCHEMATHESIS_SEED`
//! says with which requests.
#![expect(clippy::unwrap_used, reason = "a run that cannot go on fails, with the reason")]

mod server;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use tidings_testkit::{ScratchDir, given};

use server::{OPERATOR, Server, free_port, start};

/// One run over a part of the operations.
struct Part {
    name: &'static str,
    /// Which operations, as arguments of Schemathesis.
    selection: &'static [&'static str],
    /// Hundredths of the time.
    share: u32,
}

/// Two operations would revoke the run's own key, so they have a run, and a key, of their own.
const PARTS: [Part; 3] = [
    Part {
        name: "a tenant",
        selection: &[
            "--exclude-path-regex",
            "^/api/v1/tenants",
            "--exclude-operation-id",
            "revokeApiKey",
            "--exclude-operation-id",
            "rotateApiKey",
        ],
        share: 60,
    },
    Part {
        name: "a tenant's keys",
        selection: &["--include-path-regex", "^/api/v1/auth/api-keys"],
        share: 20,
    },
    Part {
        name: "the operator",
        selection: &["--include-path-regex", "^/api/v1/tenants"],
        share: 20,
    },
];

fn told(variable: &str, usual: u32) -> u32 {
    #[expect(clippy::disallowed_methods, reason = "how long it asks is the caller's")]
    let told = std::env::var(variable);
    told.map_or(usual, |text| text.parse().unwrap())
}

/// A key of a new tenant.
async fn tenant_key(server: &Server) -> String {
    let operator = server.client.with_key(OPERATOR);
    let made = operator.post("/api/v1/tenants", &json!({"name": "Acme"})).await.unwrap();
    assert_eq!(made.status.as_u16(), 201, "{}", made.json());
    made.text("/api_key")
}

/// Runs one part, and gives what was said if something was found.
fn run(program: &str, folder: &Path, base: &str, key: &str, part: &Part) -> Result<(), String> {
    let seconds = told("TIDINGS_SCHEMATHESIS_SECONDS", 45) * part.share / 100;
    let output = Command::new(program)
        .args(["run", &format!("{base}/api/v1/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {key}")])
        .args(["--max-time", &seconds.max(1).to_string()])
        .args(["--seed", &told("TIDINGS_SCHEMATHESIS_SEED", 1).to_string()])
        // More than one at a time runs into a fault of Python 3.11's parser.
        .args(["--workers", "1", "--request-timeout", "10", "--continue-on-failure"])
        // What a document cannot say (a cursor that was given out, a type that is registered) makes
        // valid requests that are rightly refused.
        .args(["--exclude-checks", "positive_data_acceptance", "--warnings", "off"])
        .args(part.selection)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let summary = said.lines().find(|line| line.contains(" generated, ")).unwrap_or_default();
    #[expect(clippy::print_stdout, reason = "the figures of the run")]
    {
        println!("{}: {}", part.name, summary.trim());
    }
    if output.status.success() && !summary.is_empty() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{} ({}):\n{said}\n{errors}", part.name, output.status))
}

/// On more than one thread: while one waits for the other program, the other hears that the server has
/// closed connections that nobody used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_keeps_to_its_document_whatever_it_is_asked() {
    let Some(program) = given("TIDINGS_TEST_SCHEMATHESIS", "the API against its document") else {
        return;
    };
    let scratch = ScratchDir::new();
    let address = free_port();
    let mut server = start(&scratch.path().join("data"), address, None).await;
    let base = format!("http://{address}");
    let mut found = Vec::new();
    for part in &PARTS {
        let key = match part.name {
            "the operator" => OPERATOR.to_owned(),
            _ => tenant_key(&server).await,
        };
        found.extend(run(&program, scratch.path(), &base, &key, part).err());
        let still = server.client.get("/readyz").await.unwrap();
        assert!(still.status.is_success(), "not ready after {}", part.name);
        if part.name == "a tenant" {
            let customers = server.client.with_key(&key).get("/api/v1/customers").await.unwrap();
            assert!(customers.status.is_success(), "the key was lost on the way");
        }
    }
    assert!(server.child.try_wait().unwrap().is_none(), "the server ended");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
