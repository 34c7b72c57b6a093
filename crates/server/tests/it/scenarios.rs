//! The product's proof: each event type fires from its real condition, through the front door.
//!
//! The match over all types is exhaustive, so a type without a scenario does not compile. What a
//! passing run proves is compared with the committed `coverage-run.json`, which is what `coverage`
//! counts; `TIDINGS_UPDATE=1` writes it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_events::{EventType, Payload, PayloadVisitor, Visibility, data_schema};
use tidings_testkit::{Emission, Receiver, Script, Tenant, TestApp, TestEngine};

use crate::replay_limits::{mend, stuck};
use crate::replays::ended;

type Scenario<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

async fn step(acme: &Tenant, id: &str, status: &str) {
    let answer =
        acme.patch(&format!("/api/v1/customers/{id}/status"), json!({"status": status})).await;
    assert!(answer.status.is_success(), "{}", answer.json());
}

async fn active(acme: &Tenant) -> String {
    let id = acme.customer("ada@example.com").await;
    step(acme, &id, "active").await;
    id
}

async fn posted(acme: &Tenant, path: &str, body: Value) -> String {
    let answer = acme.post(path, body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.json());
    answer.text("/id")
}

async fn contact(acme: &Tenant) -> String {
    let path = format!("/api/v1/customers/{}/contacts", active(acme).await);
    posted(acme, &path, json!({"role": "billing", "name": "Grace"})).await
}

async fn key(acme: &Tenant) -> String {
    let body = json!({"name": "shop", "scopes": ["customer.read"]});
    let id = posted(acme, "/api/v1/auth/api-keys", body).await;
    format!("/api/v1/auth/api-keys/{id}")
}

async fn by_operator(app: &TestApp, acme: &Tenant, verb: &str) {
    let path = format!("/api/v1/tenants/{}/{verb}", acme.id);
    let answer = app.operator.post(&path, &json!({})).await.unwrap();
    assert!(answer.status.is_success(), "{}", answer.json());
}

/// Drives the public API until the type's condition occurs.
#[expect(clippy::too_many_lines, reason = "one arm for each type, and nothing else")]
pub(crate) fn scenario<'a>(
    event_type: EventType,
    app: &'a TestApp,
    acme: &'a Tenant,
) -> Scenario<'a> {
    use EventType as E;
    Box::pin(async move {
        match event_type {
            E::CustomerCreated => drop(acme.customer("ada@example.com").await),
            E::CustomerUpdated => {
                let id = acme.customer("ada@example.com").await;
                acme.patch(&format!("/api/v1/customers/{id}"), json!({"tier": "basic"})).await;
            }
            E::CustomerDeleted => {
                let id = acme.customer("ada@example.com").await;
                acme.delete(&format!("/api/v1/customers/{id}")).await;
            }
            E::CustomerAnonymized => {
                let id = acme.customer("ada@example.com").await;
                acme.post(&format!("/api/v1/customers/{id}/anonymize"), json!({})).await;
            }
            E::PrivacyErasureRequested => drop(erasure(acme).await),
            E::PrivacyErasureCompleted => {
                erasure(acme).await;
                app.advance(Duration::from_mins(1)).await;
                app.advance(Duration::from_mins(1)).await;
            }
            E::PrivacyRetentionUpdated => {
                acme.patch("/api/v1/privacy/retention", json!({"payload_days": 7})).await;
            }
            E::CustomerErased => {
                let id = acme.customer("ada@example.com").await;
                acme.delete(&format!("/api/v1/customers/{id}")).await;
                app.advance(Duration::from_hours(24 * 31)).await;
            }
            E::CustomerSuspended => step(acme, &active(acme).await, "suspended").await,
            E::CustomerReactivated => {
                let id = active(acme).await;
                step(acme, &id, "suspended").await;
                step(acme, &id, "active").await;
            }
            E::CustomerChurned => step(acme, &active(acme).await, "churned").await,
            E::CustomerNoteAdded => {
                let path = format!("/api/v1/customers/{}/notes", active(acme).await);
                posted(acme, &path, json!({"content": "hello"})).await;
            }
            E::CustomerActivityRecorded => {
                let path = format!("/api/v1/customers/{}/activities", active(acme).await);
                let body = json!({"activity_type": "contact_made", "title": "called"});
                posted(acme, &path, body).await;
            }
            E::CustomerConsentRecorded => {
                let path = format!("/api/v1/customers/{}/consents", active(acme).await);
                // So it stands from the start: this is evidence of it.
                posted(acme, &path, json!({"purpose": "updates", "decision": "granted"})).await;
            }
            E::CustomerContactAdded => drop(contact(acme).await),
            E::CustomerContactRemoved => {
                let path = format!("/api/v1/customers/contacts/{}", contact(acme).await);
                acme.delete(&path).await;
            }
            E::CustomerPurchaseRecorded => {
                let path = format!("/api/v1/customers/{}/metrics/purchase", active(acme).await);
                let body = json!({"amount": 4990, "currency": "EUR", "order_id": "1"});
                posted(acme, &path, body).await;
            }
            E::CustomerSegmentCreated => {
                let body = json!({"name": "all", "criteria": {}, "is_dynamic": false});
                posted(acme, "/api/v1/customers/segments", body).await;
            }
            E::CustomerSegmentRecalculated => {
                active(acme).await;
                let body =
                    json!({"name": "free", "criteria": {"tier": "free"}, "is_dynamic": true});
                let id = posted(acme, "/api/v1/customers/segments", body).await;
                let path = format!("/api/v1/customers/segments/{id}/recalculate");
                acme.post(&path, json!({})).await;
            }
            // The tenant of the scenario and its key are made before it begins.
            E::TenantCreated | E::ApiKeyCreated => {}
            E::TenantSuspended => by_operator(app, acme, "suspend").await,
            E::TenantReactivated => {
                by_operator(app, acme, "suspend").await;
                by_operator(app, acme, "reactivate").await;
            }
            E::ApiKeyRotated => {
                acme.post(&format!("{}/rotate", key(acme).await), json!({})).await;
            }
            E::ApiKeyRevoked => drop(acme.delete(&key(acme).await).await),
            E::WebhookEventTypeRegistered => {
                let body = json!({"event_type": "custom.thing"});
                posted(acme, "/api/v1/webhooks/event-types", body).await;
            }
            E::WebhookReplayStarted => drop(replay(app, acme).await),
            E::WebhookReplayCompleted => {
                let (id, _hook) = replay(app, acme).await;
                ended(app, acme, &json!({"id": id}), Duration::from_secs(5)).await;
            }
            E::WebhookReplayCancelled => {
                let (id, _hook) = replay(app, acme).await;
                posted(acme, &format!("/api/v1/webhooks/replays/{id}/cancel"), json!({})).await;
            }
            E::WebhookReplayFailed => {
                let (_, hook) = replay(app, acme).await;
                let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
                acme.delete(&path).await;
                app.advance(Duration::from_secs(5)).await;
            }
            E::WebhookReplayResumed => {
                let (view, _hook, delivery) = stuck(app, acme).await;
                mend(app, acme, &delivery, &view).await;
            }
            E::WebhookSubscriptionCreated => drop(acme.receiver(&["*"]).await),
            E::WebhookSubscriptionUpdated => {
                let hook = acme.receiver(&["*"]).await;
                let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
                acme.patch(&path, json!({"description": "new"})).await;
            }
            E::WebhookSubscriptionDeleted => {
                let hook = acme.receiver(&["*"]).await;
                let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
                acme.delete(&path).await;
            }
            E::WebhookSubscriptionSecretRotated => {
                let hook = acme.receiver(&["*"]).await;
                let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
                acme.post(&format!("{path}/rotate-secret"), json!({})).await;
            }
            E::WebhookTest => {
                let hook = acme.receiver(&["customer.churned"]).await;
                let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
                acme.post(&format!("{path}/test"), json!({})).await;
                app.settle().await;
                assert_eq!(hook.verified().len(), 1);
            }
            E::WebhookSubscriptionDisabled => {
                let hook = acme.receiver(&["customer.created"]).await;
                hook.always(Script::status(410));
                acme.customer("ada@example.com").await;
                app.settle().await;
            }
            E::WebhookEndpointFailing => drop(failing(app, acme).await),
            E::WebhookEndpointRecovered => {
                let hook = failing(app, acme).await;
                hook.always(Script::status(200));
                for _ in 0..3 {
                    app.advance(Duration::from_mins(10)).await;
                }
            }
            E::WebhookEndpointDisableScheduled => {
                drop(failing(app, acme).await);
                for number in 0..13 {
                    acme.customer(&format!("late{number}@example.com")).await;
                    app.advance(Duration::from_hours(8)).await;
                }
            }
            E::WebhookDeliveryExhausted => {
                let body = json!({"events": ["customer.created"], "retry_policy": "original"});
                let hook = acme.receiver_with(body).await;
                hook.always(Script::status(500));
                acme.customer("ada@example.com").await;
                for _ in 0..4 {
                    app.advance(Duration::from_hours(8)).await;
                }
            }
            E::WebhookDeliveryRetried => {
                let hook = acme.receiver(&["customer.created"]).await;
                acme.customer("ada@example.com").await;
                app.settle().await;
                let of = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
                let id = acme.get(&format!("{of}/deliveries")).await.text("/data/0/id");
                acme.post(&format!("/api/v1/webhooks/deliveries/{id}/retry"), Value::Null).await;
                app.settle().await;
                assert_eq!(hook.verified().len(), 2);
            }
        }
    })
}

/// The erasure of a customer, asked for.
async fn erasure(acme: &Tenant) -> String {
    let subject = acme.customer("ada@example.com").await;
    posted(acme, "/api/v1/privacy/erasures", json!({"subject_id": subject})).await
}

/// A replay of two events, one in a second, of which the first is sent.
async fn replay(app: &TestApp, acme: &Tenant) -> (String, Receiver) {
    let hook = acme.receiver(&["customer.created"]).await;
    for email in ["ada@example.com", "grace@example.com"] {
        acme.customer(email).await;
    }
    app.settle().await;
    let body = json!({"subscription_id": hook.subscription_id, "after_position": 0,
        "rate_per_second": 1});
    let id = posted(acme, "/api/v1/webhooks/replays", body).await;
    app.settle().await;
    assert_eq!(hook.verified().len(), 3);
    (id, hook)
}

/// An endpoint that has failed ten times in a row.
async fn failing(app: &TestApp, acme: &Tenant) -> Receiver {
    let hook = acme.receiver(&["customer.created"]).await;
    hook.always(Script::status(500));
    for number in 0..10 {
        acme.customer(&format!("c{number}@example.com")).await;
    }
    app.advance(Duration::from_secs(11)).await;
    hook
}

struct FitsSchema<'a>(&'a Value);

impl PayloadVisitor for FitsSchema<'_> {
    fn visit<P: Payload>(&mut self) {
        let validator = jsonschema::validator_for(&data_schema::<P>()).unwrap();
        let faults: Vec<_> = validator.iter_errors(self.0).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:?}\n{:#}", P::TYPE, self.0);
    }
}

/// Runs one type's scenario in a fresh tenant, with a neighbour who must see none of it.
async fn prove(app: &TestApp, event_type: EventType) -> Emission {
    let name = event_type.name();
    let neighbour = app.tenant("neighbour").await;
    let theirs = neighbour.receiver(&["*"]).await;
    let acme = app.tenant(name).await;
    let hook = acme.receiver(&["*"]).await;
    let before = app.emissions().len();
    scenario(event_type, app, &acme).await;
    app.settle().await;

    let made: Vec<Emission> = app.emissions().split_off(before);
    // Reading needs an open tenant.
    if event_type == EventType::TenantSuspended {
        by_operator(app, &acme, "reactivate").await;
        app.settle().await;
    }
    let log = acme.get("/api/v1/webhooks/events/log?after=0&limit=200").await.json();
    let found: Vec<Value> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["type"] == name)
        .map(|row| row["event"].clone())
        .collect();
    let at_least_once = matches!(
        event_type,
        EventType::CustomerUpdated
            | EventType::ApiKeyCreated
            | EventType::WebhookSubscriptionCreated
    );
    assert!(found.len() == 1 || (at_least_once && !found.is_empty()), "{name}: {}", found.len());
    for event in &found {
        assert_eq!(event["tenant_id"], acme.id, "{name}");
        event_type.visit(&mut FitsSchema(&event["data"]));
    }
    let public = event_type.visibility() == Visibility::Public;
    let arrived = hook.verified().iter().filter(|arrival| arrival.name() == name).count();
    let targeted = event_type == EventType::WebhookTest;
    assert_eq!(arrived, if public && !targeted { found.len() } else { 0 }, "{name} arrives");
    assert!(theirs.arrivals().is_empty(), "{name} stays in its tenant");
    match made.into_iter().find(|emission| emission.name == name) {
        Some(emission) => emission,
        // Made with the tenant, before the scenario began.
        None => app.emissions().into_iter().find(|emission| emission.name == name).unwrap(),
    }
}

/// `file::function` of a line in the source.
fn function_of(emission: &Emission) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let text = std::fs::read_to_string(format!("{root}{}", emission.file)).unwrap();
    let above = text.lines().take(emission.line as usize).collect::<Vec<_>>();
    let name = above.iter().rev().find_map(|line| {
        let (_, rest) = line.split_once("fn ")?;
        rest.split(['(', '<']).next()
    });
    format!("{}::{}", emission.file, name.unwrap_or("?"))
}

async fn prove_all(engine: TestEngine) -> Option<BTreeMap<String, Value>> {
    let mut proofs = BTreeMap::new();
    for event_type in EventType::ALL {
        let app = TestApp::start(engine).await?;
        let emission = prove(&app, *event_type).await;
        app.end().await;
        if event_type.visibility() == Visibility::Public {
            proofs.insert(
                event_type.name().to_owned(),
                json!({
                    "scenario": format!("crates/server/tests/it/scenarios.rs, {event_type:?}"),
                    "emitted_by": function_of(&emission),
                }),
            );
        }
    }
    Some(proofs)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn every_type_fires_from_its_real_condition_on_sqlite() {
    let proofs = runtime().block_on(prove_all(TestEngine::Sqlite)).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/coverage-run.json");
    let text = format!("{:#}\n", json!(proofs));
    #[expect(clippy::disallowed_methods, reason = "the switch that writes the committed file")]
    if std::env::var("TIDINGS_UPDATE").is_ok() {
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(committed, text, "run this test with TIDINGS_UPDATE=1, then `cargo xtask gen`");
}

#[test]
fn every_type_fires_from_its_real_condition_on_postgres() {
    drop(runtime().block_on(prove_all(TestEngine::Postgres)));
}
