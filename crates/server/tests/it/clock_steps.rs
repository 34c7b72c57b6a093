//! A machine's clock that is set, forwards and backwards: nothing is lost, nothing is early, and
//! nothing that is told in order changes its order.

use std::time::Duration;

use http::StatusCode;
use tidings_testkit::{Script, Tenant, TestApp, stories};

const HOUR: Duration = Duration::from_hours(1);

fn step_back(app: &TestApp, by: Duration) {
    let now = tidings_kernel::Clock::now(&*app.clock);
    app.clock.set(now.before(by));
}

async fn waits(acme: &Tenant) -> usize {
    let page = acme.get("/api/v1/webhooks/deliveries?status=waiting").await.json();
    page["data"].as_array().unwrap().len()
}

/// The positions of the tenant's log, which have no gap whatever the clock did. What is older than its
/// retention is not there any more.
async fn assert_log_is_whole(acme: &Tenant) {
    let page = acme.get("/api/v1/webhooks/events/log?after=0&limit=200").await.json();
    let rows = page["data"].as_array().unwrap();
    let positions: Vec<i64> = rows.iter().map(|row| row["position"].as_i64().unwrap()).collect();
    assert!(!positions.is_empty());
    assert!(positions.windows(2).all(|two| two[1] == two[0] + 1), "a gap in {positions:?}");
    let mut ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rows.len(), "an id was given twice");
}

stories! {
    async fn after_a_step_back_new_events_go_out_at_once_and_retries_are_not_early(
        app: &TestApp
    ) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(500));
        acme.customer("ada@example.com").await;
        app.settle().await;
        assert_eq!((hook.count(), waits(&acme).await), (1, 1));

        step_back(app, HOUR);
        app.settle().await;
        assert_eq!(hook.count(), 1, "a retry is not early");
        // By its clock the subscription is younger than this event; it was there before it.
        acme.customer("grace@example.com").await;
        app.settle().await;
        assert_eq!(hook.verified().len(), 2, "what is new does not wait for the clock");

        app.advance(HOUR + Duration::from_secs(6)).await;
        assert_eq!(hook.count(), 3, "the retry comes when its time has come");
        assert_eq!(waits(&acme).await, 0);
        assert_log_is_whole(&acme).await;
    }

    async fn after_a_step_forward_what_is_due_is_sent_once(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(500)).then(Script::status(500));
        acme.customer("ada@example.com").await;
        app.settle().await;
        app.advance(HOUR).await;
        assert_eq!(hook.count(), 2, "one retry was due, however late it is");
        app.advance(HOUR).await;
        assert_eq!(hook.verified().len(), 3);
        step_back(app, HOUR);
        app.settle().await;
        app.advance(HOUR).await;
        assert_eq!(hook.count(), 3, "what has arrived is not sent again");
        assert_log_is_whole(&acme).await;
    }

    async fn centuries_are_survived(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.*"]).await;
        let ada = acme.customer("ada@example.com").await;
        app.settle().await;
        let now = tidings_kernel::Clock::now(&*app.clock);
        let instants = [
            now.after(Duration::from_hours(24 * 400)),
            tidings_kernel::Timestamp::from_micros(0),
            "2016-12-31T23:59:59.999999Z".parse().unwrap(),
            "9000-01-01T00:00:00Z".parse().unwrap(),
            now,
        ];
        for (number, instant) in instants.into_iter().enumerate() {
            app.clock.set(instant);
            app.settle().await;
            let arrived = hook.count();
            let email = format!("c{number}@example.com");
            let id = acme.customer(&email).await;
            assert_ne!(id, ada);
            let changed = acme
                .patch(&format!("/api/v1/customers/{ada}"), serde_json::json!({"email":
                    format!("ada{number}@example.com")}))
                .await;
            assert_eq!(changed.status, StatusCode::OK, "{}", changed.json());
            app.settle().await;
            assert_eq!(hook.count(), arrived + 2, "at {instant}");
        }
        assert_log_is_whole(&acme).await;
    }
}
