//! A tour through everything that the program does, so that every statement of it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tidings_bus::Bus;
use tidings_db::{
    Db, DbError, LeaseClock, Location, Observer, Options, UnitFuture, UnitOfWork, WriterMode, work,
};
use tidings_events::EventType;
use tidings_jobs::{
    Job, JobError, JobHandler, Leases, LoggedEvent, NewJob, ReactionHandler, Runner, RunnerBuilder,
    enqueue,
};
use tidings_kernel::{Clock, CustomerId, IdSeed, Problem, Uuid};
use tidings_testkit::{Answer, StatementLog, Tenant, TestApp};

use crate::delivery_tour::{deliveries, unplaced};
use crate::privacy_tour::privacy;
use crate::scenarios::scenario;

/// Goes through everything, in many tenants of one application.
pub(crate) async fn tour(app: &TestApp, log: &Arc<StatementLog>) {
    privacy(app).await;
    for event_type in EventType::ALL {
        let acme = app.tenant(event_type.name()).await;
        scenario(*event_type, app, &acme).await;
    }
    let acme = app.tenant("acme").await;
    customers(app, &acme).await;
    segments(app, &acme).await;
    custom_events(app, &acme).await;
    deliveries(app, &acme).await;
    keys(&acme).await;
    failures(app, &acme).await;
    forgotten(app, &acme).await;
    unplaced(app, &acme).await;
    probes(app, log).await;
}

pub(crate) async fn done(answer: impl Future<Output = Answer>) -> Answer {
    let answer = answer.await;
    assert!(answer.status.is_success(), "{}", answer.json());
    answer
}

/// The first two pages of a list.
pub(crate) async fn pages(acme: &Tenant, path: &str) {
    let separator = if path.contains('?') { '&' } else { '?' };
    let first = done(acme.get(&format!("{path}{separator}limit=1"))).await.json();
    let Some(cursor) = first["next_cursor"].as_str() else { return };
    done(acme.get(&format!("{path}{separator}limit=1&cursor={cursor}"))).await;
}

async fn customers(app: &TestApp, acme: &Tenant) {
    let body = json!({"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace",
        "tags": ["vip", "early"], "tier": "premium", "country": "GB"});
    let keyed = acme.client.with_header("idempotency-key", "one");
    let made = keyed.post("/api/v1/customers", &body).await.unwrap();
    let again = keyed.post("/api/v1/customers", &body).await.unwrap();
    assert_eq!(made.text("/id"), again.text("/id"));
    let path = format!("/api/v1/customers/{}", made.text("/id"));
    acme.customer("grace@example.com").await;
    done(acme.patch(&path, json!({"tags": ["vip"]}))).await;
    done(acme.get(&format!("/api/v1/customers/by-number/{}", made.text("/customer_number")))).await;
    for n in 0..2 {
        done(acme.post(&format!("{path}/notes"), json!({"content": "hello"}))).await;
        let called = json!({"activity_type": "contact_made", "title": "called"});
        done(acme.post(&format!("{path}/activities"), called)).await;
        // The second of these is known already.
        let bought = json!({"amount": 4990, "currency": "EUR", "order_id": "1"});
        acme.post(&format!("{path}/metrics/purchase"), bought).await;
        done(acme.get("/api/v1/customers/metrics/overview")).await;
        pages(acme, "/api/v1/customers").await;
        pages(acme, "/api/v1/customers?tags=vip&q=ada").await;
        pages(acme, "/api/v1/customers?tier=premium&country=GB").await;
        pages(acme, &format!("{path}/notes")).await;
        pages(acme, &format!("{path}/activities")).await;
        let agreed = json!({"purpose": "updates", "decision": "granted"});
        done(acme.post(&format!("{path}/consents"), agreed)).await;
        pages(acme, &format!("{path}/consents")).await;
        let asked = json!({"role": "billing", "name": "Grace"});
        let contact = done(acme.post(&format!("{path}/contacts"), asked)).await.text("/id");
        done(acme.post(&format!("{path}/contacts"), json!({"role": "other", "name": "A"}))).await;
        pages(acme, &format!("{path}/contacts")).await;
        done(acme.delete(&format!("/api/v1/customers/contacts/{contact}"))).await;
        done(acme.get("/api/v1/customers?page=1&page_size=1")).await;
        done(acme.get("/api/v1/customers?page=2&page_size=1&tags=vip")).await;
        if n == 0 {
            app.settle().await;
        }
    }
    let leaving = acme.customer("leaving@example.com").await;
    let path = format!("/api/v1/customers/{leaving}");
    done(acme.patch(&path, json!({"tags": ["vip"]}))).await;
    done(acme.post(&format!("{path}/notes"), json!({"content": "hello"}))).await;
    let agreed = json!({"purpose": "marketing", "decision": "granted"});
    done(acme.post(&format!("{path}/consents"), agreed)).await;
    let asked = json!({"role": "billing", "name": "Grace"});
    done(acme.post(&format!("{path}/contacts"), asked)).await;
    done(acme.post(&format!("{path}/anonymize"), json!({}))).await;
}

/// Customers that join segments and leave them, for a label and for a tier.
async fn segments(app: &TestApp, acme: &Tenant) {
    let mut recalculate = Vec::new();
    for (name, priority, criteria) in
        [("labelled", 1, json!({"tags": ["vip"]})), ("premium", 2, json!({"tier": "premium"}))]
    {
        let body = json!({"name": name, "priority": priority, "criteria": criteria,
            "is_dynamic": true});
        let made = done(acme.post("/api/v1/customers/segments", body)).await;
        recalculate.push(format!("/api/v1/customers/segments/{}/recalculate", made.text("/id")));
    }
    let (both, labelled) =
        (acme.customer("both@example.com").await, acme.customer("l@example.com").await);
    for (tags, tier) in [
        (json!(["vip"]), "free"),
        (json!(["vip"]), "premium"),
        (json!([]), "free"),
        (json!([]), "free"),
        (json!(["vip"]), "premium"),
    ] {
        done(acme.patch(&format!("/api/v1/customers/{labelled}"), json!({"tags": tags}))).await;
        let body = json!({"tags": tags, "tier": tier});
        done(acme.patch(&format!("/api/v1/customers/{both}"), body)).await;
        pages(acme, "/api/v1/customers?tags=vip").await;
        done(acme.get("/api/v1/customers?tags=vip&page=1")).await;
        for path in &recalculate {
            done(acme.post(path, json!({}))).await;
            app.settle().await;
        }
    }
    pages(acme, "/api/v1/customers/segments").await;
}

/// What is kept for a time only: something goes and something newer stays.
async fn forgotten(app: &TestApp, acme: &Tenant) {
    let publish = async |event_id: &str| {
        let body = json!({"event_type": "custom.thing", "event_id": event_id, "event_data": {}});
        done(acme.post("/api/v1/webhooks/events", body)).await;
    };
    let labelled =
        json!({"email": "gone@example.com", "first_name": "G", "last_name": "L", "tags": ["vip"]});
    let gone = done(acme.post("/api/v1/customers", labelled)).await.text("/id");
    done(acme.delete(&format!("/api/v1/customers/{gone}"))).await;
    publish("early").await;
    app.advance(Duration::from_hours(28 * 24)).await;
    let keyed = async |key: &str| {
        let keyed = acme.client.with_header("idempotency-key", key);
        let body = json!({"event_type": format!("custom.{key}")});
        keyed.post("/api/v1/webhooks/event-types", &body).await.unwrap();
    };
    keyed("early").await;
    app.advance(Duration::from_hours(40)).await;
    publish("late").await;
    keyed("late").await;
    app.advance(Duration::from_hours(25)).await;
    // The first hours of the statistics are kept no longer, the last ones are.
    app.advance(Duration::from_hours(62 * 24)).await;
}

async fn custom_events(app: &TestApp, acme: &Tenant) {
    for name in ["custom.thing", "custom.other"] {
        done(acme.post("/api/v1/webhooks/event-types", json!({"event_type": name}))).await;
    }
    let path = "/api/v1/webhooks/event-types/custom.thing";
    done(acme.patch(path, json!({"description": "a thing"}))).await;
    let narrower = json!({"schema": {"type": "object"}, "allow_breaking": true});
    done(acme.patch(path, narrower)).await;
    pages(acme, &format!("{path}/versions")).await;
    done(acme.post(&format!("{path}/compare"), json!({"from_version": 1, "to_version": 2}))).await;
    for _ in 0..2 {
        let body = json!({"event_type": "custom.thing", "event_id": "1", "event_data": {}});
        done(acme.post("/api/v1/webhooks/events", body)).await;
    }
    let unknown = json!({"event_type": "custom.thign", "event_data": {}});
    let refused = acme.post("/api/v1/webhooks/events", unknown).await;
    assert_eq!(refused.problem(), "unknown_event_type");
    app.settle().await;
    pages(acme, "/api/v1/webhooks/event-types").await;
    done(acme.get("/api/v1/webhooks/events")).await;
}

async fn keys(acme: &Tenant) {
    let body = json!({"name": "shop", "scopes": ["customer.read"]});
    done(acme.post("/api/v1/auth/api-keys", body)).await;
    pages(acme, "/api/v1/auth/api-keys").await;
}

async fn probes(app: &TestApp, log: &Arc<StatementLog>) {
    for path in ["/api/v1/tenants?limit=1", "/readyz", "/metrics", "/api/v1/operator/diagnosis"] {
        assert!(app.operator.get(path).await.unwrap().status.is_success(), "{path}");
    }
    let db = &app.app.db;
    app.app.webhooks.backlog().await.unwrap();
    tidings_jobs::parked(db).await.unwrap();
    tidings_jobs::report(db).await.unwrap();
    app.app.identity.rotate_operator_key(None).await.unwrap();
    // Where there are several nodes, they follow the clock of the database.
    let Some(database) = app.database() else { return };
    let node = Db::open(Options {
        location: Location::Postgres { url: database.url.clone(), connections: 1 },
        clock: Arc::clone(&app.clock) as Arc<dyn Clock>,
        seed: IdSeed::from_number(8),
        lease_clock: LeaseClock::Database,
        writer: WriterMode::Thread,
        on_fatal: Arc::new(|error| panic!("{error}")),
    });
    let node = node.await.unwrap();
    node.observe(Arc::clone(log) as Arc<dyn Observer>);
    node.lease_now().await.unwrap();
}

/// A job that fails, and a reaction that fails as long as it is told to.
struct Faulty {
    /// The object whose first event the reaction does not take.
    subject_id: Uuid,
    fails: Arc<AtomicBool>,
}

impl JobHandler for Faulty {
    fn kind(&self) -> &'static str {
        "tour.faulty"
    }

    fn run<'t>(&self, _: &'t mut UnitOfWork, job: Job) -> UnitFuture<'t, (), JobError> {
        Box::pin(async move {
            let hopeless: bool = job.payload()?;
            let why = "it is meant to".to_owned();
            Err(if hopeless { JobError::Hopeless(why) } else { JobError::Retry(why) })
        })
    }
}

impl ReactionHandler for Faulty {
    fn name(&self) -> &'static str {
        "tour.faulty"
    }

    fn react<'t>(
        &self,
        _: &'t mut UnitOfWork,
        events: Vec<LoggedEvent>,
    ) -> UnitFuture<'t, (), Problem> {
        let concerned = events
            .iter()
            .any(|event| event.subject_id == self.subject_id && event.name == "customer.created");
        let fails = concerned && self.fails.load(Ordering::Acquire);
        Box::pin(async move {
            if fails { Err(Problem::unavailable("it is meant to fail", 1)) } else { Ok(()) }
        })
    }
}

/// A runner with a job that fails, and a reaction that does not take a customer's creation.
pub(crate) fn stubborn(app: &TestApp, id: &str, fails: &Arc<AtomicBool>) -> Runner {
    let db = &app.app.db;
    let subject_id = id.parse::<CustomerId>().unwrap().uuid();
    let faulty = || Faulty { subject_id, fails: Arc::clone(fails) };
    let leases = Leases::new(db.clone(), app.app.engine.node_id());
    let bus = Bus::new(Arc::clone(db.clock()));
    RunnerBuilder::default().job(faulty()).reaction(faulty()).build(db.clone(), bus, leases)
}

async fn failures(app: &TestApp, acme: &Tenant) {
    let db = &app.app.db;
    let id = acme.customer("edsger@example.com").await;
    done(acme.patch(&format!("/api/v1/customers/{id}"), json!({"tier": "premium"}))).await;
    app.settle().await;
    let fails = Arc::new(AtomicBool::new(true));
    let runner = stubborn(app, &id, &fails);

    let ctx = db.tenant_ctx("tour", acme.id.parse().unwrap()).await.unwrap();
    let enqueued = work!([], |work| async move {
        for hopeless in [false, true] {
            let due_at = work.now();
            let job = NewJob { kind: "tour.faulty", payload: &hopeless, due_at, unique_key: None };
            enqueue(work, job).await?;
        }
        Ok::<(), DbError>(())
    });
    let _committed = db.write(&ctx, enqueued).await.unwrap();
    assert_eq!(runner.run_due().await.unwrap(), 2);

    // The first event is parked and the second waits for it; a retry fails, the next does not.
    runner.run_reactions().await.unwrap();
    app.clock.advance(Duration::from_mins(1));
    runner.run_reactions().await.unwrap();
    fails.store(false, Ordering::Release);
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(runner.run_reactions().await.unwrap(), 2);
}

/// Starts the loops, which ask what is next and, where there are several nodes, who may do it.
pub(crate) async fn background(app: &TestApp, log: &StatementLog) {
    let lease = app.database().map(|_| "tidings_jobs::lease::TAKE");
    let awaited: Vec<_> = lease.into_iter().chain(["tidings_jobs::sweep::NEXT"]).collect();
    app.app.runner.start(&app.app.tasks);
    let all = async {
        while !awaited.iter().all(|name| log.names().contains(name)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all).await.unwrap();
}
