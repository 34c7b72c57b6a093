//! Subscriptions: filters, secrets, headers, what is refused.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Receiver, stories};

stories! {
    async fn filters_choose_and_unknown_names_are_refused_with_the_nearest(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let exact = acme.receiver(&["customer.created"]).await;
        let family = acme.receiver(&["customer.*"]).await;
        let all = acme.receiver(&["*"]).await;
        let id = acme.customer("ada@example.com").await;
        acme.patch(&format!("/api/v1/customers/{id}"), json!({"tier": "basic"})).await;
        app.settle().await;
        assert_eq!(exact.names(), ["customer.created"]);
        assert_eq!(family.names().len(), 2);
        assert_eq!(all.names().len(), 2);

        let body = json!({"url": exact.url(), "events": ["customer.create", "nothing.*"]});
        let refused = acme.post("/api/v1/webhooks/subscriptions", body).await;
        assert_eq!((refused.status, refused.problem().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "unknown_event_type"));
        assert_eq!(refused.text("/errors/0/pointer"), "/events/0");
        assert!(refused.text("/errors/0/message").contains("customer.created"));
    }

    async fn urls_that_must_not_be_called_are_refused(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for url in [
            "http://example.com/", "https://10.0.0.1/", "https://169.254.169.254/latest",
            "https://user:pw@example.com/", "ftp://example.com/", "https://[::ffff:10.0.0.1]/",
            "https://metadata.google.internal/", "not a url", "https://2130706433.1/",
        ] {
            let body = json!({"url": url, "events": ["*"]});
            let refused = acme.post("/api/v1/webhooks/subscriptions", body).await;
            assert_eq!(refused.problem(), "url_refused", "{url}: {}", refused.json());
            assert_eq!(refused.text("/errors/0/pointer"), "/url");
        }
    }

    async fn during_a_rotation_both_secrets_sign_and_then_the_new_one(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
        let rotated = acme.post(&format!("{path}/rotate-secret"), json!({})).await;
        assert_eq!(rotated.status, StatusCode::OK);
        let fresh = rotated.text("/secret");
        assert_ne!(fresh, hook.secret);
        acme.customer("ada@example.com").await;
        app.settle().await;
        let arrival = &hook.arrivals()[0];
        arrival.verify(&hook.secret).unwrap();
        arrival.verify(&fresh).unwrap();

        app.clock.advance(Duration::from_hours(25));
        acme.customer("grace@example.com").await;
        app.settle().await;
        let arrival = &hook.arrivals()[1];
        assert!(arrival.verify(&hook.secret).is_err());
        arrival.verify(&fresh).unwrap();
    }

    async fn a_secret_is_shown_once_and_headers_go_along_unseen(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver_with(json!({
            "events": ["customer.created"], "headers": {"X-Shop": "s3cret-value"},
        })).await;
        let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
        let shown = acme.get(&path).await;
        let text = String::from_utf8(shown.bytes.to_vec()).unwrap();
        assert!(!text.contains("whsec_") && !text.contains("s3cret-value"), "{text}");
        acme.customer("ada@example.com").await;
        app.settle().await;
        assert_eq!(hook.verified()[0].header("x-shop"), "s3cret-value");

        for name in ["webhook-signature", "Host", "content-length", "bad name", "X\r\nY"] {
            let body = json!({"url": hook.url(), "events": ["*"], "headers": {name: "x"}});
            let refused = acme.post("/api/v1/webhooks/subscriptions", body).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        }
    }

    async fn a_paused_subscription_gets_nothing_and_a_deleted_one_is_gone(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
        acme.patch(&path, json!({"is_active": false})).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        assert!(hook.arrivals().is_empty());
        let refused = acme.post(&format!("{path}/test"), json!({})).await;
        assert_eq!(refused.problem(), "invalid_transition");
        assert_eq!(acme.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(acme.get(&path).await.status, StatusCode::NOT_FOUND);
    }

    async fn a_test_goes_to_the_one_that_asked(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let asked = acme.receiver(&["customer.created"]).await;
        let other = acme.receiver(&["*"]).await;
        let path = format!("/api/v1/webhooks/subscriptions/{}/test", asked.subscription_id);
        let sent = acme.post(&path, json!({})).await;
        assert_eq!(sent.status, StatusCode::ACCEPTED);
        app.settle().await;
        assert_eq!(asked.verified()[0].id(), sent.text("/event_id"));
        assert_eq!(asked.names(), ["webhook.test"]);
        assert!(other.arrivals().is_empty());
    }

    async fn one_event_to_ten_endpoints_is_the_same_bytes(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let mut hooks: Vec<Receiver> = Vec::new();
        for _ in 0..10 {
            hooks.push(acme.receiver(&["customer.created"]).await);
        }
        acme.customer("ada@example.com").await;
        app.settle().await;
        let bodies: std::collections::BTreeSet<_> =
            hooks.iter().map(|hook| hook.verified()[0].body.clone()).collect();
        assert_eq!(bodies.len(), 1);
        assert!(hooks.iter().all(|hook| hook.arrivals().len() == 1));
    }

    async fn the_catalog_shows_what_has_fired(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for number in 0..3 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        app.settle().await;
        let shown = acme.get("/api/v1/webhooks/events/customer.created").await.json();
        assert_eq!(shown["fired"], 3);
        assert!(shown["schema"]["properties"]["customer_id"].is_object());
        let listed = acme.get("/api/v1/webhooks/events").await.json();
        let rows = listed["data"].as_array().unwrap();
        let never = |name: &str| {
            rows.iter().find(|row| row["event_type"] == name).map(|row| row["fired"].clone())
        };
        assert_eq!(never("customer.churned"), Some(Value::from(0)));
    }
}
