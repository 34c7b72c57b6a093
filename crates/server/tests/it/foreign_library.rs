//! A signature of ours in the hands of somebody else's library, in another language.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tidings_kernel::{Clock, SystemClock};
use tidings_testkit::{Arrival, TestApp, TestEngine, given};

/// The interpreter that has the library.
const INTERPRETER: &str = "TIDINGS_TEST_STANDARDWEBHOOKS_PYTHON";

/// What the library says of a webhook.
fn verdict(interpreter: &str, secret: &str, arrival: &Arrival) -> String {
    let headers: serde_json::Map<_, _> = arrival
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
        .collect();
    let body = std::str::from_utf8(&arrival.body).unwrap();
    let received = json!({"secret": secret, "headers": headers, "body": body});
    let mut python = Command::new(interpreter)
        .args(["-c", include_str!("foreign_library.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(received.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// The library reads the machine's clock, so the application's stands there too.
async fn a_webhook_verifies_with_the_library_for_python(engine: TestEngine) {
    let Some(interpreter) = given(INTERPRETER, "a signature with the library for Python") else {
        return;
    };
    let Some(app) = TestApp::start_at(engine, SystemClock.now()).await else { return };
    let acme = app.tenant("acme").await;
    let hook = acme.receiver(&["customer.created"]).await;
    let other = acme.receiver(&["customer.created"]).await;
    let body = json!({"email": "zoë@example.com", "first_name": "Zoë", "last_name": "Ωμέγα 🎉"});
    acme.post("/api/v1/customers", body).await;
    app.settle().await;

    let [arrival] = &hook.arrivals()[..] else { panic!("{:?}", hook.names()) };
    assert_eq!(verdict(&interpreter, &hook.secret, arrival), arrival.id());
    let refused = "refused: No matching signature found";
    assert_eq!(verdict(&interpreter, &other.secret, arrival), refused, "another's secret");
    let text = std::str::from_utf8(&arrival.body).unwrap();
    let tampered = Arrival { body: text.replacen("Zoë", "Zoe", 1).into(), ..arrival.clone() };
    assert_eq!(verdict(&interpreter, &hook.secret, &tampered), refused, "another body");
    let mut tampered = arrival.clone();
    tampered.headers.insert("webhook-id", "evt_another".parse().unwrap());
    assert_eq!(verdict(&interpreter, &hook.secret, &tampered), refused, "another id");

    // For a day after a rotation, the old secret verifies like the new one.
    let path = format!("/api/v1/webhooks/subscriptions/{}/rotate-secret", hook.subscription_id);
    let rotated = acme.post(&path, json!({})).await.text("/secret");
    acme.customer("grace@example.com").await;
    app.advance(Duration::from_secs(1)).await;
    let [_, arrival] = &hook.arrivals()[..] else { panic!("{:?}", hook.names()) };
    assert_ne!(rotated, hook.secret);
    for secret in [&rotated, &hook.secret] {
        assert_eq!(verdict(&interpreter, secret, arrival), arrival.id());
    }
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_verifies_with_the_library_for_python_on_sqlite() {
    a_webhook_verifies_with_the_library_for_python(TestEngine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_verifies_with_the_library_for_python_on_postgres() {
    a_webhook_verifies_with_the_library_for_python(TestEngine::Postgres).await;
}
