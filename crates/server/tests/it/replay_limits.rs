//! Where a replay ends that nobody ended: it is stuck, or retention has taken what it would ask for.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_db::{DbError, Silent, args, work};
use tidings_kernel::{DeliveryId, TenantId};
use tidings_testkit::{Receiver, Tenant, TestApp, stories};

use crate::replays::{REPLAYS, SECOND, customers, ended, patch, replay};

tidings_db::statements! {
    /// A word that is none: whoever reads the row fails.
    command SET_STATUS = "UPDATE deliveries SET status = $3 WHERE tenant_id = $1 AND id = $2";
    /// As settings were that were made before payloads had to go with the deliveries.
    command SET_PAYLOAD_DAYS = "UPDATE retention_settings SET payload_days = $2 \
        WHERE tenant_id = $1";
}

const HOUR: Duration = Duration::from_hours(1);

async fn set_status(app: &TestApp, acme: &Tenant, id: &str, status: &'static str) {
    let (tenant_id, id): (TenantId, DeliveryId) = (acme.id.parse().unwrap(), id.parse().unwrap());
    let ctx = app.app.db.tenant_ctx("test", tenant_id).await.unwrap();
    let unit = work!([], |work| async move {
        let mut writer = work.silent(Silent::DeliveryBookkeeping);
        writer.execute(&SET_STATUS, args![tenant_id, id, status]).await
    });
    assert_eq!(app.app.db.write::<u64, DbError, _>(&ctx, unit).await.unwrap().into_inner(), 1);
}

async fn set_payload_days(app: &TestApp, acme: &Tenant, days: i64) {
    let tenant_id: TenantId = acme.id.parse().unwrap();
    let ctx = app.app.db.tenant_ctx("test", tenant_id).await.unwrap();
    let unit = work!([], |work| async move {
        let mut writer = work.silent(Silent::DeliveryBookkeeping);
        writer.execute(&SET_PAYLOAD_DAYS, args![tenant_id, days]).await
    });
    assert_eq!(app.app.db.write::<u64, DbError, _>(&ctx, unit).await.unwrap().into_inner(), 1);
}

async fn resume(acme: &Tenant, replay: &Value) -> tidings_testkit::Answer {
    acme.post(&format!("{REPLAYS}/{}/resume", replay["id"].as_str().unwrap()), json!({})).await
}

/// A replay of three events that cannot be looked at, and the delivery whose row is broken.
pub(crate) async fn stuck(app: &TestApp, acme: &Tenant) -> (Value, Receiver, String) {
    customers(acme, 0, 3).await;
    let hook = acme.receiver(&["customer.created"]).await;
    customers(acme, 3, 1).await;
    app.settle().await;
    let path = format!("/api/v1/webhooks/deliveries?subscription_id={}", hook.subscription_id);
    let delivery = acme.get(&path).await.text("/data/0/id");
    set_status(app, acme, &delivery, "broken").await;
    let fields = json!({"after_position": 0, "deliveries": "missing"});
    let made = replay(acme, &hook, fields).await;
    let view = ended(app, acme, &made, HOUR).await;
    assert_eq!((&view["status"], &view["reason"]), (&json!("failed"), &json!("stuck")));
    (view, hook, delivery)
}

/// Mends a stuck replay's row, and has it go on.
pub(crate) async fn mend(app: &TestApp, acme: &Tenant, delivery: &str, stuck: &Value) {
    set_status(app, acme, delivery, "delivered").await;
    let resumed = resume(acme, stuck).await;
    assert_eq!(resumed.status, StatusCode::OK, "{}", resumed.json());
    assert_eq!(resumed.text("/status"), "running");
}

stories! {
    async fn a_replay_that_gets_stuck_says_so_and_goes_on_when_it_is_resumed(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let (view, hook, delivery) = stuck(app, &acme).await;
        assert_eq!(view["progress"]["planned"], 0);
        assert!(acme.log().await.contains(&"webhook.replay.failed".to_owned()));
        let parked = tidings_jobs::parked(&app.app.db).await.unwrap();
        assert!(parked.is_empty(), "its owner was told, and nobody else needs to look: {parked:?}");
        assert_eq!(hook.count(), 1, "nothing was sent again");

        patch(&acme, &hook, json!({"is_active": false})).await;
        let refused = resume(&acme, &view).await;
        assert_eq!((refused.status, refused.problem().as_str()),
            (StatusCode::CONFLICT, "invalid_transition"), "{}", refused.json());
        patch(&acme, &hook, json!({"is_active": true})).await;

        mend(app, &acme, &delivery, &view).await;
        let again = resume(&acme, &view).await;
        assert_eq!((again.status, again.problem().as_str()),
            (StatusCode::CONFLICT, "invalid_transition"));
        assert!(again.text("/detail").contains("running"), "{}", again.json());
        let view = ended(app, &acme, &view, SECOND).await;
        assert_eq!((&view["status"], &view["reason"]), (&json!("completed"), &Value::Null));
        assert_eq!(view["progress"]["delivered"], 3);
        assert_eq!(hook.count(), 4);
        assert!(acme.log().await.contains(&"webhook.replay.resumed".to_owned()));
        let ended = resume(&acme, &view).await;
        assert!(ended.text("/detail").contains("completed"), "{}", ended.json());
    }

    async fn a_stuck_replay_waits_for_the_one_that_runs_now(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let (view, hook, delivery) = stuck(app, &acme).await;
        set_status(app, &acme, &delivery, "delivered").await;
        let fields = json!({"after_position": 0, "rate_per_second": 1});
        let other = replay(&acme, &hook, fields).await;
        let refused = resume(&acme, &view).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(refused.text("/detail").contains(other["id"].as_str().unwrap()));
    }

    async fn what_retention_has_taken_is_not_missing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let days = json!({"attempt_days": 7, "reply_days": 7, "payload_days": 7});
        let set = acme.patch("/api/v1/privacy/retention", days).await;
        assert_eq!(set.status, StatusCode::OK, "{}", set.json());
        set_payload_days(app, &acme, 30).await;
        let hook = acme.receiver(&["customer.created"]).await;
        customers(&acme, 0, 2).await;
        app.settle().await;
        assert_eq!(hook.count(), 2);
        app.advance(Duration::from_hours(8 * 24)).await;
        let listed = acme.get("/api/v1/webhooks/deliveries").await.json();
        assert_eq!(listed["data"], json!([]), "their deliveries are kept no longer");

        let estimate = async |deliveries: &str| {
            let fields = json!({"after_position": 0, "deliveries": deliveries, "dry_run": true});
            let counted = replay(&acme, &hook, fields).await;
            ["count", "skipped", "forgotten"].map(|name| counted[name].as_i64().unwrap())
        };
        assert_eq!(estimate("missing").await, [0, 2, 2]);
        assert_eq!(estimate("failed").await, [0, 0, 0]);
        assert_eq!(estimate("all").await, [2, 0, 0]);
        let fields = json!({"after_position": 0, "deliveries": "missing"});
        let made = replay(&acme, &hook, fields).await;
        let view = ended(app, &acme, &made, SECOND).await;
        assert_eq!((&view["status"], &view["progress"]["skipped"]), (&json!("completed"), &json!(2)));
        assert_eq!(hook.count(), 2, "nothing that arrived came again");

        // To a subscription that is younger than what is kept, nothing was sent that is forgotten.
        let new = acme.receiver(&["customer.created"]).await;
        let fields = json!({"after_position": 0, "deliveries": "missing"});
        let made = replay(&acme, &new, fields).await;
        let view = ended(app, &acme, &made, SECOND).await;
        assert_eq!(view["progress"]["delivered"], 2);
    }
}
