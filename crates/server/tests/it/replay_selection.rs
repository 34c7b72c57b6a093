//! Which events a replay sends, and how a receiver proves that it has missed nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_db::{DbError, Silent, args, work};
use tidings_kernel::{EventId, TenantId};
use tidings_testkit::{Receiver, Script, Tenant, TestApp, stories};

use crate::replays::{REPLAYS, SECOND, customers, ended, patch, replay};

tidings_db::statements! {
    /// What retention and erasure do with a payload.
    command FORGET = "DELETE FROM event_payloads WHERE tenant_id = $1 AND event_id = $2";
    /// A log whose first ten thousand events are kept no longer.
    command MOVE_POSITIONS = "UPDATE event_positions SET position = position + 10000 \
        WHERE tenant_id = $1";
    command MOVE_END = "UPDATE position_counters SET last = last + 10000 WHERE tenant_id = $1";
}

/// The rows of the log, all of them.
async fn log(acme: &Tenant) -> Vec<Value> {
    let answer = acme.get("/api/v1/webhooks/events/log?after=0&limit=200").await.json();
    answer["data"].as_array().unwrap().clone()
}

/// What a receiver that wants a type has missed: the ids in the log, by position and without a gap,
/// that have not arrived.
async fn missing(acme: &Tenant, hook: &Receiver, event_type: &str) -> Vec<String> {
    let rows = log(acme).await;
    let positions: Vec<i64> = rows.iter().map(|row| row["position"].as_i64().unwrap()).collect();
    let gapless: Vec<i64> = (1..).take(rows.len()).collect();
    assert_eq!(positions, gapless, "the log itself has no gap");
    let arrived: BTreeSet<String> =
        hook.verified().iter().map(tidings_testkit::Arrival::id).collect();
    rows.iter()
        .filter(|row| row["type"] == event_type)
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .filter(|id| !arrived.contains(id))
        .collect()
}

stories! {
    async fn a_dry_run_counts_by_type_and_makes_nothing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let ids = customers(&acme, 0, 3).await;
        acme.patch(&format!("/api/v1/customers/{}", ids[0]), json!({"tier": "premium"})).await;
        let hook = acme.receiver(&["customer.*"]).await;
        app.settle().await;
        let before = log(&acme).await;
        let counted =
            replay(&acme, &hook, json!({"after_position": 0, "dry_run": true})).await;
        app.advance(SECOND * 60).await;

        assert_eq!(counted["count"], 4);
        assert_eq!(counted["event_types"], json!({"customer.created": 3, "customer.updated": 1}));
        let position = |name: &str, from_end: bool| {
            let mut rows: Vec<&Value> = before.iter().filter(|row| row["type"] == name).collect();
            if from_end { rows.reverse() }
            rows[0]["position"].clone()
        };
        assert_eq!(counted["first_position"], position("customer.created", false));
        assert_eq!(counted["last_position"], position("customer.updated", true));
        assert_eq!(counted["is_lower_bound"], false);
        assert_eq!(counted["considered"], json!(before.len()));
        assert_eq!(hook.count(), 0);
        assert_eq!(log(&acme).await, before, "nothing was made");
        assert_eq!(acme.get(REPLAYS).await.json()["data"], json!([]));
    }

    async fn a_replay_is_narrowed_by_type_object_instant_position_and_payload(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let ids = customers(&acme, 0, 2).await;
        app.advance(SECOND * 60).await;
        for id in &ids {
            acme.patch(&format!("/api/v1/customers/{id}"), json!({"tier": "premium"})).await;
        }
        app.advance(SECOND * 60).await;
        customers(&acme, 2, 1).await;
        app.settle().await;
        let rows = log(&acme).await;
        let updated: Vec<&Value> =
            rows.iter().filter(|row| row["type"] == "customer.updated").collect();
        let (first, second) = (updated[0], updated[1]);
        let hook = acme.receiver(&["customer.*"]).await;
        let minute = |minutes: i64| format!("2026-11-23T12:{minutes:02}:00Z");
        for (fields, count) in [
            (json!({"after_position": 0}), 5),
            (json!({"after_position": 0, "event_types": ["customer.updated"]}), 2),
            (json!({"after_position": 0, "event_types": ["customer.*"]}), 5),
            (json!({"after_position": 0, "event_types": ["webhook.*"]}), 0),
            (json!({"after_position": 0, "subject_id": ids[0]}), 2),
            (json!({"from": minute(1)}), 3),
            (json!({"from": minute(1), "to": minute(2)}), 2),
            (json!({"after_position": 0, "to": minute(1)}), 2),
            (json!({"after_position": first["position"]}), 2),
            (json!({"after_position": first["position"], "until_position": second["position"]}), 1),
            (json!({"after_position": 1_000_000}), 0),
        ] {
            let mut dry = fields.clone();
            dry["dry_run"] = json!(true);
            assert_eq!(replay(&acme, &hook, dry).await["count"], count, "{fields}");
            let before = hook.count();
            let made = replay(&acme, &hook, fields.clone()).await;
            let view = ended(app, &acme, &made, SECOND).await;
            assert_eq!(view["progress"]["delivered"], count, "{fields}");
            assert_eq!(json!(hook.count() - before), json!(count), "{fields}");
        }
        patch(&acme, &hook, json!({"payload_filter":
            {"field": "/data/changed_fields", "contains": "tier"}})).await;
        let dry = replay(&acme, &hook, json!({"after_position": 0, "dry_run": true})).await;
        assert_eq!(dry["event_types"], json!({"customer.updated": 2}));
        let made = replay(&acme, &hook, json!({"after_position": 0})).await;
        assert_eq!(ended(app, &acme, &made, SECOND).await["progress"]["delivered"], 2);
    }

    async fn a_replay_begins_and_ends_where_its_instants_lie(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.*"]).await;
        // Within one millisecond ids are in any order, so that the edges have one of their own.
        let mut id = String::new();
        for (from, count, minutes) in
            [(0, 19, 1), (19, 1, 60), (20, 1, 60), (21, 1, 1), (22, 18, 1), (40, 1, 0)]
        {
            let made = customers(&acme, from, count).await;
            if from == 20 {
                id.clone_from(&made[0]);
            }
            app.advance(SECOND * 60 * minutes).await;
        }
        app.settle().await;
        let all = i64::try_from(log(&acme).await.len()).unwrap();
        let (from, to) = ("2026-11-23T13:00:00Z", "2026-11-23T13:05:00Z");
        for (fields, count, considered) in [
            (json!({"after_position": 0}), 41, all),
            (json!({"from": from}), 21, 21),
            (json!({"from": from, "to": to}), 1, 2),
            (json!({"after_position": 0, "to": to}), 21, all - 19),
            (json!({"from": "2026-11-23T15:00:00Z"}), 0, 0),
            (json!({"after_position": 0, "subject_id": id}), 1, all),
        ] {
            let mut dry = fields.clone();
            dry["dry_run"] = json!(true);
            let counted = replay(&acme, &hook, dry).await;
            assert_eq!((&counted["count"], &counted["is_lower_bound"]), (&json!(count), &json!(false)));
            assert_eq!(counted["considered"], considered, "{fields}: {counted}");
        }
        let made = replay(&acme, &hook, json!({"from": from, "to": to})).await;
        let view = ended(app, &acme, &made, SECOND).await;
        let progress = &view["progress"];
        assert_eq!((&progress["delivered"], &progress["considered"], &progress["total"]),
            (&json!(1), &json!(2), &json!(2)), "{view}");
        let made = replay(&acme, &hook, json!({"after_position": 0, "subject_id": id})).await;
        assert_eq!(ended(app, &acme, &made, SECOND).await["progress"]["delivered"], 1);
    }

    async fn a_log_that_has_lost_its_beginning_is_read_from_where_it_begins(app: &TestApp) {
        let acme = app.tenant("acme").await;
        customers(&acme, 0, 3).await;
        let hook = acme.receiver(&["customer.created"]).await;
        app.settle().await;
        let last = i64::try_from(log(&acme).await.len()).unwrap();
        for statement in [&MOVE_POSITIONS, &MOVE_END] {
            bookkeeping(app, &acme, statement).await;
        }
        let rows = log(&acme).await;
        assert_eq!(rows[0]["position"], 10_001, "the first page says where the log begins");
        let customer = rows.iter().find(|row| row["type"] == "customer.created").unwrap();
        let narrowed = acme.get("/api/v1/webhooks/events/log?event_type=customer.created").await;
        assert_eq!(narrowed.json()["data"][0]["id"], customer["id"]);
        let counted = replay(&acme, &hook, json!({"after_position": 0, "dry_run": true})).await;
        assert_eq!((&counted["count"], &counted["considered"]), (&json!(3), &json!(last)));
        let made = replay(&acme, &hook, json!({"after_position": 0})).await;
        assert_eq!(made["after_position"], 10_000);
        let view = ended(app, &acme, &made, SECOND).await;
        assert_eq!(view["progress"]["delivered"], 3);
        let refused = acme.get("/api/v1/webhooks/events/log?after=-5").await;
        assert_eq!((refused.problem(), refused.text("/errors/0/pointer")),
            ("validation_failed".to_owned(), "?after".to_owned()));
    }

    async fn a_receiver_finds_what_it_has_missed_and_gets_that_only(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme
            .receiver_with(json!({"events": ["customer.created"], "retry_policy": "original"}))
            .await;
        customers(&acme, 0, 2).await;
        app.settle().await;
        assert!(missing(&acme, &hook, "customer.created").await.is_empty());

        // Two are never sent, and one that is refused four times ends in vain.
        patch(&acme, &hook, json!({"is_active": false})).await;
        customers(&acme, 2, 2).await;
        app.settle().await;
        patch(&acme, &hook, json!({"is_active": true})).await;
        hook.always(Script::status(500));
        let before = hook.count();
        customers(&acme, 4, 1).await;
        for _ in 0..4 {
            app.advance(Duration::from_hours(8)).await;
        }
        hook.always(Script::status(200));
        assert_eq!(hook.count() - before, 4);
        assert_eq!(missing(&acme, &hook, "customer.created").await.len(), 2, "never sent");
        for (which, count) in [("all", 5), ("failed", 1), ("missing", 3)] {
            let fields = json!({"after_position": 0, "deliveries": which, "dry_run": true});
            assert_eq!(replay(&acme, &hook, fields).await["count"], count, "{which}");
        }
        let arrived = hook.count();
        let made = replay(&acme, &hook, json!({"after_position": 0, "deliveries": "missing"})).await;
        let view = ended(app, &acme, &made, Duration::from_mins(1)).await;
        assert_eq!(view["progress"]["delivered"], 3);
        assert_eq!(hook.count() - arrived, 3, "what had arrived does not come again");
        assert!(missing(&acme, &hook, "customer.created").await.is_empty());
        let fields = json!({"after_position": 0, "deliveries": "missing", "dry_run": true});
        assert_eq!(replay(&acme, &hook, fields).await["count"], 0);
    }

    async fn events_of_a_disabled_subscription_are_held_and_replayed_from_its_end(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(410));
        customers(&acme, 0, 1).await;
        app.settle().await;
        let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
        let disabled_at = acme.get(&path).await.text("/disabled_at");
        app.advance(Duration::from_hours(24)).await;
        customers(&acme, 1, 3).await;
        app.advance(Duration::from_hours(24 * 29)).await;
        assert_eq!(hook.count(), 1, "nothing is sent to what is disabled");

        let fields = json!({"from": disabled_at, "deliveries": "missing"});
        let mut refused = fields.clone();
        refused["subscription_id"] = json!(hook.subscription_id);
        let refused = acme.post(REPLAYS, refused).await;
        assert_eq!((refused.status, refused.problem().as_str()),
            (StatusCode::CONFLICT, "invalid_transition"));
        patch(&acme, &hook, json!({"is_active": true})).await;
        let made = replay(&acme, &hook, fields).await;
        let view = ended(app, &acme, &made, SECOND).await;
        assert_eq!(view["progress"]["delivered"], 4, "the one that met the 410, and three more");
        assert!(missing(&acme, &hook, "customer.created").await.is_empty());
    }

    async fn what_is_no_longer_kept_is_counted_and_not_sent(app: &TestApp) {
        let acme = app.tenant("acme").await;
        customers(&acme, 0, 3).await;
        let hook = acme.receiver(&["customer.created"]).await;
        app.settle().await;
        let rows = log(&acme).await;
        let created: Vec<EventId> = rows
            .iter()
            .filter(|row| row["type"] == "customer.created")
            .map(|row| row["id"].as_str().unwrap().parse().unwrap())
            .collect();
        forget(app, &acme, created[0]).await;
        let dry = replay(&acme, &hook, json!({"after_position": 0, "dry_run": true})).await;
        assert_eq!((&dry["count"], &dry["skipped"]), (&json!(2), &json!(1)));
        let made = replay(&acme, &hook, json!({"after_position": 0, "rate_per_second": 1})).await;
        app.settle().await;
        // The last goes after it was planned, and before it is sent.
        forget(app, &acme, created[2]).await;
        let view = ended(app, &acme, &made, SECOND).await;
        let progress = &view["progress"];
        let figures = ["planned", "delivered", "failed", "skipped"];
        assert_eq!(figures.map(|name| progress[name].as_i64().unwrap()), [2, 1, 1, 1]);
        assert_eq!(hook.count(), 1);
    }

    async fn what_cannot_be_replayed_is_refused_with_its_place(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let (hook, theirs) = (acme.receiver(&["*"]).await, other.receiver(&["*"]).await);
        for (fields, pointer, code) in [
            (json!({}), "/after_position", "required"),
            (json!({"after_position": -1}), "/after_position", "out_of_range"),
            (json!({"after_position": 0, "rate_per_second": 0}), "/rate_per_second", "out_of_range"),
            (json!({"after_position": 0, "deliveries": "lost"}), "/deliveries", "unknown_value"),
            (json!({"after_position": 0, "subject_id": "ada"}), "/subject_id", "invalid"),
            (json!({"after_position": 0, "event_types": ["customer.creatd"]}), "/event_types/0",
                "unknown_event_type"),
            (json!({"after_position": 0, "event_types": []}), "/event_types", "required"),
            (json!({"from": "2026-11-23T12:00:00Z", "to": "2026-11-23T11:00:00Z"}), "/to",
                "out_of_range"),
        ] {
            for dry_run in [false, true] {
                let mut body = fields.clone();
                body["subscription_id"] = json!(hook.subscription_id);
                body["dry_run"] = json!(dry_run);
                let answer = acme.post(REPLAYS, body).await;
                assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields}");
                let error = &answer.json()["errors"][0];
                assert_eq!((&error["pointer"], &error["code"]), (&json!(pointer), &json!(code)));
                assert!(error["message"].as_str().unwrap().len() > 5, "{error}");
            }
        }
        for dry_run in [false, true] {
            let body = json!({"subscription_id": theirs.subscription_id, "after_position": 0,
                "dry_run": dry_run});
            assert_eq!(acme.post(REPLAYS, body).await.problem(), "not_found");
        }
        let unknown = json!({"subscription_id": hook.subscription_id, "after_position": 0, "x": 1});
        assert!(acme.post(REPLAYS, unknown).await.status.is_client_error());
        assert_eq!(acme.get(REPLAYS).await.json()["data"], json!([]), "nothing was made");
    }
}

async fn bookkeeping(app: &TestApp, acme: &Tenant, statement: &'static tidings_db::Command) {
    let tenant_id: TenantId = acme.id.parse().unwrap();
    let ctx = app.app.db.tenant_ctx("test", tenant_id).await.unwrap();
    let unit = work!([], |work| async move {
        work.silent(Silent::Purge).execute(statement, args![tenant_id]).await
    });
    assert!(app.app.db.write::<u64, DbError, _>(&ctx, unit).await.unwrap().into_inner() > 0);
}

/// Takes an event's payload away, as retention does.
async fn forget(app: &TestApp, acme: &Tenant, event_id: EventId) {
    let tenant_id: TenantId = acme.id.parse().unwrap();
    let ctx = app.app.db.tenant_ctx("test", tenant_id).await.unwrap();
    let unit = work!([], |work| async move {
        work.silent(Silent::Purge).execute(&FORGET, args![tenant_id, event_id]).await
    });
    assert_eq!(app.app.db.write::<u64, DbError, _>(&ctx, unit).await.unwrap().into_inner(), 1);
}
