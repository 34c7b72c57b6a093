//! How deliveries flow: an endpoint that fails is left alone, one that wants a pace gets it, one that
//! wants its events in order gets them so, and owners are told how their endpoints fare.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Receiver, Script, Tenant, TestApp, stories};

const HOUR: Duration = Duration::from_hours(1);

async fn customers(acme: &Tenant, from: usize, count: usize) {
    for number in from..from + count {
        acme.customer(&format!("c{number}@example.com")).await;
    }
}

async fn status_of(acme: &Tenant, hook: &Receiver) -> String {
    let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
    acme.get(&path).await.text("/status")
}

/// The names that were told a watcher about an endpoint, in order.
fn told(watcher: &Receiver) -> Vec<String> {
    watcher.verified().iter().map(|arrival| arrival.json()["type"].to_string()).collect()
}

async fn rename(acme: &Tenant, id: &str, name: &str) {
    let body = json!({"first_name": name});
    let answer = acme.patch(&format!("/api/v1/customers/{id}"), body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
}

/// The versions of an object that arrived, in the order of their arrival.
fn versions(hook: &Receiver, subject: &str) -> Vec<i64> {
    let events = hook.arrivals().into_iter().map(|arrival| arrival.json());
    events
        .filter(|event| event["subject"]["id"] == subject)
        .filter_map(|event| event["subject"]["version"].as_i64())
        .collect()
}

async fn pass(app: &TestApp, by: Duration, times: usize) {
    for _ in 0..times {
        app.advance(by).await;
    }
}

stories! {
    async fn an_endpoint_that_fails_ten_times_is_left_alone_and_probed(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.always(Script::status(500));
        for number in 0..10 {
            customers(&acme, number, 1).await;
            app.settle().await;
        }
        assert_eq!(hook.count(), 10, "each was tried once");
        customers(&acme, 10, 5).await;
        app.advance(Duration::from_secs(29)).await;
        assert_eq!(hook.count(), 10, "nothing is sent while the breaker is open");
        let waiting = acme.get("/api/v1/webhooks/deliveries?status=pending").await.json();
        let attempts: Vec<&Value> =
            waiting["data"].as_array().unwrap().iter().map(|row| &row["attempts"]).collect();
        assert_eq!(attempts, [&json!(0); 5], "waiting for the breaker uses up no attempt");

        // One probe; it fails, so that twice the time passes until the next.
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(hook.count(), 11);
        app.advance(Duration::from_secs(58)).await;
        assert_eq!(hook.count(), 11);
        hook.always(Script::status(200));
        pass(app, Duration::from_secs(3), 3).await;
        app.advance(Duration::from_mins(10)).await;
        let delivered = acme.get("/api/v1/webhooks/deliveries?status=delivered").await.json();
        assert_eq!(delivered["data"].as_array().unwrap().len(), 15, "nothing was dropped");
    }

    async fn an_endpoint_that_refuses_whatever_it_sees_first_gets_everything(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        // Twelve events; the endpoint fails the first attempt of each and takes the second.
        for _ in 0..10 {
            hook.then(Script::status(500));
        }
        customers(&acme, 0, 10).await;
        app.settle().await;
        hook.always(Script::status(500));
        customers(&acme, 10, 2).await;
        app.advance(Duration::from_secs(29)).await;
        assert_eq!(hook.count(), 10, "the breaker is open");
        hook.always(Script::status(200));
        app.advance(Duration::from_millis(1_010)).await;
        let first = hook.arrivals()[10].id();
        let tried: Vec<String> = hook.arrivals()[..10].iter().map(tidings_testkit::Arrival::id).collect();
        assert!(tried.contains(&first), "the probe is a retry");
        pass(app, Duration::from_secs(5), 3).await;
        let delivered = acme.get("/api/v1/webhooks/deliveries?status=delivered").await.json();
        assert_eq!(delivered["data"].as_array().unwrap().len(), 12);
    }

    async fn one_endpoint_left_alone_holds_up_no_other(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let (dead, alive) = (acme.receiver(&["customer.created"]).await,
            acme.receiver(&["customer.created"]).await);
        dead.always(Script::status(503));
        customers(&acme, 0, 20).await;
        app.settle().await;
        assert!(dead.count() < 20);
        assert_eq!(alive.verified().len(), 20);
    }

    async fn a_pace_is_kept_and_nothing_is_lost_by_it(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme
            .receiver_with(json!({"events": ["customer.created"], "rate_per_second": 5}))
            .await;
        customers(&acme, 0, 20).await;
        app.settle().await;
        assert_eq!(hook.count(), 5, "a burst of one second");
        app.advance(Duration::from_millis(1_001)).await;
        assert_eq!(hook.count(), 10);
        pass(app, Duration::from_millis(500), 5).await;
        assert_eq!(hook.verified().len(), 20);
    }

    async fn events_of_one_object_wait_for_each_other_and_for_nothing_else(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme
            .receiver_with(json!({"events": ["customer.*"], "ordering": "per_object"}))
            .await;
        let (ada, grace) = (acme.customer("ada@example.com").await,
            acme.customer("grace@example.com").await);
        app.settle().await;
        assert_eq!((versions(&hook, &ada), versions(&hook, &grace)), (vec![1], vec![1]));

        hook.then(Script::status(500));
        rename(&acme, &ada, "Augusta").await;
        app.settle().await;
        rename(&acme, &ada, "Ada").await;
        rename(&acme, &grace, "Amazing Grace").await;
        app.settle().await;
        assert_eq!(versions(&hook, &ada), [1, 2], "the third waits for the second");
        assert_eq!(versions(&hook, &grace), [1, 2], "only that object waits");
        app.advance(Duration::from_secs(7)).await;
        assert_eq!(versions(&hook, &ada), [1, 2, 2, 3]);
    }

    async fn a_delivery_that_was_given_up_lets_the_next_go(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver_with(json!({"events": ["customer.*"],
            "ordering": "per_object", "retry_policy": "original"})).await;
        let ada = acme.customer("ada@example.com").await;
        app.settle().await;
        for _ in 0..4 {
            hook.then(Script::status(500));
        }
        rename(&acme, &ada, "Augusta").await;
        app.settle().await;
        rename(&acme, &ada, "Ada").await;
        pass(app, 8 * HOUR, 3).await;
        assert_eq!(versions(&hook, &ada), [1, 2, 2, 2, 2, 3]);
    }

    async fn owners_are_told_that_an_endpoint_fails_and_recovers(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let watcher = acme.receiver(&["webhook.endpoint.*"]).await;
        hook.always(Script::status(500));
        customers(&acme, 0, 9).await;
        app.advance(Duration::from_secs(3)).await;
        assert!(told(&watcher).is_empty(), "nine failures are no news");
        customers(&acme, 9, 1).await;
        app.advance(Duration::from_secs(11)).await;
        assert_eq!(told(&watcher), ["\"webhook.endpoint.failing\""]);
        let data = watcher.verified()[0].json()["data"].clone();
        assert_eq!(data["subscription_id"], hook.subscription_id);
        pass(app, Duration::from_mins(1), 10).await;
        assert_eq!(watcher.count(), 1, "it is told once");
        hook.always(Script::status(200));
        pass(app, Duration::from_mins(10), 3).await;
        assert_eq!(told(&watcher).last().unwrap(), "\"webhook.endpoint.recovered\"");
        assert_eq!(watcher.count(), 2);
        assert_eq!(status_of(&acme, &hook).await, "active");
    }

    async fn five_days_without_a_success_disable_it_after_a_warning(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let watcher = acme.receiver(&["webhook.endpoint.*", "webhook.subscription.disabled"]).await;
        hook.always(Script::status(500));
        customers(&acme, 0, 10).await;
        app.settle().await;
        for hours in (0..96).step_by(8) {
            customers(&acme, 100 + hours, 1).await;
            app.advance(8 * HOUR).await;
            assert_eq!(status_of(&acme, &hook).await, "active");
        }
        app.advance(HOUR).await;
        assert_eq!(told(&watcher), ["\"webhook.endpoint.failing\"",
            "\"webhook.endpoint.disable_scheduled\""]);
        app.advance(22 * HOUR).await;
        assert_eq!(status_of(&acme, &hook).await, "active", "a day of notice");
        pass(app, HOUR, 4).await;
        assert_eq!(told(&watcher).last().unwrap(), "\"webhook.subscription.disabled\"");
        let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
        assert_eq!(acme.get(&path).await.text("/disabled_reason"), "failing");
    }

    async fn a_quiet_endpoint_is_not_disabled_for_a_few_failures(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme
            .receiver_with(json!({"events": ["customer.created"], "retry_policy": "original"}))
            .await;
        hook.always(Script::status(500));
        customers(&acme, 0, 3).await;
        pass(app, 24 * HOUR, 10).await;
        assert_eq!(hook.count(), 12, "three events, four attempts each");
        assert_eq!(status_of(&acme, &hook).await, "active");
    }

    async fn what_cannot_be_a_pace_or_an_order_is_refused_with_its_place(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for (field, value, code) in [
            ("rate_per_second", json!(0), "out_of_range"),
            ("rate_per_second", json!(10_001), "out_of_range"),
            ("ordering", json!("fifo"), "unknown_value"),
        ] {
            let mut body = json!({"url": "http://127.0.0.1:9/hook", "events": ["*"]});
            body[field] = value;
            let answer = acme.post("/api/v1/webhooks/subscriptions", body).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            let error = &answer.json()["errors"][0];
            assert_eq!((&error["pointer"], &error["code"]),
                (&json!(format!("/{field}")), &json!(code)));
        }
        let hook = acme.receiver_with(json!({"events": ["*"], "rate_per_second": 5})).await;
        let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
        let view = acme.patch(&path, json!({"rate_per_second": null, "ordering": "per_object"}))
            .await.json();
        assert_eq!((&view["rate_per_second"], &view["ordering"]),
            (&Value::Null, &json!("per_object")));
    }
}
