//! What the log tells of an attempt, and what it never tells.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Script, Tenant, TestApp, stories};

/// The attempts of the tenant's newest delivery.
async fn attempts(acme: &Tenant) -> Vec<Value> {
    let id = acme.get("/api/v1/webhooks/deliveries").await.text("/data/0/id");
    let answer = acme.get(&format!("/api/v1/webhooks/deliveries/{id}/attempts")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    answer.json()["data"].as_array().unwrap().clone()
}

async fn created(app: &TestApp, acme: &Tenant) {
    acme.customer("ada@example.com").await;
    app.settle().await;
}

stories! {
    async fn an_attempt_tells_how_long_each_part_took_and_what_was_said(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver_with(json!({"events": ["customer.created"],
            "headers": {"authorization": "Bearer s3cret", "x-shop": "s3cret too"}})).await;
        hook.then(Script::status(500)
            .header("set-cookie", "session=s3cret")
            .header("x-request-id", "r-1")
            .body("it broke"));
        created(app, &acme).await;
        app.advance(Duration::from_secs(6)).await;

        let made = attempts(&acme).await;
        let [failed, arrived] = made.as_slice() else { panic!("{made:?}") };
        for attempt in &made {
            let (phases, reused) = (&attempt["phases_us"], &attempt["connection_reused"]);
            assert_eq!(phases["connect"].is_null(), *reused == true, "{attempt}");
            assert!(phases["dns"].is_null() && phases["tls"].is_null(), "an address, no TLS");
            assert!(phases["first_byte"].as_i64().unwrap() > 0, "{attempt}");
            assert!(phases["body"].as_i64().is_some(), "{attempt}");
        }
        assert_eq!((&failed["status"], &failed["error"]), (&json!(500), &json!("http")));
        assert_eq!(failed["response_body"], "it broke");
        assert_eq!(failed["response_headers"]["x-request-id"], "r-1");
        assert_eq!(failed["response_headers"]["set-cookie"], "(hidden)");
        let sent = &failed["request_headers"];
        assert_eq!(sent["webhook-id"], hook.arrivals()[0].id());
        assert_eq!(sent["webhook-timestamp"], hook.arrivals()[0].header("webhook-timestamp"));
        for name in ["authorization", "x-shop", "webhook-signature"] {
            assert_eq!(sent[name], "(hidden)", "{name}");
        }
        assert_eq!((&arrived["status"], &arrived["error"]), (&json!(200), &Value::Null));
        assert_eq!(arrived["request_headers"], Value::Null, "of a success headers are not kept");
        let all = json!(made).to_string();
        for hidden in ["s3cret", "v1,", "127.0.0.1"] {
            assert!(!all.contains(hidden), "{hidden} stands in {all}");
        }
    }

    async fn of_a_success_a_kilobyte_is_kept_and_of_a_failure_sixteen(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let long: &'static str = "x".repeat(20_000).leak();
        hook.then(Script::status(422).body(long));
        hook.then(Script::status(200).body(long));
        created(app, &acme).await;
        app.advance(Duration::from_secs(6)).await;
        let made = attempts(&acme).await;
        for (attempt, length) in [(&made[0], 16 * 1024), (&made[1], 1024)] {
            assert_eq!(attempt["response_body"].as_str().unwrap().len(), length);
            assert_eq!(attempt["response_truncated"], true);
        }
    }

    async fn an_endpoint_that_is_not_there_has_a_class_and_no_address(app: &TestApp) {
        let acme = app.tenant("acme").await;
        // A port that nobody listens on any more.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let body = json!({"url": format!("http://{free}/"), "events": ["customer.created"]});
        let made = acme.post("/api/v1/webhooks/subscriptions", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
        created(app, &acme).await;
        let made = attempts(&acme).await;
        assert_eq!(made[0]["error"], "refused");
        assert_eq!(made[0]["status"], Value::Null);
        assert_eq!(made[0]["phases_us"]["connect"], Value::Null, "it did not end");
        assert_eq!(made[0]["connection_reused"], false);
        assert!(made[0]["request_headers"]["webhook-id"].is_string());
        let all = json!(made).to_string();
        assert!(!all.contains("127.0.0.1"), "{all}");
    }
}
