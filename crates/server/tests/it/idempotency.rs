//! Idempotency keys (promise P8).

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tidings_testkit::{TestApp, TestEngine, stories};

stories! {
    async fn the_same_key_and_body_get_the_first_answer_again(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let keyed = acme.client.with_header("idempotency-key", "\"one\"");
        let body = json!({"email": "ada@example.com", "first_name": "A", "last_name": "L"});
        let first = keyed.post("/api/v1/customers", &body).await.unwrap();
        let bare = acme.client.with_header("idempotency-key", "one");
        let again = bare.post("/api/v1/customers", &body).await.unwrap();
        assert_eq!(first.status, StatusCode::CREATED);
        assert_eq!((again.status, &again.bytes), (first.status, &first.bytes));
        assert_eq!(again.headers["idempotent-replayed"], "true");
        assert_eq!(again.headers["etag"], first.headers["etag"]);
        app.settle().await;
        assert_eq!(acme.log().await.iter().filter(|n| *n == "customer.created").count(), 1);
    }

    async fn another_body_is_refused_and_another_tenant_is_another_key(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let body = |email: &str| json!({"email": email, "first_name": "A", "last_name": "L"});
        let keyed = acme.client.with_header("idempotency-key", "one");
        keyed.post("/api/v1/customers", &body("a@example.com")).await.unwrap();
        let refused = keyed.post("/api/v1/customers", &body("b@example.com")).await.unwrap();
        assert_eq!((refused.status, refused.problem().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"));
        let theirs = other.client.with_header("idempotency-key", "one");
        let made = theirs.post("/api/v1/customers", &body("b@example.com")).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED);
    }

    async fn fifty_at_once_make_one(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let keyed = acme.client.with_header("idempotency-key", "herd");
        let body = json!({"email": "ada@example.com", "first_name": "A", "last_name": "L"});
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (keyed, body) = (keyed.clone(), body.clone());
            calls.spawn(async move { keyed.post("/api/v1/customers", &body).await.unwrap() });
        }
        let answers = calls.join_all().await;
        assert!(answers.iter().all(|a| a.status == StatusCode::CREATED), "{answers:?}");
        assert!(answers.iter().all(|a| a.bytes == answers[0].bytes), "one effect, one answer");
        let replayed = answers.iter().filter(|a| a.headers.contains_key("idempotent-replayed"));
        assert_eq!(replayed.count(), 49);
        app.settle().await;
        assert_eq!(acme.log().await.iter().filter(|n| *n == "customer.created").count(), 1);
    }

    async fn a_refusal_after_validation_is_given_again_and_a_fault_is_not(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.customer("ada@example.com").await;
        let keyed = acme.client.with_header("idempotency-key", "two");
        let taken = json!({"email": "ada@example.com", "first_name": "A", "last_name": "L"});
        let refused = keyed.post("/api/v1/customers", &taken).await.unwrap();
        let again = keyed.post("/api/v1/customers", &taken).await.unwrap();
        assert_eq!((refused.status, again.status), (StatusCode::CONFLICT, StatusCode::CONFLICT));
        assert_eq!(again.headers["idempotent-replayed"], "true");
        assert_eq!(again.bytes, refused.bytes.clone(), "byte for byte");

        let faulty = acme.client.with_header("idempotency-key", "three");
        let wrong = faulty.post("/api/v1/customers", &json!({"email": 1})).await.unwrap();
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        let right = json!({"email": "new@example.com", "first_name": "A", "last_name": "L"});
        let made = faulty.post("/api/v1/customers", &right).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED, "a fault uses the key up for nobody");
    }

    async fn after_two_days_a_key_is_new(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let keyed = acme.client.with_header("idempotency-key", "old");
        let body = |email: &str| json!({"email": email, "first_name": "A", "last_name": "L"});
        keyed.post("/api/v1/customers", &body("a@example.com")).await.unwrap();
        app.advance(Duration::from_hours(50)).await;
        let made = keyed.post("/api/v1/customers", &body("b@example.com")).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED);
    }
}

/// PostgreSQL alone can be lost in the middle of a COMMIT; SQLite is in the process that ends.
#[test]
fn a_lost_commit_is_told_as_an_unknown_outcome() {
    TestApp::run(TestEngine::Postgres, |app| Box::pin(lose_a_commit(app)));
}

async fn lose_a_commit(app: &TestApp) {
    let acme = app.tenant("acme").await;
    let database = app.database().unwrap();
    database
        .run(
            "CREATE FUNCTION part() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'; \
             CREATE CONSTRAINT TRIGGER part AFTER INSERT ON customers \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION part()",
        )
        .await;
    let body = json!({"email": "ada@example.com", "first_name": "A", "last_name": "L"});
    let lost = acme.post("/api/v1/customers", body.clone()).await;
    assert_eq!(lost.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(lost.text("/detail").contains("the outcome is unknown"), "{}", lost.json());
    let keyed = acme.client.with_header("idempotency-key", "one");
    let lost = keyed.post("/api/v1/customers", &body).await.unwrap();
    assert_eq!(lost.status, StatusCode::SERVICE_UNAVAILABLE, "{}", lost.json());
    assert_eq!(lost.headers["retry-after"], "1");
    assert!(lost.text("/detail").contains("the outcome is unknown"), "{}", lost.json());
    database.run("DROP TRIGGER part ON customers").await;
    let made = keyed.post("/api/v1/customers", &body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
}
