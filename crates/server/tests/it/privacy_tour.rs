//! The part of the tour that goes through retention and erasure: everything is there to go, and
//! beside it what must stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tidings_testkit::{Script, Tenant, TestApp};

use crate::tour::{done, pages, stubborn};

const ERASURES: &str = "/api/v1/privacy/erasures";

/// Goes through retention and erasure, twice, in tenants of its own.
pub(crate) async fn privacy(app: &TestApp) {
    for name in ["first", "second"] {
        let acme = app.tenant(name).await;
        settings(&acme).await;
        under_way(app, &acme).await;
        erasures(app, &acme).await;
        parked(app, &acme).await;
    }
}

async fn settings(acme: &Tenant) {
    let path = "/api/v1/privacy/retention";
    for days in [2, 1] {
        let body = json!({"payload_days": days, "attempt_days": 7, "event_days": 90});
        done(acme.patch(path, body)).await;
    }
    done(acme.get(path)).await;
}

/// Events that are old enough to go: one is not fanned out, one is still tried, one has arrived.
async fn under_way(app: &TestApp, acme: &Tenant) {
    let silent = json!({"events": ["customer.created"], "timeout_seconds": 5});
    let silent = acme.receiver_with(silent).await;
    app.settle().await;
    silent.then(Script::hang());
    acme.customer("silent@example.com").await;
    silent.wait_for(1).await;
    app.clock.advance(Duration::from_hours(25));
    app.app.runner.run_due().await.unwrap();
    app.settle().await;
    silent.always(Script::status(500).body("no"));
    for number in 0..2 {
        acme.customer(&format!("tried{number}@example.com")).await;
    }
    app.advance(Duration::from_hours(1)).await;
    app.advance(Duration::from_hours(25)).await;
    silent.always(Script::status(200).body("yes"));
    app.advance(Duration::from_hours(24)).await;
    app.advance(Duration::from_hours(24 * 8)).await;
}

/// Subjects that are erased: with replies, answers, mentions, a pointer and a delivery that waits.
async fn erasures(app: &TestApp, acme: &Tenant) {
    done(acme.post("/api/v1/webhooks/event-types", json!({"event_type": "custom.order"}))).await;
    let hook = acme
        .receiver_with(json!({"events": ["customer.*", "custom.*"], "timeout_seconds": 5}))
        .await;
    hook.always(Script::status(500).body("no"));
    for n in 0..2 {
        let body = json!({"email": format!("erased{n}@example.com"), "first_name": "A",
            "last_name": "B"});
        let keyed = acme.client.with_header("idempotency-key", &format!("erased{n}"));
        let id = keyed.post("/api/v1/customers", &body).await.unwrap().text("/id");
        let order = json!({"event_type": "custom.order", "event_data": {"buyer": id}});
        done(acme.post("/api/v1/webhooks/events", order)).await;
        app.settle().await;
        let subject = json!({"subject_id": id});
        done(acme.post(&format!("{ERASURES}/preview"), subject.clone())).await;
        let before = hook.count();
        hook.then(Script::hang());
        done(acme.patch(&format!("/api/v1/customers/{id}"), json!({"tier": "premium"}))).await;
        hook.wait_for(before + 1).await;
        done(acme.post(ERASURES, subject.clone())).await;
        done(acme.post(ERASURES, subject)).await;
        // While the attempt is under way, its event's pointer stands.
        app.clock.advance(Duration::from_mins(1));
        app.app.runner.run_due().await.unwrap();
        app.settle().await;
        app.advance(Duration::from_mins(1)).await;
    }
    hook.always(Script::status(200));
    pages(acme, ERASURES).await;
    let id = acme.get(ERASURES).await.text("/data/0/id");
    done(acme.get(&format!("{ERASURES}/{id}"))).await;
    let gone = acme.customer("gone@example.com").await;
    app.advance(Duration::from_secs(1)).await;
    done(acme.delete(&format!("/api/v1/customers/{gone}?hard_delete=true"))).await;
    app.advance(Duration::from_mins(1)).await;
    app.advance(Duration::from_mins(1)).await;
}

/// The log is cut, up to an event that a reaction could not take yet.
async fn parked(app: &TestApp, acme: &Tenant) {
    let id = acme.customer("parked@example.com").await;
    app.settle().await;
    let fails = Arc::new(AtomicBool::new(true));
    let runner = stubborn(app, &id, &fails);
    runner.run_reactions().await.unwrap();
    app.advance(Duration::from_hours(24 * 91)).await;
    fails.store(false, Ordering::Release);
    assert!(runner.run_reactions().await.unwrap() > 0);
    app.advance(Duration::from_hours(1)).await;
}
