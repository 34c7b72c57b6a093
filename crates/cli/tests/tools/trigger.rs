//! `tidings trigger`: against a server that answers by the contract, and against the real one.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Client, ScratchDir};

use super::listen::Listening;
use super::{err, out, run_beside, served, tidings};

const ONE: &str = "whs_01h455vb4pex5vsknk084sn02q";
const TWO: &str = "whs_01h455vb4pex5vsknk084sn02r";

/// A server by the contract: which subscriptions are active, how the delivery goes, what was asked.
#[derive(Clone)]
struct Contract {
    active: &'static [&'static str],
    delivery: Value,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

async fn server(active: &'static [&'static str], delivery: Value) -> (String, Contract) {
    let state = Contract { active, delivery, asked: Arc::default() };
    let router = Router::new()
        .route("/api/v1/webhooks/subscriptions", get(subscriptions))
        .route("/api/v1/webhooks/subscriptions/{id}/test", post(send))
        .route("/api/v1/webhooks/deliveries/{id}", get(delivered))
        .with_state(state.clone());
    (format!("http://{}", served(router).await), state)
}

async fn subscriptions(State(contract): State<Contract>) -> Json<Value> {
    let row = |id: &str, is_active: bool| json!({"id": id, "is_active": is_active, "url": "u"});
    let mut rows: Vec<Value> = contract.active.iter().map(|id| row(id, true)).collect();
    rows.push(row("whs_paused", false));
    Json(json!({"data": rows, "next_cursor": null}))
}

async fn send(
    State(contract): State<Contract>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let event_type = body["event_type"].clone();
    contract.asked.lock().unwrap().push((id, body));
    if event_type == "no.such" {
        let problem = json!({"type": "/problems/unknown_event_type", "detail": "the nearest is …"});
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(problem));
    }
    let taken = json!({"id": "del_1", "event_id": "evt_1", "event_type": event_type,
        "status": "pending", "attempts": 0});
    (StatusCode::ACCEPTED, Json(taken))
}

async fn delivered(State(contract): State<Contract>) -> Json<Value> {
    Json(contract.delivery)
}

async fn trigger(server: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = tidings(&["trigger", "--server", server, "--api-key", "key"]);
    command.args(arguments);
    let done = run_beside(command).await;
    (done.status.code(), out(&done), err(&done))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_active_subscription_is_found_and_asked() {
    let (url, contract) = server(&[ONE], Value::Null).await;
    let (status, said, _) = trigger(&url, &["customer.created"]).await;
    assert_eq!(status, Some(0));
    assert!(said.contains("customer.created") && said.contains("evt_1"), "{said}");
    let asked = contract.asked.lock().unwrap().clone();
    assert_eq!(asked, [(ONE.to_owned(), json!({"event_type": "customer.created"}))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_says_how_the_first_attempt_went() {
    for (status, answered, code) in [("delivered", 204, 0), ("waiting", 500, 1)] {
        let delivery = json!({"id": "del_1", "event_id": "evt_1", "event_type": "customer.created",
            "status": status, "attempts": 1, "last_status": answered});
        let (url, _) = server(&[ONE, TWO], delivery).await;
        let more = ["customer.created", "--subscription", TWO, "--wait"];
        let (exit, said, _) = trigger(&url, &more).await;
        assert_eq!(exit, Some(code), "{said}");
        assert!(said.contains(&answered.to_string()) && said.contains(status), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_says_what_to_do() {
    let several = server(&[ONE, TWO], Value::Null).await.0;
    let none = server(&[], Value::Null).await.0;
    let cases: [(&str, &[&str], i32, &str); 5] = [
        (&several, &["customer.created"], 2, "choose with --subscription"),
        (&none, &["customer.created"], 1, "no active webhook subscription"),
        (&none, &["customer.created", "--subscription", "cus_1"], 2, "starts with whs_"),
        (&several, &["no.such", "--subscription", ONE], 1, "the nearest is"),
        ("http://127.0.0.1:1", &["customer.created"], 1, "is the server running?"),
    ];
    for (server, arguments, code, says) in cases {
        let (status, _, said) = trigger(server, arguments).await;
        assert_eq!(status, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const OPERATOR: &str = "operator-key-of-the-tools-0123456789";

/// The real server in development mode, and a tenant's key.
async fn real_server(scratch: &ScratchDir) -> (Server, String, String) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command: Command = tidings(&["serve", "--dev", "--log", "warn"]);
    command
        .args(["--listen", &free.to_string(), "--data"])
        .arg(scratch.path().join("data"))
        .env("TIDINGS_OPERATOR_KEY", OPERATOR)
        .stdout(Stdio::null());
    let server = Server(command.spawn().unwrap());
    let url = format!("http://{free}");
    let client = Client::new(&url).with_key(OPERATOR);
    let began = Instant::now();
    while !client.get("/readyz").await.is_ok_and(|answer| answer.status.is_success()) {
        assert!(began.elapsed() < Duration::from_secs(60), "the server does not become ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let tenant = client.post("/api/v1/tenants", &json!({"name": "acme"})).await.unwrap();
    (server, url, tenant.text("/api_key"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_sends_its_test_to_a_listener() {
    let scratch = ScratchDir::new();
    let (_server, url, key) = real_server(&scratch).await;
    let mut listening = Listening::start(&["--server", &url, "--api-key", &key]);
    let mut command = tidings(&["trigger", "webhook.test", "--server", &url]);
    command.env("TIDINGS_API_KEY", &key);
    let done = run_beside(command).await;
    assert!(done.status.success(), "{}{}", out(&done), err(&done));
    let line = listening.line();
    assert_eq!((&line["type"], &line["verdict"]), (&"webhook.test".into(), &"signature ok".into()));
}
