//! Retention: what goes when its time is up, what stays, and what is told when it is asked for.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Script, Tenant, TestApp, stories};

const SETTINGS: &str = "/api/v1/privacy/retention";

const fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

async fn entry(acme: &Tenant, event: &str) -> Value {
    let answer = acme.get(&format!("/api/v1/webhooks/events/log/{event}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    answer.json()
}

async fn deliveries(acme: &Tenant) -> Vec<Value> {
    let answer = acme.get("/api/v1/webhooks/deliveries?limit=200").await;
    answer.json()["data"].as_array().cloned().unwrap()
}

/// Every sweep has run without a fault, as `doctor` would say.
async fn assert_sound(app: &TestApp) {
    let report = tidings_jobs::report(&app.app.db).await.unwrap();
    for class in ["payloads", "replies", "deliveries", "events"] {
        let name = format!("webhooks.purge_{class}");
        let sweep = report.iter().find(|sweep| sweep.name == name).unwrap();
        assert_eq!(sweep.last_error, None, "{name}");
        assert!(sweep.last_ended_at.is_some(), "{name} has run");
    }
}

stories! {
    async fn a_tenant_sets_how_long_what_is_kept(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let defaults =
            json!({"payload_days": 30, "reply_days": 7, "attempt_days": 90, "event_days": 400});
        assert_eq!(acme.get(SETTINGS).await.json(), defaults);
        let set = acme.patch(SETTINGS, json!({"payload_days": 1, "reply_days": 2})).await;
        assert_eq!(set.status, StatusCode::OK, "{}", set.json());
        assert_eq!((&set.json()["payload_days"], &set.json()["attempt_days"]), (&json!(1), &json!(90)));
        acme.patch(SETTINGS, json!({"payload_days": 1})).await;
        acme.patch(SETTINGS, json!({"payload_days": 3})).await;
        assert_eq!(acme.get(SETTINGS).await.json()["payload_days"], 3);
        assert_eq!(other.get(SETTINGS).await.json(), defaults, "it is this tenant's alone");
        app.settle().await;
        let told = acme.log().await.iter().filter(|name| *name == "privacy.retention.updated").count();
        assert_eq!(told, 2, "what changed nothing is not told");
    }

    async fn days_that_make_no_sense_are_refused_where_they_are(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for (body, pointer) in [
            (json!({"payload_days": 0}), "/payload_days"),
            (json!({"payload_days": 366}), "/payload_days"),
            (json!({"reply_days": 91}), "/reply_days"),
            (json!({"attempt_days": 6}), "/attempt_days"),
            (json!({"attempt_days": 7, "reply_days": 8}), "/reply_days"),
            (json!({"event_days": 89}), "/event_days"),
            (json!({"event_days": 90, "payload_days": 91}), "/payload_days"),
            (json!({"payload_days": 91}), "/payload_days"),
            (json!({"attempt_days": 7, "payload_days": 365}), "/payload_days"),
            (json!({"payload_days": "30"}), "/payload_days"),
            (json!({"payload_days": -1}), "/payload_days"),
            (json!({"payload_days": 1.5}), "/payload_days"),
            (json!({"for_ever": true}), "/for_ever"),
        ] {
            let refused = acme.patch(SETTINGS, body.clone()).await;
            assert_eq!(refused.problem(), "validation_failed", "{body}");
            assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{}", refused.json());
        }
        let reader = json!({"name": "reader", "scopes": ["privacy.read"]});
        let key = acme.post("/api/v1/auth/api-keys", reader).await;
        let reader = acme.client.with_key(key.text("/api_key"));
        assert_eq!(reader.get(SETTINGS).await.unwrap().status, StatusCode::OK);
        let refused = reader.patch(SETTINGS, &json!({"payload_days": 2})).await.unwrap();
        assert_eq!(refused.problem(), "forbidden");
    }

    async fn a_payload_goes_when_its_time_is_up_and_everything_copes(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let hook = acme.receiver(&["customer.created"]).await;
        let theirs = other.receiver(&["customer.created"]).await;
        other.patch(SETTINGS, json!({"payload_days": 60})).await;
        let unwanted = acme.post("/api/v1/customers/segments",
            json!({"name": "all", "criteria": {}, "is_dynamic": false})).await;
        assert_eq!(unwanted.status, StatusCode::CREATED);
        acme.customer("ada@example.com").await;
        other.customer("ada@example.com").await;
        app.settle().await;
        let (event, their_event) = (hook.arrivals()[0].id(), theirs.arrivals()[0].id());
        let delivery = deliveries(&acme).await[0]["id"].as_str().unwrap().to_owned();
        app.advance(days(29)).await;
        assert!(entry(&acme, &event).await["event"].is_object(), "not a day early");
        app.advance(days(2)).await;

        let gone = entry(&acme, &event).await;
        assert_eq!((&gone["event"], &gone["type"]), (&Value::Null, &json!("customer.created")));
        assert_eq!(gone["deliveries"][0]["status"], "delivered", "that it arrived is still known");
        assert!(entry(&other, &their_event).await["event"].is_object(), "they keep it longer");
        let log = acme.get("/api/v1/webhooks/events/log?after=0").await.json();
        assert!(log["data"].as_array().unwrap().iter().all(|row| row["event"].is_null()), "{log}");
        let retry = acme.post(&format!("/api/v1/webhooks/deliveries/{delivery}/retry"), Value::Null).await;
        assert_eq!((retry.status, retry.problem().as_str()), (StatusCode::GONE, "payload_gone"));
        let filter = json!({"payload_filter": {"field": "/type", "exists": true}, "event_id": event});
        let tried = acme.post("/api/v1/webhooks/filters/test", filter).await;
        assert_eq!(tried.json()["errors"][0]["code"], "gone", "{}", tried.json());
        assert_sound(app).await;
    }

    async fn nothing_goes_that_is_still_under_way(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.patch(SETTINGS, json!({"payload_days": 1, "reply_days": 1, "attempt_days": 7})).await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.always(Script::status(500));
        acme.customer("ada@example.com").await;
        app.settle().await;
        for _ in 0..8 {
            app.advance(Duration::from_hours(6)).await;
        }
        let waiting = deliveries(&acme).await[0].clone();
        assert_eq!(waiting["status"], "waiting", "{waiting}");
        let event = waiting["event_id"].as_str().unwrap().to_owned();
        assert!(entry(&acme, &event).await["event"].is_object(), "two days later it is still to be sent");
        hook.always(Script::status(200));
        for _ in 0..5 {
            app.advance(Duration::from_hours(6)).await;
        }
        let arrivals = hook.verified();
        assert_eq!(arrivals[0].body, arrivals.last().unwrap().body, "the same bytes to the end");
        let status = deliveries(&acme).await[0]["status"].clone();
        assert_eq!(status, "delivered");
        assert!(entry(&acme, &event).await["event"].is_object(), "the day begins when it has arrived");
        app.advance(days(2)).await;
        assert!(entry(&acme, &event).await["event"].is_null());
    }

    async fn answers_deliveries_and_the_log_go_one_after_the_other(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(500).header("server", "theirs").body("a canary")).then(Script::status(200).body("thanks"));
        acme.customer("ada@example.com").await;
        app.settle().await;
        app.advance(Duration::from_mins(1)).await;
        let delivery = deliveries(&acme).await[0]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/webhooks/deliveries/{delivery}/attempts");
        let attempts = acme.get(&path).await.json()["data"].clone();
        assert_eq!((&attempts[0]["response_body"], &attempts[1]["response_body"]), (&json!("a canary"), &json!("thanks")));
        assert!(attempts[0]["request_headers"].is_object(), "{attempts}");
        app.advance(days(8)).await;
        let attempts = acme.get(&path).await.json()["data"].clone();
        assert_eq!((&attempts[0]["status"], &attempts[0]["response_body"]), (&json!(500), &Value::Null));
        assert!(!attempts.to_string().contains("theirs"), "headers too: {attempts}");
        assert_eq!(attempts[0]["request_headers"], Value::Null);
        app.advance(days(80)).await;
        assert_eq!(deliveries(&acme).await.len(), 1);
        app.advance(days(3)).await;
        assert!(deliveries(&acme).await.is_empty());
        assert_eq!(acme.get(&path).await.problem(), "not_found");
        app.advance(days(305)).await;
        assert_eq!(acme.log().await.len(), 4, "tenant, key, subscription, customer");
        acme.customer("grace@example.com").await;
        app.advance(days(10)).await;
        assert_eq!(acme.log().await, ["customer.created"]);
        let log = acme.get("/api/v1/webhooks/events/log?after=0").await.json();
        assert_eq!(log["data"][0]["position"], 5, "positions go on where they were");
        assert_sound(app).await;
    }

    async fn more_than_one_unit_can_take_goes_all_the_same(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.post("/api/v1/webhooks/event-types", json!({"event_type": "custom.thing"})).await;
        let hook = acme.receiver(&["custom.thing"]).await;
        let event = json!({"event_type": "custom.thing", "event_data": {}});
        let batch = json!({"events": vec![event; 700]});
        let published = acme.post("/api/v1/webhooks/events/batch", batch).await;
        assert_eq!(published.status, StatusCode::ACCEPTED, "{}", published.json());
        app.settle().await;
        assert_eq!(hook.count(), 700);
        app.advance(days(31)).await;
        let mut after = 0;
        for _ in 0..4 {
            let page = acme.get(&format!("/api/v1/webhooks/events/log?after={after}&limit=200")).await.json();
            let rows = page["data"].as_array().unwrap();
            assert!(rows.iter().all(|row| row["event"].is_null()));
            after = rows.last().unwrap()["position"].as_i64().unwrap();
        }
        assert_eq!(after, 704, "tenant, key, subscription, type, and the events");
        app.advance(days(60)).await;
        assert!(deliveries(&acme).await.is_empty());
        assert_sound(app).await;
    }
}
