//! Why an endpoint got an event, or did not; and what a change would make of the last events.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Receiver, Script, Tenant, stories};

/// The newest event of the tenant's log of this type.
async fn newest(acme: &Tenant, event_type: &str) -> String {
    let path = format!("/api/v1/webhooks/events/log?event_type={event_type}&limit=200");
    let rows = acme.get(&path).await.json();
    rows["data"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
}

/// What is said of an event and a subscription.
async fn told(acme: &Tenant, event: &str, hook: &str) -> Value {
    let path = format!("/api/v1/webhooks/events/log/{event}/explain?subscription_id={hook}");
    let answer = acme.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    let rows = answer.json()["data"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    rows[0].clone()
}

fn path(hook: &Receiver) -> String {
    format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id)
}

async fn subscribed(acme: &Tenant, fields: Value) -> Receiver {
    acme.receiver_with(fields).await
}

stories! {
    async fn each_subscription_has_a_verdict_with_its_reason(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let good = acme.receiver(&["customer.*"]).await;
        let failing = acme.receiver(&["customer.created"]).await;
        failing.then(Script::status(503));
        let gone = acme.receiver(&["customer.created"]).await;
        gone.then(Script::status(410));
        let deaf = acme.receiver(&["customer.updated", "webhook.*"]).await;
        let choosy = subscribed(&acme, json!({"events": ["*"],
            "payload_filter": {"all": [{"field": "/type", "exists": true},
                {"field": "/data/email", "prefix": "grace@"}]}})).await;
        let paused = subscribed(&acme, json!({"events": ["*"], "is_active": false})).await;
        let deleted = acme.receiver(&["customer.created"]).await;
        app.clock.advance(Duration::from_mins(1));
        acme.patch(&path(&deleted), json!({"is_active": false})).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        assert!(acme.delete(&path(&deleted)).await.status.is_success());
        app.clock.advance(Duration::from_secs(1));
        let late = acme.receiver(&["*"]).await;
        app.settle().await;

        let event = newest(&acme, "customer.created").await;
        let due = "2026-11-23T12:01:";
        for (hook, verdict, at, says) in [
            (&good, "delivered", Some(due), "after 1 attempt"),
            (&failing, "waiting_for_retry", Some(due), "status 503; attempt 2 follows"),
            (&gone, "discarded", Some(due), "410"),
            (&deaf, "type_not_subscribed", None, "customer.updated comes nearest"),
            (&choosy, "filtered_out", None, "wanted: prefix \"grace@\""),
            (&paused, "paused", Some("2026-11-23T12:00:"), "its owner has paused"),
            (&deleted, "deleted", Some(due), "was deleted"),
            (&late, "created_later", Some("2026-11-23T12:01:01"), "made after the event"),
        ] {
            let told = told(&acme, &event, &hook.subscription_id).await;
            assert_eq!(told["verdict"], verdict, "{told}");
            assert!(told["reason"].as_str().unwrap().contains(says), "{told}");
            let begins = told["at"].as_str().map(|text| text.starts_with(at.unwrap_or("?")));
            assert_eq!(begins, at.map(|_| true), "{told}");
        }
        let chosen = told(&acme, &event, &choosy.subscription_id).await;
        assert_eq!(chosen["clause"], "/all/1");
        let unwanted = told(&acme, &event, &deaf.subscription_id).await;
        assert_eq!(unwanted["nearest"], "customer.updated");
        let all = acme.get(&format!("/api/v1/webhooks/events/log/{event}/explain")).await.json();
        assert_eq!(all["data"].as_array().unwrap().len(), 8, "those of now and of then");
        let first = acme.get(&format!("/api/v1/webhooks/events/log/{event}/explain?limit=3")).await;
        let cursor = first.text("/next_cursor");
        let rest = format!("/api/v1/webhooks/events/log/{event}/explain?limit=200&cursor={cursor}");
        assert_eq!(acme.get(&rest).await.json()["data"].as_array().unwrap().len(), 5);

        // Of a later event the endpoint that is gone is disabled, and one that is switched on again
        // was changed since.
        acme.customer("grace@example.com").await;
        app.settle().await;
        let event = newest(&acme, "customer.created").await;
        assert_eq!(told(&acme, &event, &gone.subscription_id).await["verdict"], "disabled");
        app.clock.advance(Duration::from_secs(1));
        acme.patch(&path(&gone), json!({"is_active": true})).await;
        assert_eq!(told(&acme, &event, &gone.subscription_id).await["verdict"], "changed_since");
        assert_eq!(told(&acme, &event, &choosy.subscription_id).await["verdict"], "delivered");
        let internal = newest(&acme, "webhook.subscription.deleted").await;
        let internal = told(&acme, &internal, &good.subscription_id).await;
        assert_eq!(internal["verdict"], "internal_event");
    }

    async fn what_was_delivered_is_not_denied_when_its_delivery_is_kept_no_longer(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let days = json!({"payload_days": 7, "attempt_days": 7});
        let set = acme.patch("/api/v1/privacy/retention", days).await;
        assert_eq!(set.status, StatusCode::OK, "{}", set.json());
        let hook = acme.receiver(&["customer.created"]).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        let event = newest(&acme, "customer.created").await;
        assert_eq!(told(&acme, &event, &hook.subscription_id).await["verdict"], "delivered");
        app.advance(Duration::from_hours(24 * 8)).await;
        app.advance(Duration::from_hours(24)).await;
        let deliveries = acme.get("/api/v1/webhooks/deliveries").await.json();
        assert_eq!(deliveries["data"], json!([]), "it is kept no longer");
        let told = told(&acme, &event, &hook.subscription_id).await;
        assert_eq!(told["verdict"], "log_gone", "{told}");
    }

    async fn a_delivery_that_arrived_tells_more_than_a_later_one_that_was_cancelled(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        for number in 0..3 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        app.settle().await;
        let body = json!({"subscription_id": hook.subscription_id, "after_position": 0,
            "rate_per_second": 1});
        let replay = acme.post("/api/v1/webhooks/replays", body).await.text("/id");
        app.settle().await;
        let cancelled = acme.post(&format!("/api/v1/webhooks/replays/{replay}/cancel"), json!({})).await;
        assert_eq!(cancelled.text("/status"), "cancelled");
        let rows = acme.get("/api/v1/webhooks/deliveries?status=discarded").await;
        let event = rows.text("/data/0/event_id");
        let told = told(&acme, &event, &hook.subscription_id).await;
        assert_eq!(told["verdict"], "delivered", "{told}");
    }

    async fn what_is_held_up_is_told_with_what_holds_it(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let slow = subscribed(&acme, json!({"events": ["customer.*"], "rate_per_second": 1})).await;
        let ordered =
            subscribed(&acme, json!({"events": ["customer.*"], "ordering": "per_object"})).await;
        ordered.then(Script::status(500));
        let broken = acme.receiver(&["customer.created"]).await;
        broken.always(Script::status(500));
        let id = acme.customer("ada@example.com").await;
        acme.patch(&format!("/api/v1/customers/{id}"), json!({"first_name": "Augusta"})).await;
        app.settle().await;

        let updated = newest(&acme, "customer.updated").await;
        let held = told(&acme, &updated, &slow.subscription_id).await;
        assert_eq!(held["verdict"], "held_by_rate", "{held}");
        assert!(held["at"].as_str().unwrap().starts_with("2026-11-23T12:00:0"), "{held}");
        let waits = told(&acme, &updated, &ordered.subscription_id).await;
        assert_eq!(waits["verdict"], "waiting_for_earlier_event", "{waits}");
        let created = newest(&acme, "customer.created").await;
        assert!(waits["reason"].as_str().unwrap().contains(&created), "{waits}");

        for number in 0..12 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        app.settle().await;
        let last = newest(&acme, "customer.created").await;
        let alone = told(&acme, &last, &broken.subscription_id).await;
        assert_eq!(alone["verdict"], "left_alone", "{alone}");
        assert!(alone["at"].as_str().unwrap() >= "2026-11-23T12:00:30", "{alone}");
    }

    async fn an_explanation_is_the_tenants_own_and_needs_both_permissions(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let hook = acme.receiver(&["customer.*"]).await;
        let theirs = other.receiver(&["customer.*"]).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        let event = newest(&acme, "customer.created").await;
        let explain = format!("/api/v1/webhooks/events/log/{event}/explain");
        let absent = "whs_01hzz2z7yve2xbk6ghbq4xh6hm";
        for id in [theirs.subscription_id.as_str(), absent] {
            let answer = acme.get(&format!("{explain}?subscription_id={id}")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
        }
        assert_eq!(other.get(&explain).await.status, StatusCode::NOT_FOUND);
        let wrong = acme.get(&format!("{explain}?subscription_id=hook")).await;
        assert_eq!(wrong.text("/errors/0/pointer"), "?subscription_id");
        for scope in ["events.read", "webhooks.read"] {
            let key = json!({"name": scope, "scopes": [scope]});
            let key = acme.post("/api/v1/auth/api-keys", key).await.text("/api_key");
            let limited = acme.client.with_key(key);
            let refused = limited.get(&explain).await.unwrap();
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{scope}");
            let preview = format!("{}/preview", path(&hook));
            let refused = limited.post(&preview, &json!({})).await.unwrap();
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{scope}");
        }
    }

    async fn a_change_is_tried_on_the_last_events_before_it_is_made(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let preview = format!("{}/preview", path(&hook));
        let ada = acme.customer("ada@example.com").await;
        acme.customer("grace@example.com").await;
        acme.patch(&format!("/api/v1/customers/{ada}"), json!({"first_name": "Augusta"})).await;
        app.settle().await;

        let same = acme.post(&preview, json!({})).await;
        assert_eq!(same.status, StatusCode::OK, "{}", same.json());
        let counts = |json: &Value| {
            ["looked_at", "matches_now", "would_match"].map(|name| json[name].as_i64().unwrap())
        };
        assert_eq!(counts(&same.json()), [3, 2, 2]);

        let wider = acme.post(&preview, json!({"events": ["customer.*"]})).await.json();
        assert_eq!(counts(&wider), [3, 2, 3]);
        assert_eq!(wider["newly"]["count"], 1);
        assert_eq!(wider["newly"]["newest"][0]["type"], "customer.updated");
        assert_eq!(wider["newly"]["newest"][0]["id"], newest(&acme, "customer.updated").await);

        let filter = json!({"field": "/data/email", "prefix": "ada@"});
        let narrower = acme.post(&preview, json!({"payload_filter": filter})).await.json();
        assert_eq!(counts(&narrower), [3, 2, 1]);
        assert_eq!((&narrower["no_longer"]["count"], &narrower["newly"]["count"]),
            (&json!(1), &json!(0)));

        acme.patch(&path(&hook), json!({"payload_filter": filter})).await;
        let lifted = acme.post(&preview, json!({"payload_filter": null})).await.json();
        assert_eq!(counts(&lifted), [3, 1, 2]);
        let unchanged = acme.get(&path(&hook)).await.json();
        assert_eq!(unchanged["payload_filter"], filter, "a preview changes nothing");

        for (input, pointer) in [
            (json!({"events": ["customer.creatd"]}), "/events/0"),
            (json!({"events": []}), "/events"),
            (json!({"payload_filter": {"field": "x", "exists": true}}), "/payload_filter/field"),
            (json!({"url": "https://example.com/"}), "/url"),
        ] {
            let refused = acme.post(&preview, input.clone()).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{input}");
            assert_eq!(refused.text("/errors/0/pointer"), pointer, "{}", refused.json());
        }
    }
}
