//! Signature profiles, CloudEvents, and the rotation of secrets, as a receiver sees them.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Arrival, Receiver, Script, Tenant, stories};
use tidings_vault::MacKey;
use tidings_webhooks::signing::profiles::verify_ed25519;

const SUBSCRIPTIONS: &str = "/api/v1/webhooks/subscriptions";

fn path(hook: &Receiver) -> String {
    format!("{SUBSCRIPTIONS}/{}", hook.subscription_id)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn by_public_key(arrival: &Arrival, public_key: &str) -> bool {
    let stamp = arrival.header("webhook-timestamp");
    let signature = arrival.header("webhook-signature");
    verify_ed25519(public_key, (&arrival.id(), &stamp), &signature, &arrival.body)
}

async fn public_key(acme: &Tenant, hook: &Receiver) -> String {
    acme.get(&path(hook)).await.text("/public_key")
}

stories! {
    async fn of_two_key_pairs_both_sign_while_they_overlap(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let body = json!({"events": ["customer.created"],
            "signature_profiles": [{"name": "ed25519"}]});
        let hook = acme.receiver_with(body).await;
        let rotate = format!("{}/rotate-key", path(&hook));
        let first = public_key(&acme, &hook).await;
        let rotated = acme.post(&rotate, json!({"overlap_hours": 2})).await;
        assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.json());
        let second = rotated.text("/public_key");
        assert_ne!(first, second);
        assert_eq!(rotated.text("/previous_public_key"), first);
        assert!(rotated.json()["previous_public_key_valid_until"].is_string());
        acme.customer("ada@example.com").await;
        app.settle().await;
        let arrivals = hook.verified();
        assert!(by_public_key(&arrivals[0], &first) && by_public_key(&arrivals[0], &second));

        app.advance(Duration::from_hours(2)).await;
        acme.customer("grace@example.com").await;
        app.settle().await;
        let arrivals = hook.verified();
        assert!(!by_public_key(&arrivals[1], &first) && by_public_key(&arrivals[1], &second));

        // Without an overlap only the new one signs, at once.
        let third = acme.post(&rotate, json!({"overlap_hours": 0})).await;
        assert_eq!(third.json()["previous_public_key"], Value::Null);
        acme.customer("alan@example.com").await;
        app.settle().await;
        let arrivals = hook.verified();
        assert!(!by_public_key(&arrivals[2], &second));
        assert!(by_public_key(&arrivals[2], &third.text("/public_key")));
    }

    async fn a_key_pair_that_cannot_be_rotated_stays(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let plain = acme.receiver(&["customer.created"]).await;
        let refused = acme.post(&format!("{}/rotate-key", path(&plain)), json!({})).await;
        assert_eq!((refused.status, refused.problem().as_str()),
            (StatusCode::CONFLICT, "invalid_transition"));
        assert!(refused.text("/detail").contains("ed25519"), "{}", refused.json());
        let body = json!({"events": ["*"], "signature_profiles": [{"name": "ed25519"}]});
        let hook = acme.receiver_with(body).await;
        let before = public_key(&acme, &hook).await;
        let rotate = format!("{}/rotate-key", path(&hook));
        let refused = acme.post(&rotate, json!({"overlap_hours": 169})).await;
        assert_eq!(refused.text("/errors/0/pointer"), "/overlap_hours");
        let refused = acme.post(&rotate, json!({"hours": 1})).await;
        assert!(refused.status.is_client_error());
        assert_eq!(public_key(&acme, &hook).await, before);
        // What takes the profile away takes both key pairs.
        acme.post(&rotate, json!({})).await;
        acme.patch(&path(&hook), json!({"signature_profiles": []})).await;
        let view = acme.get(&path(&hook)).await.json();
        assert_eq!((&view["public_key"], &view["previous_public_key"]), (&Value::Null, &Value::Null));
    }

    async fn profiles_are_sent_together_each_over_the_bytes_that_are_sent(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver_with(json!({"events": ["customer.created"],
            "signature_profiles": [{"name": "ed25519"}, {"name": "original"}, {"name": "stripe"},
                {"name": "github"}]})).await;
        hook.then(Script::status(500));
        acme.customer("ada@example.com").await;
        app.settle().await;
        app.advance(Duration::from_secs(7)).await;

        let public_key = public_key(&acme, &hook).await;
        assert!(public_key.starts_with("whpk_"), "{public_key}");
        let text = MacKey::new(hook.secret.as_bytes());
        let arrivals = hook.verified();
        assert_eq!(arrivals.len(), 2);
        for arrival in &arrivals {
            assert!(by_public_key(arrival, &public_key));
            let stamp = arrival.header("webhook-timestamp");
            let of_body = hex(&text.sign(&[&arrival.body]));
            assert_eq!(arrival.header("x-webhook-signature"), of_body);
            assert_eq!(arrival.header("x-webhook-event-id"), arrival.id());
            assert_eq!(arrival.header("x-webhook-event-type"), "customer.created");
            assert_eq!(arrival.header("x-webhook-timestamp"), stamp);
            assert_eq!(arrival.header("x-hub-signature-256"), format!("sha256={of_body}"));
            let timed = hex(&text.sign(&[stamp.as_bytes(), b".", &arrival.body]));
            assert_eq!(arrival.header("stripe-signature"), format!("t={stamp},v1={timed}"));
        }
        assert_ne!(arrivals[0].header("webhook-timestamp"), arrivals[1].header("webhook-timestamp"));
    }

    async fn a_profile_ends_when_it_was_said_to(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let end = "2026-11-23T13:00:00Z";
        let hook = acme.receiver_with(json!({"events": ["customer.created"],
            "signature_profiles": [{"name": "original", "ends_at": end}, {"name": "github"}]})).await;
        acme.customer("a@example.com").await;
        app.settle().await;
        app.clock.advance(Duration::from_hours(1));
        acme.customer("b@example.com").await;
        app.settle().await;
        let arrivals = hook.verified();
        let sent = |name: &str| -> Vec<bool> {
            arrivals.iter().map(|arrival| !arrival.header(name).is_empty()).collect()
        };
        assert_eq!(sent("x-webhook-signature"), [true, false]);
        assert_eq!(sent("x-hub-signature-256"), [true, true]);

        // What has ended may be sent back as it was read; a new end must lie ahead.
        let shown = acme.get(&path(&hook)).await.json()["signature_profiles"].clone();
        let same = acme.patch(&path(&hook), json!({"signature_profiles": shown})).await;
        assert_eq!(same.status, StatusCode::OK, "{}", same.json());
        let other = json!([{"name": "github", "ends_at": end}]);
        let refused = acme.patch(&path(&hook), json!({"signature_profiles": other})).await;
        assert_eq!(refused.text("/errors/0/pointer"), "/signature_profiles/0/ends_at");
    }

    async fn profiles_that_make_no_sense_are_refused(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let url = Receiver::start().await.url();
        for (profiles, pointer, code) in [
            (json!([{"name": "v1"}]), "/signature_profiles/0/name", "unknown_value"),
            (json!([{"name": "github"}, {"name": "github"}]),
                "/signature_profiles/1/name", "duplicate"),
            (json!([{"name": "github", "ends_at": "2026-11-23T12:00:00Z"}]),
                "/signature_profiles/0/ends_at", "out_of_range"),
            (json!([{"name": "github", "ends_at": "tomorrow"}]),
                "/signature_profiles/0/ends_at", "invalid"),
            (json!([{"name": "github", "key": "x"}]), "/signature_profiles/0/key", "unknown_field"),
            (json!([{}]), "/signature_profiles/0/name", "required"),
            (json!(["github"]), "/signature_profiles/0", "invalid"),
        ] {
            let body = json!({"url": url, "events": ["*"], "signature_profiles": profiles});
            let refused = acme.post(SUBSCRIPTIONS, body).await;
            assert_eq!(refused.problem(), "validation_failed", "{profiles}");
            let found = (refused.text("/errors/0/pointer"), refused.text("/errors/0/code"));
            assert_eq!(found, (pointer.to_owned(), code.to_owned()), "{profiles}");
        }
        let body = json!({"url": url, "events": ["*"], "format": "cloudevents"});
        let refused = acme.post(SUBSCRIPTIONS, body).await;
        assert_eq!(refused.text("/errors/0/pointer"), "/format");
        for name in ["X-Hub-Signature-256", "stripe-signature", "Ce-Id", "X-Webhook-Signature"] {
            let body = json!({"url": url, "events": ["*"], "headers": {name: "forged"}});
            let refused = acme.post(SUBSCRIPTIONS, body).await;
            assert_eq!(refused.text("/errors/0/code"), "reserved", "{name}");
        }
    }

    async fn a_key_pair_comes_with_its_profile_and_goes_with_it(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        assert_eq!(acme.get(&path(&hook)).await.json()["public_key"], Value::Null);
        let with = json!({"signature_profiles": [{"name": "ed25519"}]});
        acme.patch(&path(&hook), with.clone()).await;
        let first = public_key(&acme, &hook).await;
        acme.customer("a@example.com").await;
        app.settle().await;
        assert!(by_public_key(&hook.verified()[0], &first));
        acme.patch(&path(&hook), json!({"description": "kept"})).await;
        assert_eq!(public_key(&acme, &hook).await, first);

        acme.patch(&path(&hook), json!({"signature_profiles": []})).await;
        assert_eq!(acme.get(&path(&hook)).await.json()["public_key"], Value::Null);
        acme.patch(&path(&hook), with).await;
        let second = public_key(&acme, &hook).await;
        assert_ne!(second, first);
        acme.customer("b@example.com").await;
        app.settle().await;
        let arrival = &hook.verified()[1];
        assert!(by_public_key(arrival, &second) && !by_public_key(arrival, &first));
        let other = acme.receiver_with(json!({"events": ["*"],
            "signature_profiles": [{"name": "ed25519"}]})).await;
        assert_ne!(public_key(&acme, &other).await, second, "each endpoint has its own");
    }

    async fn cloudevents_in_both_formats_are_signed_as_sent(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let plain = acme.receiver(&["customer.created"]).await;
        let binary = acme.receiver_with(
            json!({"events": ["customer.created"], "format": "cloudevents_binary"})).await;
        let structured = acme.receiver_with(
            json!({"events": ["customer.created"], "format": "cloudevents_structured"})).await;
        structured.then(Script::status(503));
        let customer = acme.customer("ada@example.com").await;
        app.settle().await;
        app.advance(Duration::from_secs(7)).await;

        let stored = plain.verified()[0].clone();
        let envelope = stored.json();
        let source = format!("/tenants/{}", acme.id);
        let arrival = &binary.verified()[0];
        assert_eq!(arrival.body, stored.body, "the body stays as it is");
        for (name, wanted) in [
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-id", &stored.id()),
            ("ce-source", &source),
            ("ce-type", "customer.created"),
            ("ce-subject", &customer),
            ("ce-time", envelope["timestamp"].as_str().unwrap()),
        ] {
            assert_eq!(arrival.header(name), wanted, "{name}");
        }
        assert!(arrival.header("ce-datacontenttype").is_empty(), "content-type says it");

        let arrivals = structured.verified();
        assert_eq!(arrivals.len(), 2);
        assert_eq!(arrivals[0].body, arrivals[1].body, "the same bytes on every attempt");
        assert_eq!(arrivals[0].header("content-type"), "application/cloudevents+json");
        let event = arrivals[0].json();
        assert_eq!(event["data"], envelope);
        let text = String::from_utf8(arrivals[0].body.to_vec()).unwrap();
        let verbatim = String::from_utf8(stored.body.to_vec()).unwrap();
        assert!(text.ends_with(&format!("\"data\":{verbatim}}}")), "{text}");
        assert_eq!((&event["specversion"], &event["type"], &event["datacontenttype"]),
            (&json!("1.0"), &json!("customer.created"), &json!("application/json")));
        assert_eq!((&event["id"], &event["source"], &event["subject"]),
            (&json!(stored.id()), &json!(source), &json!(customer)));
    }

    async fn an_overlap_is_chosen_and_a_secret_brought(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let rotate = format!("{}/rotate-secret", path(&hook));
        let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let rotated = acme.post(&rotate, json!({"secret": own, "overlap_hours": 168})).await;
        assert_eq!((rotated.status, rotated.text("/secret").as_str()), (StatusCode::OK, own));
        app.clock.advance(Duration::from_hours(167));
        acme.customer("a@example.com").await;
        app.settle().await;
        hook.arrivals()[0].verify(own).unwrap();
        hook.arrivals()[0].verify(&hook.secret).unwrap();
        app.clock.advance(Duration::from_hours(2));
        acme.customer("b@example.com").await;
        app.settle().await;
        hook.arrivals()[1].verify(own).unwrap();
        assert!(hook.arrivals()[1].verify(&hook.secret).is_err());

        // Without an overlap the old one is out at once; without a body one is made.
        let made = acme.post(&rotate, json!({"overlap_hours": 0})).await;
        assert_eq!(made.json()["previous_secret_valid_until"], Value::Null);
        acme.customer("c@example.com").await;
        app.settle().await;
        hook.arrivals()[2].verify(&made.text("/secret")).unwrap();
        assert!(hook.arrivals()[2].verify(own).is_err());
        let bare = acme.client.send(http::Method::POST, &rotate, "").await.unwrap();
        assert_eq!(bare.status, StatusCode::OK, "{}", bare.json());
        assert_ne!(bare.json()["previous_secret_valid_until"], Value::Null);
    }

    async fn secrets_and_overlaps_that_do_not_do_are_refused_and_change_nothing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let rotate = format!("{}/rotate-secret", path(&hook));
        let (short, long) = ("AAAA".repeat(7), "AAAA".repeat(22));
        for (body, pointer) in [
            (json!({"overlap_hours": 169}), "/overlap_hours"),
            (json!({"overlap_hours": -1}), "/overlap_hours"),
            (json!({"overlap_hours": 1.5}), "/overlap_hours"),
            (json!({"secret": "whsec_"}), "/secret"),
            (json!({"secret": short}), "/secret"),
            (json!({"secret": long}), "/secret"),
            (json!({"secret": "whsec_not base64 at all, though long enough"}), "/secret"),
            (json!({"secret": 7}), "/secret"),
            (json!({"overlap": 1}), "/overlap"),
        ] {
            let refused = acme.post(&rotate, body.clone()).await;
            assert_eq!(refused.problem(), "validation_failed", "{body}");
            assert_eq!(refused.text("/errors/0/pointer"), pointer, "{body}");
            let text = String::from_utf8(refused.bytes.to_vec()).unwrap();
            assert!(!text.contains("not base64 at all"), "a secret is not repeated: {text}");
        }
        acme.customer("a@example.com").await;
        app.settle().await;
        assert_eq!(hook.verified().len(), 1);
    }
}
