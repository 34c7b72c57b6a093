//! Replays: past events, sent once more to one subscription, at a pace and until told to stop.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Answer, Receiver, Script, Tenant, TestApp, stories};

pub(crate) const REPLAYS: &str = "/api/v1/webhooks/replays";
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn customers(acme: &Tenant, from: usize, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in from..from + count {
        ids.push(acme.customer(&format!("c{number}@example.com")).await);
    }
    ids
}

/// Asks for a replay to a receiver's subscription.
pub(crate) async fn replay(acme: &Tenant, hook: &Receiver, mut fields: Value) -> Value {
    fields["subscription_id"] = json!(hook.subscription_id);
    let answer = acme.post(REPLAYS, fields).await;
    assert!(answer.status.is_success(), "{}", answer.json());
    answer.json()
}

async fn get(acme: &Tenant, replay: &Value) -> Value {
    acme.get(&format!("{REPLAYS}/{}", replay["id"].as_str().unwrap())).await.json()
}

async fn cancel(acme: &Tenant, replay: &Value) -> Answer {
    let path = format!("{REPLAYS}/{}/cancel", replay["id"].as_str().unwrap());
    acme.post(&path, json!({})).await
}

/// Lets time pass until a replay has ended.
pub(crate) async fn ended(app: &TestApp, acme: &Tenant, replay: &Value, step: Duration) -> Value {
    app.settle().await;
    for _ in 0..30 {
        let view = get(acme, replay).await;
        if view["finished_at"].is_string() {
            return view;
        }
        app.advance(step).await;
    }
    panic!("not ended: {:#}", get(acme, replay).await);
}

pub(crate) async fn patch(acme: &Tenant, hook: &Receiver, fields: Value) {
    let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
    let answer = acme.patch(&path, fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
}

stories! {
    async fn everything_since_the_beginning_goes_into_one_new_endpoint_only(app: &TestApp) {
        let acme = app.tenant("acme").await;
        // Nobody wanted the first three; the fourth went elsewhere.
        customers(&acme, 0, 3).await;
        let other = acme.receiver(&["*"]).await;
        customers(&acme, 3, 1).await;
        app.settle().await;
        let new = acme.receiver(&["customer.created"]).await;
        let made = replay(&acme, &new, json!({"after_position": 0})).await;
        assert_eq!(made["status"], "running");
        // What comes later goes to it as it would without the replay, once.
        customers(&acme, 4, 1).await;
        let view = ended(app, &acme, &made, SECOND).await;

        assert_eq!(view["status"], "completed");
        let progress = &view["progress"];
        let figures = ["planned", "delivered", "failed", "skipped", "under_way", "cancelled"];
        assert_eq!(figures.map(|name| progress[name].as_i64().unwrap()), [4, 4, 0, 0, 0, 0]);
        assert_eq!(progress["considered"], progress["total"]);
        assert_eq!(other.names(), ["customer.created"; 2], "the other one gets nothing again");
        let (again, live): (Vec<_>, Vec<_>) =
            new.verified().into_iter().partition(|a| !a.header("webhook-replay").is_empty());
        assert_eq!((again.len(), live.len()), (4, 1));
        for arrival in &again {
            assert_eq!(arrival.header("webhook-replay"), made["id"].as_str().unwrap());
            let entry = acme.get(&format!("/api/v1/webhooks/events/log/{}", arrival.id())).await;
            assert_eq!(entry.json()["event"], arrival.json(), "the same bytes under the same id");
        }
        let of = format!("/api/v1/webhooks/subscriptions/{}/deliveries", new.subscription_id);
        let rows = acme.get(&of).await.json();
        let origins = |origin: &str| {
            rows["data"].as_array().unwrap().iter().filter(|row| row["origin"] == origin).count()
        };
        assert_eq!((origins("replay"), origins("event")), (4, 1));
        let listed = acme.get(&format!("{REPLAYS}?subscription_id={}", new.subscription_id)).await;
        assert_eq!(listed.json()["data"], json!([view]));
        assert!(acme.log().await.ends_with(&["webhook.replay.completed".to_owned()]));
    }

    async fn a_replay_keeps_to_its_pace(app: &TestApp) {
        let acme = app.tenant("acme").await;
        customers(&acme, 0, 7).await;
        let hook = acme.receiver(&["customer.created"]).await;
        app.settle().await;
        let made = replay(&acme, &hook, json!({"after_position": 0, "rate_per_second": 2})).await;
        app.settle().await;
        let mut counts = vec![hook.count()];
        for _ in 0..4 {
            app.advance(SECOND).await;
            counts.push(hook.count());
        }
        assert_eq!(counts, [1, 3, 5, 7, 7]);
        let view = ended(app, &acme, &made, SECOND).await;
        assert_eq!(view["progress"]["delivered"], 7);
    }

    async fn a_cancelled_replay_sends_nothing_more(app: &TestApp) {
        let acme = app.tenant("acme").await;
        customers(&acme, 0, 5).await;
        let hook = acme.receiver(&["customer.created"]).await;
        app.settle().await;
        let fields = json!({"after_position": 0, "rate_per_second": 1});
        let made = replay(&acme, &hook, fields.clone()).await;
        app.settle().await;
        assert_eq!(hook.count(), 1);
        let mut second = fields;
        second["subscription_id"] = json!(hook.subscription_id);
        let refused = acme.post(REPLAYS, second.clone()).await;
        assert_eq!((refused.status, refused.problem().as_str()),
            (StatusCode::CONFLICT, "invalid_transition"));
        assert!(refused.text("/detail").contains(made["id"].as_str().unwrap()), "which one runs");

        let view = cancel(&acme, &made).await.json();
        assert_eq!(view["status"], "cancelled");
        let progress = &view["progress"];
        assert_eq!((&progress["planned"], &progress["delivered"], &progress["cancelled"]),
            (&json!(2), &json!(1), &json!(1)));
        app.advance(Duration::from_mins(10)).await;
        assert_eq!(hook.count(), 1, "nothing more arrives");
        let ended = acme.get("/api/v1/webhooks/deliveries?status=discarded").await.json();
        let reasons: Vec<&Value> =
            ended["data"].as_array().unwrap().iter().map(|row| &row["reason"]).collect();
        assert_eq!(reasons, ["cancelled"]);
        let again = cancel(&acme, &made).await;
        assert_eq!((again.status, again.problem().as_str()),
            (StatusCode::CONFLICT, "invalid_transition"));
        assert_eq!(get(&acme, &made).await, view, "it stays as it was");
        assert_eq!(acme.post(REPLAYS, second).await.status, StatusCode::CREATED, "the next may run");
    }

    async fn what_is_being_sent_at_the_cancellation_is_not_tried_again(app: &TestApp) {
        let acme = app.tenant("acme").await;
        customers(&acme, 0, 1).await;
        let body = json!({"events": ["customer.created"], "timeout_seconds": 1});
        let hook = acme.receiver_with(body).await;
        hook.then(Script::hang());
        app.settle().await;
        let made = replay(&acme, &hook, json!({"after_position": 0})).await;
        app.app.runner.run_due().await.unwrap();
        app.app.engine.run_due().await.unwrap();
        hook.wait_for(1).await;
        assert_eq!(cancel(&acme, &made).await.json()["progress"]["cancelled"], 1);
        app.advance(Duration::from_hours(1)).await;
        assert_eq!(hook.count(), 1, "the attempt fails, and that is all");
        let row = acme.get("/api/v1/webhooks/deliveries").await.json();
        assert_eq!((&row["data"][0]["status"], &row["data"][0]["reason"]),
            (&json!("discarded"), &json!("cancelled")));
    }

    async fn a_replay_waits_for_its_subscription_and_fails_with_its_end(app: &TestApp) {
        let acme = app.tenant("acme").await;
        customers(&acme, 0, 4).await;
        let hook = acme.receiver(&["customer.created"]).await;
        app.settle().await;
        let fields = json!({"after_position": 0, "rate_per_second": 1});
        let made = replay(&acme, &hook, fields.clone()).await;
        app.settle().await;
        patch(&acme, &hook, json!({"is_active": false})).await;
        for _ in 0..5 {
            app.advance(SECOND * 50).await;
        }
        assert_eq!((hook.count(), &get(&acme, &made).await["status"]), (1, &json!("paused")));
        patch(&acme, &hook, json!({"is_active": true})).await;
        let view = ended(app, &acme, &made, SECOND * 40).await;
        assert_eq!((&view["status"], &view["progress"]["delivered"]),
            (&json!("completed"), &json!(4)));
        assert_eq!(hook.count(), 4, "each once");

        let made = replay(&acme, &hook, fields).await;
        app.settle().await;
        acme.delete(&format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id)).await;
        let view = ended(app, &acme, &made, SECOND).await;
        assert_eq!((&view["status"], &view["reason"]),
            (&json!("failed"), &json!("subscription_deleted")));
        app.advance(Duration::from_mins(10)).await;
        assert_eq!(hook.count(), 5);
        let open = acme.get("/api/v1/webhooks/deliveries?status=pending").await.json();
        assert_eq!(open["data"], json!([]), "nothing is left under way");
    }

    async fn what_failed_stays_counted_however_long_a_replay_is_paused(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let days = json!({"payload_days": 7, "attempt_days": 7});
        assert_eq!(acme.patch("/api/v1/privacy/retention", days).await.status, StatusCode::OK);
        let id = customers(&acme, 0, 1).await.remove(0);
        acme.patch(&format!("/api/v1/customers/{id}"), json!({"first_name": "Grace"})).await;
        app.settle().await;
        let hook = acme
            .receiver_with(json!({"events": ["customer.*"], "ordering": "per_object",
                "retry_policy": "original"}))
            .await;
        hook.always(Script::status(500));
        let made = replay(&acme, &hook, json!({"after_position": 0})).await;
        app.settle().await;
        for _ in 0..40 {
            app.advance(Duration::from_mins(15)).await;
            if get(&acme, &made).await["progress"]["failed"] == 1 {
                break;
            }
        }
        patch(&acme, &hook, json!({"is_active": false})).await;
        for _ in 0..3 {
            app.advance(Duration::from_hours(24 * 3)).await;
        }
        let view = get(&acme, &made).await;
        assert_eq!(view["status"], "paused");
        let progress = &view["progress"];
        assert_eq!((&progress["failed"], &progress["delivered"], &progress["under_way"]),
            (&json!(1), &json!(0), &json!(1)), "{view}");
    }

    async fn what_fails_is_tried_again_and_an_object_keeps_its_order(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let id = customers(&acme, 0, 1).await.remove(0);
        for name in ["Grace", "Edsger"] {
            acme.patch(&format!("/api/v1/customers/{id}"), json!({"first_name": name})).await;
        }
        app.settle().await;
        let hook = acme
            .receiver_with(json!({"events": ["customer.*"], "ordering": "per_object"}))
            .await;
        hook.then(Script::status(500));
        let made = replay(&acme, &hook, json!({"after_position": 0})).await;
        let view = ended(app, &acme, &made, SECOND).await;
        assert_eq!(view["progress"]["delivered"], 3);
        let versions: Vec<i64> = hook
            .verified()
            .iter()
            .map(|arrival| arrival.json()["subject"]["version"].as_i64().unwrap())
            .collect();
        assert_eq!(versions, [1, 1, 2, 3], "the later ones wait for the first");
    }

    async fn a_repetition_by_hand_says_so_too(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        customers(&acme, 0, 1).await;
        app.settle().await;
        let id = acme.get("/api/v1/webhooks/deliveries").await.text("/data/0/id");
        acme.post(&format!("/api/v1/webhooks/deliveries/{id}/retry"), Value::Null).await;
        app.settle().await;
        let markers: Vec<String> =
            hook.verified().iter().map(|arrival| arrival.header("webhook-replay")).collect();
        assert_eq!(markers, ["", "manual"]);
        assert_eq!(hook.arrivals()[0].body, hook.arrivals()[1].body);
    }

    async fn a_tenant_has_a_bounded_number_of_replays_that_run(app: &TestApp) {
        let acme = app.tenant("acme").await;
        customers(&acme, 0, 1).await;
        let endpoint = Receiver::start().await;
        let mut answers = Vec::new();
        for _ in 0..21 {
            let body = json!({"url": endpoint.url(), "events": ["customer.created"]});
            let id = acme.post("/api/v1/webhooks/subscriptions", body).await.text("/id");
            let body = json!({"subscription_id": id, "after_position": 0});
            let answer = acme.post(REPLAYS, body).await;
            answers.push((answer.status.as_u16(), answer.problem()));
        }
        let (last, first) = answers.split_last().unwrap();
        assert!(first.iter().all(|answer| answer.0 == 201), "{answers:?}");
        assert_eq!(*last, (409, "limit_reached".to_owned()));
    }
}
