//! Jobs, sweeps, positions and reactions.

use std::time::Duration;

use serde_json::json;
use tidings_testkit::stories;

stories! {
    async fn a_reaction_takes_each_event_once_however_often_it_runs(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for number in 0..25 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        let runner = &app.app.runner;
        // Two of each at once, as two nodes would.
        let (a, b) = tokio::join!(runner.run_sequencer(), runner.run_sequencer());
        let _ = (a, b);
        let (a, b) = tokio::join!(runner.run_reactions(), runner.run_reactions());
        let _ = (a, b);
        app.settle().await;
        let shown = acme.get("/api/v1/webhooks/events/customer.created").await.json();
        assert_eq!(shown["fired"], 25);
    }

    async fn a_segment_is_recalculated_by_a_job(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.updated"]).await;
        let id = acme.customer("ada@example.com").await;
        acme.patch(&format!("/api/v1/customers/{id}"), json!({"tier": "premium"})).await;
        acme.customer("grace@example.com").await;
        let body = json!({"name": "Premium", "criteria": {"tier": "premium"}, "is_dynamic": true});
        let segment = acme.post("/api/v1/customers/segments", body).await;
        let path = format!("/api/v1/customers/segments/{}", segment.text("/id"));
        let asked = acme.post(&format!("{path}/recalculate"), json!({})).await;
        assert_eq!(asked.status, http::StatusCode::ACCEPTED, "{}", asked.json());
        app.settle().await;
        assert_eq!(acme.get(&path).await.json()["member_count"], 1);
        let told: Vec<_> = hook.verified().iter().map(|a| a.json()["data"].clone()).collect();
        let moved = told.iter().find(|data| data["changed_fields"] == json!(["segment_id"]));
        assert_eq!(moved.unwrap()["customer_id"], id);
    }

    async fn sweeps_run_when_they_are_due_and_say_so(app: &TestApp) {
        app.advance(Duration::from_hours(2)).await;
        let report = tidings_jobs::report(&app.app.db).await.unwrap();
        assert!(report.len() >= 4, "{report:#?}");
        for schedule in report {
            assert!(schedule.last_ended_at.is_some(), "{} ran", schedule.name);
            assert!(schedule.due_at > app.app.db.now(), "{} is planned", schedule.name);
            assert_eq!(schedule.last_error, None, "{}", schedule.name);
        }
    }
}
