//! Deliveries: retries, ends, repetitions, and what the log shows of them.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Script, Tenant, stories};

async fn deliveries(acme: &Tenant, query: &str) -> Vec<Value> {
    let answer = acme.get(&format!("/api/v1/webhooks/deliveries{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    answer.json()["data"].as_array().cloned().unwrap()
}

stories! {
    async fn a_delivery_that_is_only_a_pointer_is_found_however_many_came_after_it(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let other = app.tenant("other").await;
        acme.post("/api/v1/webhooks/event-types", json!({"event_type": "custom.load"})).await;
        let silent = acme.receiver_with(json!({"events": ["custom.load"]})).await;
        silent.always(Script::hang());
        // As long as their endpoint is silent there are pointers only; all of one millisecond.
        let events: Vec<Value> = (0..250)
            .map(|n| json!({"event_type": "custom.load", "event_data": {"n": n}}))
            .collect();
        let taken = acme.post("/api/v1/webhooks/events/batch", json!({"events": events})).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.json());
        silent.wait_for(1).await;
        let taken = taken.json();
        let mut ids: Vec<&str> = taken["data"].as_array().unwrap().iter()
            .map(|event| event["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        let oldest = &deliveries(&acme, &format!("?event_id={}", ids[0])).await[0];
        assert_eq!((&oldest["status"], &oldest["attempts"]), (&json!("pending"), &json!(0)));
        let path = format!("/api/v1/webhooks/deliveries/{}", oldest["id"].as_str().unwrap());
        let found = acme.get(&path).await;
        assert_eq!(found.status, StatusCode::OK, "{}", found.json());
        assert_eq!(&found.json(), oldest);
        assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND);
        // An id of the same millisecond that is nobody's.
        let absent = format!("{}0", &path[..path.len() - 1]);
        let absent = if absent == path { format!("{}1", &path[..path.len() - 1]) } else { absent };
        assert_eq!(acme.get(&absent).await.status, StatusCode::NOT_FOUND);
    }

    async fn a_failed_delivery_is_tried_again_with_the_same_bytes(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(500).body("not now")).then(Script::status(503));
        acme.customer("ada@example.com").await;
        app.settle().await;

        let waiting = &deliveries(&acme, "").await[0];
        assert_eq!((&waiting["status"], &waiting["attempts"]), (&json!("waiting"), &json!(1)));
        // The second attempt comes after five seconds and a fifth of jitter at most; not before.
        app.advance(Duration::from_secs(4)).await;
        assert_eq!(hook.arrivals().len(), 1, "never early");
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(hook.arrivals().len(), 2);
        app.advance(Duration::from_mins(6)).await;

        let arrivals = hook.verified();
        assert_eq!(arrivals.len(), 3);
        assert!(arrivals.windows(2).all(|two| two[0].body == two[1].body));
        assert!(arrivals.windows(2).all(|two| two[0].id() == two[1].id()));
        let delivered = &deliveries(&acme, "").await[0];
        assert_eq!(delivered["status"], "delivered");
        let id = delivered["id"].as_str().unwrap();
        let attempts = acme.get(&format!("/api/v1/webhooks/deliveries/{id}/attempts")).await.json();
        let statuses: Vec<_> =
            attempts["data"].as_array().unwrap().iter().map(|a| a["status"].clone()).collect();
        assert_eq!(statuses, [json!(500), json!(503), json!(200)]);
        assert_eq!(attempts["data"][0]["response_body"], "not now");
    }

    async fn the_last_failure_ends_it_and_is_told(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme
            .receiver_with(json!({"events": ["customer.created"], "retry_policy": "original"}))
            .await;
        let watcher = acme.receiver(&["webhook.delivery.exhausted"]).await;
        hook.always(Script::status(500));
        acme.customer("ada@example.com").await;
        for _ in 0..4 {
            app.advance(Duration::from_hours(8)).await;
        }
        assert_eq!(hook.arrivals().len(), 4, "the first attempt and three retries");
        let ended = &deliveries(&acme, "?status=exhausted").await[0];
        assert_eq!(ended["attempts"], 4);
        assert_eq!(watcher.names(), ["webhook.delivery.exhausted"]);
        let data = watcher.verified()[0].json()["data"].clone();
        assert_eq!((&data["attempts"], &data["last_error"]), (&json!(4), &json!("status.500")));
        assert_eq!(data["delivery_id"], ended["id"]);
    }

    async fn a_repetition_by_hand_that_fails_to_the_end_ends_and_is_told(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme
            .receiver_with(json!({"events": ["customer.created"], "retry_policy": "original"}))
            .await;
        let watcher = acme.receiver(&["webhook.delivery.exhausted"]).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        let first = deliveries(&acme, "").await[0]["id"].as_str().unwrap().to_owned();

        hook.always(Script::status(500));
        let again = acme
            .post(&format!("/api/v1/webhooks/deliveries/{first}/retry"), json!({}))
            .await;
        assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.json());
        for _ in 0..5 {
            app.advance(Duration::from_hours(8)).await;
        }
        assert_eq!(hook.count(), 1 + 4, "the first that arrived, and four that did not");
        let ended = &deliveries(&acme, "?status=exhausted").await[0];
        assert_eq!((&ended["id"], &ended["attempts"]), (&again.json()["id"], &json!(4)));
        assert_eq!(watcher.names(), ["webhook.delivery.exhausted"]);
    }

    async fn gone_disables_the_subscription_at_once(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let watcher = acme.receiver(&["webhook.subscription.disabled"]).await;
        hook.always(Script::status(410));
        acme.customer("ada@example.com").await;
        app.settle().await;
        acme.customer("grace@example.com").await;
        app.settle().await;

        assert_eq!(hook.arrivals().len(), 1, "nothing more is sent");
        assert_eq!(watcher.names(), ["webhook.subscription.disabled"]);
        let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
        let view = acme.get(&path).await.json();
        assert_eq!((&view["status"], &view["disabled_reason"]), (&json!("disabled"), &json!("gone")));
        // Switching it on again lifts it.
        hook.always(Script::status(200));
        assert_eq!(acme.patch(&path, json!({"is_active": true})).await.status, StatusCode::OK);
        acme.customer("linda@example.com").await;
        app.settle().await;
        assert_eq!(hook.arrivals().len(), 2);
    }

    async fn retry_after_delays_and_never_hurries(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(429).header("retry-after", "3600"));
        acme.customer("ada@example.com").await;
        app.settle().await;
        app.advance(Duration::from_mins(50)).await;
        assert_eq!(hook.arrivals().len(), 1);
        app.advance(Duration::from_mins(11)).await;
        assert_eq!(hook.arrivals().len(), 2);
    }

    async fn a_redirect_is_not_followed(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let elsewhere = acme.receiver(&["webhook.delivery.exhausted"]).await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(302).header("location", &elsewhere.url()));
        acme.customer("ada@example.com").await;
        app.settle().await;
        assert!(elsewhere.arrivals().is_empty());
        assert_eq!(deliveries(&acme, "").await[0]["last_error"], "redirect");
    }

    async fn somebody_asks_to_send_it_once_more(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        let first = deliveries(&acme, "").await[0].clone();
        let path = format!("/api/v1/webhooks/deliveries/{}/retry", first["id"].as_str().unwrap());
        let again = acme.post(&path, Value::Null).await;
        assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.json());
        assert_ne!(again.text("/id"), first["id"].as_str().unwrap());
        app.settle().await;

        let arrivals = hook.verified();
        assert_eq!(arrivals.len(), 2);
        assert_eq!(arrivals[0].id(), arrivals[1].id(), "the same event");
        assert_eq!(arrivals[0].body, arrivals[1].body, "the same bytes");
        let all = deliveries(&acme, "").await;
        assert!(all.iter().all(|delivery| delivery["status"] == "delivered"), "{all:#?}");
        assert_eq!(all.iter().filter(|delivery| delivery["origin"] == "manual").count(), 1);
    }

    async fn a_slow_endpoint_slows_only_itself(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let slow = acme
            .receiver_with(json!({"events": ["customer.created"], "timeout_seconds": 2}))
            .await;
        let quick = acme.receiver(&["customer.created"]).await;
        slow.always(Script::hang());
        for number in 0..20 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        quick.wait_for(20).await;
        assert!(slow.arrivals().len() <= 4, "its window holds it: {}", slow.arrivals().len());
        slow.always(Script::status(200));
        app.settle().await;
        app.advance(Duration::from_mins(1)).await;
        let ids: std::collections::BTreeSet<_> =
            slow.verified().iter().map(tidings_testkit::Arrival::id).collect();
        assert_eq!(ids.len(), 20, "and nothing is lost");
    }

    async fn an_event_goes_to_those_that_were_there_before_it(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.customer("ada@example.com").await;
        app.advance(Duration::from_secs(1)).await;
        let late = acme.receiver(&["*"]).await;
        app.settle().await;
        assert!(late.arrivals().is_empty());
    }

    async fn the_log_shows_an_event_with_its_deliveries(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        let id = hook.arrivals()[0].id();
        let entry = acme.get(&format!("/api/v1/webhooks/events/log/{id}")).await.json();
        assert_eq!(entry["type"], "customer.created");
        assert_eq!(entry["event"], hook.arrivals()[0].json());
        assert_eq!(entry["deliveries"][0]["status"], "delivered");
    }

    async fn positions_have_no_gaps_and_the_log_goes_on_where_it_was_left(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for number in 0..7 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        app.settle().await;
        let mut after = 0;
        let mut seen = Vec::new();
        loop {
            let path = format!("/api/v1/webhooks/events/log?after={after}&limit=3");
            let page = acme.get(&path).await.json();
            let rows = page["data"].as_array().unwrap().clone();
            seen.extend(rows.iter().map(|row| row["position"].as_i64().unwrap()));
            if page["next_cursor"].is_null() { break }
            after = *seen.last().unwrap();
        }
        assert_eq!(seen, (1..=9).collect::<Vec<i64>>(), "tenant, key, seven customers");
    }
}
