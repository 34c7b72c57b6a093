//! `tidings trigger`: against a server that answers by the contract, and against the real one.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State};
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
        .route("/api/v1/webhooks/deliveries", get(deliveries))
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
    (StatusCode::ACCEPTED, Json(json!({"event_id": "evt_1"})))
}

async fn deliveries(
    State(contract): State<Contract>,
    Query(asked): Query<HashMap<String, String>>,
) -> Json<Value> {
    assert_eq!((asked["event_id"].as_str(), asked["subscription_id"].as_str()), ("evt_1", TWO));
    Json(json!({"data": [contract.delivery], "next_cursor": null}))
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
        assert!(began.elapsed() < Duration::from_mins(1), "the server does not become ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let tenant = client.post("/api/v1/tenants", &json!({"name": "acme"})).await.unwrap();
    (server, url, tenant.text("/api_key"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_sends_examples_through_a_listener_to_an_application() {
    let scratch = ScratchDir::new();
    let (_server, url, key) = real_server(&scratch).await;
    let client = Client::new(&url).with_key(&key);
    let own = json!({"event_type": "custom.order.shipped", "schema": {"required": ["order"],
        "properties": {"order": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}}}});
    client.post("/api/v1/webhooks/event-types", &own).await.unwrap();
    let application = Router::new().fallback(post(|| async { StatusCode::ACCEPTED }));
    let forward = format!("http://{}/hook", served(application).await);
    let arguments = ["--server", &url, "--api-key", &key, "--forward", &forward];
    let mut listening = Listening::start(&arguments);
    for event_type in ["customer.created", "custom.order.shipped", "webhook.test"] {
        let mut command = tidings(&["trigger", event_type, "--wait", "--json", "--server", &url]);
        command.env("TIDINGS_API_KEY", &key);
        let done = run_beside(command).await;
        assert!(done.status.success(), "{event_type}: {}{}", out(&done), err(&done));
        let delivery: Value = serde_json::from_str(&out(&done)).unwrap();
        assert_eq!(
            (&delivery["status"], &delivery["last_status"]),
            (&json!("delivered"), &json!(202)),
            "the sender gets what the application answers"
        );
        let line = listening.line();
        assert_eq!((&line["type"], &line["verdict"]), (&json!(event_type), &json!("signature ok")));
        assert_eq!(line["forwarded"]["status"], 202);
        if event_type == "custom.order.shipped" {
            assert_eq!(line["event"]["data"], json!({"order": "AA-000"}), "made from the schema");
        }
    }
    let mut command = tidings(&["trigger", "customer.craeted", "--server", &url]);
    command.env("TIDINGS_API_KEY", &key);
    let refused = run_beside(command).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("customer.created"), "the nearest is told: {}", err(&refused));
}
