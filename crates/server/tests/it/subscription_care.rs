//! Tests by type, statistics, the ownership handshake, and the original's retries.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_events::EventType;
use tidings_testkit::{Receiver, Script, Tenant, stories};

const SUBSCRIPTIONS: &str = "/api/v1/webhooks/subscriptions";

fn path(hook: &Receiver) -> String {
    format!("{SUBSCRIPTIONS}/{}", hook.subscription_id)
}

async fn statistics(acme: &Tenant, hook: &Receiver, query: &str) -> Value {
    let answer = acme.get(&format!("{}/statistics{query}", path(hook))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    answer.json()
}

/// A subscription that asks for consent, to an endpoint that answers `OPTIONS` like this.
async fn asking(acme: &Tenant, consent: Script) -> (Receiver, Value) {
    let mut hook = Receiver::start().await;
    hook.on_options(consent);
    let body = json!({"url": hook.url(), "events": ["customer.created"], "handshake": true});
    let made = acme.post(SUBSCRIPTIONS, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    hook.subscription_id = made.text("/id");
    hook.secret = made.text("/secret");
    (hook, made.json())
}

fn consent() -> Script {
    Script::status(200).header("webhook-allowed-origin", "tidings.example")
}

stories! {
    async fn an_example_of_every_delivered_type_can_be_sent_as_a_test(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let others = acme.receiver(&["*"]).await;
        let test = format!("{}/test", path(&hook));
        let types: Vec<&str> = EventType::public().map(EventType::name).collect();
        for name in &types {
            let sent = acme.post(&test, json!({"event_type": name})).await;
            assert_eq!(sent.status, StatusCode::ACCEPTED, "{name}: {}", sent.json());
        }
        app.settle().await;
        let mut names = hook.names();
        let mut wanted = types.clone();
        names.sort();
        wanted.sort_unstable();
        assert_eq!(names, wanted);
        assert!(others.arrivals().is_empty(), "nobody else hears of it");
        for arrival in hook.verified() {
            let body = arrival.json();
            assert_eq!(arrival.header("webhook-test"), "true");
            assert_eq!(body["subject"]["type"], "webhook_test");
            let shown = acme.get(&format!("/api/v1/webhooks/events/{}", arrival.name())).await.json();
            let validator = jsonschema::validator_for(&shown["schema"]).unwrap();
            assert!(validator.is_valid(&body["data"]), "{body}");
            if arrival.name() != "webhook.test" {
                assert_eq!(body["livemode"], false, "it did not happen");
            }
        }
        // In the log, and to everything that follows the log, it is a test.
        let log = acme.log().await;
        assert_eq!(log.iter().filter(|name| *name == "webhook.test").count(), types.len());
        assert!(!log.iter().any(|name| name.starts_with("customer.")), "{log:?}");
        let shown = acme.get("/api/v1/webhooks/events/customer.created").await.json();
        assert_eq!(shown["fired"], 0);
    }

    async fn an_example_of_a_custom_type_is_its_own_or_made_from_its_schema(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let test = format!("{}/test", path(&hook));
        let schema = json!({"type": "object", "required": ["order", "state"], "properties": {
            "order": {"type": "string", "minLength": 8},
            "state": {"enum": ["new", "paid"]},
            "lines": {"type": "array", "minItems": 2, "items": {"type": "integer", "minimum": 3}}}});
        for (name, body) in [
            ("custom.made", json!({"schema": schema})),
            ("custom.own", json!({"schema": schema, "example": {"order": "12345678", "state": "paid"}})),
            ("custom.riddle", json!({"schema": {"type": "object", "required": ["sku"],
                "properties": {"sku": false}}})),
            ("custom.free", json!({})),
        ] {
            let mut body = body;
            body["event_type"] = json!(name);
            let made = acme.post("/api/v1/webhooks/event-types", body).await;
            assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
        }
        for name in ["custom.made", "custom.own", "custom.free"] {
            let sent = acme.post(&test, json!({"event_type": name})).await;
            assert_eq!(sent.status, StatusCode::ACCEPTED, "{name}: {}", sent.json());
        }
        app.settle().await;
        let data = |name: &str| {
            let found = hook.verified().into_iter().find(|arrival| arrival.name() == name);
            found.map(|arrival| arrival.json()["data"].clone())
        };
        assert_eq!(data("custom.own"), Some(json!({"order": "12345678", "state": "paid"})));
        let made = data("custom.made").unwrap();
        assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&made), "{made}");
        assert_eq!(data("custom.free"), Some(json!({})));
        let riddle = acme.post(&test, json!({"event_type": "custom.riddle"})).await;
        assert_eq!(riddle.text("/errors/0/code"), "no_example");
        assert_eq!(riddle.text("/errors/0/pointer"), "/event_type");
    }

    async fn a_test_of_what_is_no_delivered_type_is_refused_with_the_nearest(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let test = format!("{}/test", path(&hook));
        for (name, said) in [
            ("customer.create", "customer.created"),
            ("api_key.created", "there is no event type"),
            ("custom.unregistered", "there is no event type"),
            ("customer.*", "name one"),
            ("", "there is no event type"),
            ("a\r\nb", "there is no event type"),
        ] {
            let refused = acme.post(&test, json!({"event_type": name})).await;
            assert_eq!(refused.problem(), "unknown_event_type", "{name}: {}", refused.json());
            assert_eq!(refused.text("/errors/0/pointer"), "/event_type");
            assert!(refused.text("/errors/0/message").contains(said), "{}", refused.json());
        }
        let refused = acme.post(&test, json!({"type": "customer.created"})).await;
        assert_eq!(refused.text("/errors/0/code"), "unknown_field");
        let bare = acme.client.send(http::Method::POST, &test, "").await.unwrap();
        assert_eq!(bare.status, StatusCode::ACCEPTED, "{}", bare.json());
        app.settle().await;
        assert_eq!(hook.names(), ["webhook.test"]);
        assert_eq!(hook.verified()[0].header("webhook-test"), "true");
    }

    async fn a_test_is_tried_again_as_the_same_test(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver_with(
            json!({"events": ["*"], "signature_profiles": [{"name": "original"}]})).await;
        hook.then(Script::status(500));
        acme.post(&format!("{}/test", path(&hook)), json!({"event_type": "customer.created"})).await;
        app.settle().await;
        app.advance(Duration::from_secs(7)).await;
        let arrivals = hook.verified();
        assert_eq!(arrivals.len(), 2);
        assert_eq!(arrivals[0].body, arrivals[1].body);
        for arrival in arrivals {
            assert_eq!(arrival.header("webhook-test"), "true");
            assert_eq!(arrival.header("x-webhook-event-type"), "customer.created");
        }
    }

    async fn statistics_add_up_what_happened(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver_with(
            json!({"events": ["customer.created"], "retry_policy": "original"})).await;
        let fresh = statistics(&acme, &hook, "").await;
        assert_eq!((&fresh["attempts"], &fresh["success_rate"], &fresh["latency_ms"]),
            (&json!(0), &Value::Null, &Value::Null));

        for number in 0..3 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        app.settle().await;
        let good = statistics(&acme, &hook, "").await;
        assert_eq!((&good["attempts"], &good["delivered"], &good["success_rate"]),
            (&json!(3), &json!(3), &json!(1.0)));
        assert!(good["latency_ms"]["p95"].as_i64().unwrap() >= good["latency_ms"]["p50"].as_i64().unwrap());
        assert_eq!(good["last_success_at"], "2026-11-23T12:00:00.000000Z");
        assert_eq!(good["last_failure_at"], Value::Null);

        hook.always(Script::status(500));
        acme.customer("bad@example.com").await;
        app.settle().await;
        for _ in 0..4 {
            app.advance(Duration::from_hours(8)).await;
        }
        let bad = statistics(&acme, &hook, "").await;
        assert_eq!((&bad["attempts"], &bad["failed"], &bad["exhausted"]),
            (&json!(7), &json!(4), &json!(1)), "{bad}");
        assert_eq!((&bad["consecutive_failures"], &bad["success_rate"]),
            (&json!(4), &json!(0.4285)));
        let whole = statistics(&acme, &hook, "?hours=1").await;
        let since = whole["since"].as_str().unwrap();
        assert!(since.ends_with(":00:00.000000Z"), "whole hours: {since}");
        let recent = statistics(&acme, &hook, "?hours=20").await;
        assert_eq!(recent["delivered"], 0, "what lies further back is left out: {recent}");
        assert_eq!(recent["consecutive_failures"], 4, "but not what holds until now");

        hook.always(Script::status(200));
        acme.customer("good@example.com").await;
        app.settle().await;
        let again = statistics(&acme, &hook, "").await;
        assert_eq!((&again["consecutive_failures"], &again["delivered"]), (&json!(0), &json!(4)));

        hook.always(Script::status(410));
        acme.customer("gone@example.com").await;
        app.settle().await;
        let gone = statistics(&acme, &hook, "").await;
        assert_eq!((&gone["discarded"], &gone["failed"]), (&json!(1), &json!(5)), "{gone}");

        for query in ["?hours=0", "?hours=2161", "?hours=x", "?days=1"] {
            let refused = acme.get(&format!("{}/statistics{query}", path(&hook))).await;
            assert_eq!(refused.problem(), "validation_failed", "{query}");
        }
        // Hours are kept for ninety days.
        app.advance(Duration::from_hours(91 * 24)).await;
        let old = statistics(&acme, &hook, "?hours=2160").await;
        assert_eq!((&old["attempts"], &old["last_success_at"]),
            (&json!(0), &gone["last_success_at"]));
    }

    async fn nothing_is_sent_before_the_endpoint_consents(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let (hook, made) = asking(&acme, Script::status(200).header("allow", "POST")).await;
        assert_eq!((&made["status"], &made["is_active"]), (&json!("pending"), &json!(false)));
        assert!(made["handshake_refusal"].as_str().unwrap().contains("WebHook-Allowed-Origin"));
        assert_eq!(hook.questions()[0].header("webhook-request-origin"), "tidings.example");
        acme.customer("a@example.com").await;
        app.settle().await;
        assert!(hook.arrivals().is_empty());
        let test = acme.post(&format!("{}/test", path(&hook)), json!({})).await;
        assert_eq!(test.problem(), "invalid_transition");

        let again = format!("{}/handshake", path(&hook));
        for refusal in [
            Script::status(200),
            Script::status(204),
            Script::status(405),
            Script::status(500).header("webhook-allowed-origin", "*"),
            Script::status(302).header("webhook-allowed-origin", "*"),
            Script::status(200).header("webhook-allowed-origin", "other.example"),
            Script::status(200).header("webhook-allowed-origin", ""),
        ] {
            hook.on_options(refusal.clone());
            let refused = acme.post(&again, json!({})).await;
            assert_eq!((refused.status, refused.problem().as_str()),
                (StatusCode::CONFLICT, "invalid_transition"), "{refusal:?}");
            assert_eq!(acme.get(&path(&hook)).await.text("/status"), "pending", "{refusal:?}");
        }

        hook.on_options(consent());
        let consented = acme.post(&again, json!({})).await;
        assert_eq!((consented.status, consented.text("/status").as_str()),
            (StatusCode::OK, "active"), "{}", consented.json());
        assert_eq!(consented.json()["handshake_refusal"], Value::Null);
        acme.customer("b@example.com").await;
        app.settle().await;
        let arrivals = hook.verified();
        assert_eq!(arrivals.len(), 1, "only what happened since");
        assert_eq!(arrivals[0].header("webhook-request-origin"), "tidings.example");
    }

    async fn a_consent_is_for_one_url(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let (hook, made) = asking(&acme, consent()).await;
        assert_eq!(made["status"], "active", "{made}");
        let elsewhere = Receiver::start().await;
        let moved = acme.patch(&path(&hook), json!({"url": elsewhere.url()})).await;
        assert_eq!(moved.text("/status"), "pending", "{}", moved.json());
        assert_eq!(elsewhere.questions().len(), 1);
        acme.customer("a@example.com").await;
        app.settle().await;
        assert!(hook.arrivals().is_empty() && elsewhere.arrivals().is_empty());

        let willing = Receiver::start().await;
        willing.on_options(Script::status(200).header("webhook-allowed-origin", "*"));
        let moved = acme.patch(&path(&hook), json!({"url": willing.url()})).await;
        assert_eq!(moved.text("/status"), "active", "{}", moved.json());
        // Anything else that changes asks nobody again.
        acme.patch(&path(&hook), json!({"description": "x", "handshake": true})).await;
        assert_eq!(willing.questions().len(), 1);
        let free = acme.patch(&path(&hook), json!({"handshake": false})).await;
        assert_eq!((free.text("/status").as_str(), &free.json()["consented_at"]),
            ("active", &Value::Null));
        let none = acme.post(&format!("{}/handshake", path(&hook)), json!({})).await;
        assert_eq!(none.problem(), "invalid_transition");
        let wanted = acme.patch(&path(&hook), json!({"handshake": true})).await;
        assert_eq!((wanted.text("/status").as_str(), willing.questions().len()), ("active", 2));
    }

    async fn a_handshake_reaches_no_forbidden_address(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for url in ["https://169.254.169.254/", "https://10.0.0.1/", "http://example.com/"] {
            let body = json!({"url": url, "events": ["*"], "handshake": true});
            let refused = acme.post(SUBSCRIPTIONS, body).await;
            assert_eq!(refused.problem(), "url_refused", "{url}");
        }
        // Nobody listens there any more.
        let left = Receiver::start().await.url();
        let body = json!({"url": left, "events": ["*"], "handshake": true});
        let made = acme.post(SUBSCRIPTIONS, body).await;
        assert_eq!(made.text("/status"), "pending");
        assert!(made.text("/handshake_refusal").contains("could not be asked"), "{}", made.json());
    }

    async fn the_originals_three_retries_all_happen(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver_with(
            json!({"events": ["customer.created"], "retry_policy": "original"})).await;
        hook.always(Script::status(500));
        acme.customer("a@example.com").await;
        app.settle().await;
        // Five minutes, an hour, six hours; jitter adds a fifth, a quarter of an hour at most.
        for (retry, minutes, jitter) in [(1, 5, 1), (2, 60, 12), (3, 360, 15)] {
            app.advance(Duration::from_secs(minutes * 60 - 1)).await;
            assert_eq!(hook.count(), retry, "retry {retry} is never early");
            app.advance(Duration::from_secs(jitter * 60 + 2)).await;
            assert_eq!(hook.count(), retry + 1, "retry {retry} happens");
        }
        app.advance(Duration::from_hours(24 * 7)).await;
        assert_eq!(hook.verified().len(), 4, "and no more");
    }
}
