//! Redaction: what one subscription does not get of events, and that the others do.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Script, stories};

stories! {
    async fn what_is_redacted_arrives_as_null_and_is_signed_so(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let body = json!({"events": ["customer.created"], "redact": ["/data/email", "/data/tags/*"],
            "payload_filter": {"field": "/data/email", "prefix": "ada@"}});
        let hook = acme.receiver_with(body).await;
        let whole = acme.receiver(&["customer.created"]).await;
        let customer = json!({"email": "ada@example.com", "first_name": "Ada", "last_name": "L",
            "tags": ["vip", "early"]});
        acme.post("/api/v1/customers", customer).await;
        acme.customer("grace@example.com").await;
        app.settle().await;

        let arrivals = hook.verified();
        assert_eq!(arrivals.len(), 1, "the filter sees the whole payload");
        let sent = arrivals[0].json();
        assert_eq!((&sent["data"]["email"], &sent["data"]["tags"]), (&Value::Null, &json!([null, null])));
        let full = whole.verified();
        let full = full.iter().find(|arrival| arrival.id() == arrivals[0].id()).unwrap().json();
        assert_eq!(full["data"]["email"], "ada@example.com");
        let mut expected = full.clone();
        (expected["data"]["email"], expected["data"]["tags"]) = (Value::Null, json!([null, null]));
        assert_eq!(sent, expected, "everything else is the same");
        let log = acme.get(&format!("/api/v1/webhooks/events/log/{}", arrivals[0].id())).await.json();
        assert_eq!(log["event"], full, "the log keeps what happened");
    }

    async fn retries_and_repetitions_send_the_bytes_of_the_redaction_that_was(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let body = json!({"events": ["customer.created"], "redact": ["/data/email"]});
        let hook = acme.receiver_with(body).await;
        let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
        hook.then(Script::status(500));
        acme.customer("ada@example.com").await;
        app.settle().await;
        app.clock.advance(Duration::from_secs(1));
        let changed = acme.patch(&path, json!({"redact": ["/data/last_name"]})).await;
        assert_eq!(changed.json()["redact"], json!(["/data/last_name"]), "{}", changed.json());
        app.advance(Duration::from_secs(10)).await;
        let delivery = acme.get(&format!("{path}/deliveries")).await.text("/data/0/id");
        let retry = format!("/api/v1/webhooks/deliveries/{delivery}/retry");
        assert_eq!(acme.post(&retry, Value::Null).await.status, StatusCode::ACCEPTED);
        app.settle().await;
        acme.customer("grace@example.com").await;
        app.settle().await;

        let arrivals = hook.verified();
        assert_eq!(arrivals.len(), 4);
        assert!(arrivals[..3].windows(2).all(|two| two[0].body == two[1].body), "the same bytes");
        let (old, new) = (arrivals[2].json(), arrivals[3].json());
        assert_eq!((&old["data"]["email"], &old["data"]["last_name"]), (&Value::Null, &json!("Lovelace")));
        assert_eq!(
            (&new["data"]["email"], &new["data"]["last_name"]),
            (&json!("grace@example.com"), &Value::Null),
        );
    }

    async fn cloudevents_keep_their_attributes_around_what_is_redacted(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let mut hooks = Vec::new();
        for format in ["cloudevents_structured", "cloudevents_binary"] {
            let body = json!({"events": ["customer.created"], "format": format, "redact": ["/data/*"]});
            hooks.push(acme.receiver_with(body).await);
        }
        let id = acme.customer("ada@example.com").await;
        app.settle().await;
        let structured = hooks[0].verified()[0].json();
        assert_eq!((&structured["subject"], &structured["type"]), (&json!(id), &json!("customer.created")));
        assert_eq!(structured["data"]["data"]["email"], Value::Null);
        let binary = &hooks[1].verified()[0];
        assert_eq!(binary.headers["ce-subject"], id);
        assert_eq!(binary.json(), structured["data"]);
    }

    async fn a_redaction_that_makes_no_sense_is_refused_where_it_is(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
        for (pointer, code) in [
            ("/subject/id", "not_redactable"),
            ("/data", "not_redactable"),
            ("email", "invalid"),
            ("/data/~7", "invalid"),
        ] {
            let body = json!({"url": hook.url(), "events": ["*"], "redact": ["/data/email", pointer]});
            let refused = acme.post("/api/v1/webhooks/subscriptions", body).await;
            assert_eq!(refused.problem(), "validation_failed", "{pointer}");
            let fault = &refused.json()["errors"][0];
            assert_eq!((&fault["pointer"], &fault["code"]), (&json!("/redact/1"), &json!(code)));
            let refused = acme.patch(&path, json!({"redact": [pointer]})).await;
            assert_eq!(refused.json()["errors"][0]["pointer"], "/redact/0", "{pointer}");
        }
        let refused = acme.patch(&path, json!({"redact": {"email": true}})).await;
        assert_eq!(refused.problem(), "validation_failed");
        assert_eq!(acme.get(&path).await.json()["redact"], json!([]));
    }
}
