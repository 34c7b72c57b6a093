//! What is stuck, and why: each from a situation that is really stuck.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_bus::Bus;
use tidings_db::{
    Db, DbError, LeaseClock, Location, Options, UnitFuture, UnitOfWork, WriterMode, work,
};
use tidings_egress::{Egress, Policy};
use tidings_jobs::{
    Job, JobError, JobHandler, Leases, LoggedEvent, NewJob, ReactionHandler, RunnerBuilder, enqueue,
};
use tidings_kernel::{Clock, IdSeed, Problem};
use tidings_server::{App, Diagnosis, Parts, Settings};
use tidings_testkit::{Receiver, Script, TestApp, TestEngine, stories};
use tidings_vault::Vault;

const PATH: &str = "/api/v1/operator/diagnosis";

/// What the server says of deliveries however young.
async fn asked(app: &TestApp) -> Value {
    let answer = app.operator.get(&format!("{PATH}?older_than_seconds=0")).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    answer.json()
}

fn finding<'a>(diagnosis: &'a Value, code: &str) -> &'a Value {
    let findings = diagnosis["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["code"] == code);
    found.unwrap_or_else(|| panic!("no {code} in {diagnosis:#}"))
}

fn codes(diagnosis: &Value) -> Vec<String> {
    let findings = diagnosis["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// A job that is hopeless, and a reaction that takes nothing.
struct Faulty;

impl JobHandler for Faulty {
    fn kind(&self) -> &'static str {
        "test.faulty"
    }

    fn run<'t>(&self, _: &'t mut UnitOfWork, _: Job) -> UnitFuture<'t, (), JobError> {
        Box::pin(async { Err(JobError::Hopeless("the job is meant to fail".to_owned())) })
    }
}

impl ReactionHandler for Faulty {
    fn name(&self) -> &'static str {
        "test.faulty"
    }

    fn react<'t>(&self, _: &'t mut UnitOfWork, _: Vec<LoggedEvent>) -> UnitFuture<'t, (), Problem> {
        Box::pin(async { Err(Problem::unavailable("the reaction is meant to fail", 1)) })
    }
}

/// Waits until something is so that comes by itself.
async fn until(is_so: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap();
}

/// How the installation looks from outside, once its server has ended.
async fn from_outside(app: &TestApp, root_key: Option<&str>) -> Diagnosis {
    let root_key = root_key.map(str::to_owned);
    let data = Some(app.directory().to_owned());
    let database = app.database().map(|database| database.url.clone());
    App::diagnose(&Settings { data, database, root_key, ..Settings::default() }).await.unwrap()
}

stories! {
    async fn a_fresh_installation_is_well(app: &TestApp) {
        let diagnosis = asked(app).await;
        assert_eq!(diagnosis["is_well"], true, "{diagnosis:#}");
        assert_eq!(diagnosis["server_runs"], true);
        assert_eq!(diagnosis["findings"], json!([]));
        assert_eq!(diagnosis["nodes"][0]["name"], "test");
        assert_eq!(diagnosis["nodes"][0]["state"], "alive");
        let engine = if app.database().is_some() { "postgres" } else { "sqlite" };
        assert_eq!(diagnosis["engine"], engine);
    }

    async fn it_is_the_operators_and_says_what_is_wrong_with_a_question(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let nobody = app.anonymous().get(PATH).await.unwrap();
        assert_eq!((nobody.status, nobody.problem().as_str()),
            (StatusCode::UNAUTHORIZED, "unauthenticated"));
        let tenant = acme.get(PATH).await;
        assert_eq!((tenant.status, tenant.problem().as_str()),
            (StatusCode::FORBIDDEN, "forbidden"));
        for (query, pointer) in [
            ("older_than_seconds=604801", "?older_than_seconds"),
            ("older_than_seconds=-1", "?older_than_seconds"),
            ("older_than_seconds=soon", "?older_than_seconds"),
            ("older_than=1", "?older_than"),
        ] {
            let refused = app.operator.get(&format!("{PATH}?{query}")).await.unwrap();
            assert_eq!(refused.problem(), "validation_failed", "{query}");
            assert_eq!(refused.text("/errors/0/pointer"), pointer, "{query}");
        }
    }

    async fn an_endpoint_that_fails_is_told_of_until_its_breaker_opens(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.always(Script::status(500));
        acme.customer("ada@example.com").await;
        app.settle().await;
        let diagnosis = asked(app).await;
        let failing = finding(&diagnosis, "endpoint_failing");
        assert_eq!(failing["subject"], hook.subscription_id);
        assert_eq!(failing["tenant_id"], acme.id);
        assert!(failing["since"].is_string(), "{failing}");
        assert!(failing["why"].as_str().unwrap().contains("http"), "{failing}");
        assert_eq!(diagnosis["is_well"], true, "a receiver that is down is not the installation's");
        for number in 0..12 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        app.settle().await;
        let diagnosis = asked(app).await;
        let open = finding(&diagnosis, "breaker_open");
        assert!(open["why"].as_str().unwrap().contains("until 2026-"), "{open}");
        assert_eq!(diagnosis["is_well"], true);
    }

    async fn a_pace_an_order_and_a_pause_are_reasons(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let paced = acme.receiver_with(json!({"events": ["customer.created"],
            "rate_per_second": 1})).await;
        for number in 0..4 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        app.app.engine.activity().idle().await;
        let diagnosis = asked(app).await;
        assert!(finding(&diagnosis, "endpoint_paced")["why"].as_str().unwrap().contains("1 a second"));
        let path = format!("/api/v1/webhooks/subscriptions/{}", paced.subscription_id);
        acme.patch(&path, json!({"is_active": false})).await;
        let diagnosis = asked(app).await;
        let paused = finding(&diagnosis, "subscription_not_sending");
        assert!(paused["why"].as_str().unwrap().contains("paused"), "{paused}");
    }

    async fn an_order_a_window_and_a_share_are_reasons(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let ordered = acme.receiver_with(json!({"events": ["customer.*"],
            "ordering": "per_object"})).await;
        ordered.always(Script::hang());
        let ada = acme.customer("ada@example.com").await;
        let path = format!("/api/v1/customers/{ada}");
        assert_eq!(acme.patch(&path, json!({"first_name": "Augusta"})).await.status, StatusCode::OK);
        ordered.wait_for(1).await;
        until(async || codes(&asked(app).await) == ["waits_for_order"]).await;

        // Three more objects: as many attempts as the endpoint is trusted with at first.
        for number in 0..3 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        ordered.wait_for(4).await;
        let diagnosis = asked(app).await;
        let full = finding(&diagnosis, "window_full");
        assert!(full["why"].as_str().unwrap().contains("4 attempts are under way"), "{full}");

        // Endpoints that have not answered yet share a quarter of all slots.
        let others = Receiver::start().await;
        others.always(Script::hang());
        for _ in 0..32 {
            let body = json!({"url": others.url(), "events": ["customer.created"]});
            let made = acme.post("/api/v1/webhooks/subscriptions", body).await;
            assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
        }
        for number in 0..4 {
            acme.customer(&format!("d{number}@example.com")).await;
        }
        until(async || app.app.engine.now().slots.waiting > 0).await;
        let diagnosis = asked(app).await;
        let taken = finding(&diagnosis, "slots_taken");
        assert_eq!(taken["subject"], ordered.subscription_id);
        assert_eq!(diagnosis["is_well"], true, "receivers that are slow are not the installation's");
    }

    async fn what_has_no_position_and_no_run_is_told_of(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.customer("ada@example.com").await;
        app.app.engine.activity().idle().await;
        app.clock.advance(Duration::from_hours(30));
        // Nothing gives positions or runs schedules here but `settle`.
        let diagnosis = asked(app).await;
        assert_eq!(diagnosis["is_well"], false);
        assert!(finding(&diagnosis, "sequencer_behind")["since"].is_string());
        let late = finding(&diagnosis, "schedule_late");
        assert!(late["subject"].is_string() && late["since"].is_string(), "{late}");
        app.settle().await;
        assert_eq!(codes(&asked(app).await), Vec::<String>::new());
    }

    async fn an_event_that_is_not_fanned_out_is_told_of(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let silent = acme.receiver_with(json!({"events": ["customer.created"],
            "timeout_seconds": 3})).await;
        silent.then(Script::hang());
        acme.customer("ada@example.com").await;
        silent.wait_for(1).await;
        app.app.runner.run_sequencer().await.unwrap();
        app.clock.advance(Duration::from_mins(2));
        let diagnosis = asked(app).await;
        let waits = finding(&diagnosis, "undispatched");
        assert_eq!(waits["severity"], "problem");
        assert!(waits["since"].is_string() && waits["action"].is_string(), "{waits}");
        app.settle().await;
    }

    async fn parked_jobs_and_events_are_told_with_their_errors(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        let db = &app.app.db;
        let leases = Leases::new(db.clone(), app.app.engine.node_id());
        let bus = Bus::new(Arc::clone(db.clock()));
        let runner =
            RunnerBuilder::default().job(Faulty).reaction(Faulty).build(db.clone(), bus, leases);
        let ctx = db.tenant_ctx("test", acme.id.parse().unwrap()).await.unwrap();
        let enqueued = work!([], |work| async move {
            let due_at = work.now();
            let job = NewJob { kind: "test.faulty", payload: &1, due_at, unique_key: None };
            enqueue(work, job).await?;
            Ok::<(), DbError>(())
        });
        let _committed = db.write(&ctx, enqueued).await.unwrap();
        runner.run_due().await.unwrap();
        runner.run_reactions().await.unwrap();
        let diagnosis = asked(app).await;
        let job = finding(&diagnosis, "job_parked");
        assert_eq!(job["why"], "the job is meant to fail");
        assert_eq!((&job["tenant_id"], &job["subject"]), (&json!(acme.id), &json!("test.faulty")));
        let event = finding(&diagnosis, "event_parked");
        assert!(event["why"].as_str().unwrap().contains("the reaction is meant to fail"));
        assert_eq!(diagnosis["is_well"], false);
    }

    async fn a_loop_that_stands_still_makes_the_server_unready(app: &TestApp) {
        app.app.tasks.watch_also("stands still", || Some(("a test", Duration::from_secs(45))));
        let readiness = app.anonymous().get("/readyz").await.unwrap();
        assert_eq!(readiness.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(readiness.text("/late_loops/0/loop"), "stands still");
        assert_eq!(readiness.text("/late_loops/0/waits_for"), "a test");
        let diagnosis = asked(app).await;
        assert_eq!(finding(&diagnosis, "loop_late")["why"], "it waits for a test");
        let page = app.app.probes.metrics().await;
        assert!(page.contains("tidings_loop_age_seconds{task=\"stands still\"} 45\n"), "{page}");
    }

    async fn a_stopped_installation_says_what_waits_and_whose_key_it_needs(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(500));
        acme.customer("ada@example.com").await;
        app.settle().await;
        app.stop().await;
        let stopped = from_outside(app, None).await;
        assert!(!stopped.server_runs && !stopped.is_well);
        let codes: Vec<_> = stopped.findings.iter().map(|finding| finding.code).collect();
        assert!(codes.contains(&"no_server"), "{stopped:?}");
        assert!(codes.contains(&"deliveries_without_node"), "{stopped:?}");
        assert!(!codes.contains(&"root_key_differs"), "no key is known: {stopped:?}");
        let other = from_outside(app, Some(&"5a".repeat(32))).await;
        assert!(other.findings.iter().any(|finding| finding.code == "root_key_differs"));
    }
}

/// On one engine: SQLite has one node.
#[test]
fn what_another_node_holds_is_asked_of_that_node() {
    TestApp::run(TestEngine::Postgres, |app| {
        Box::pin(async move {
            let acme = app.tenant("acme").await;
            let fields = json!({"events": ["customer.created"], "rate_per_second": 1});
            let hook = acme.receiver_with(fields).await;
            let other = app.start_beside().await;
            let there = other.operator.with_key(acme.client.key().unwrap());
            for number in 0..2 {
                let body = json!({"email": format!("c{number}@example.com"), "first_name": "C",
                    "last_name": "D"});
                let made = there.post("/api/v1/customers", &body).await.unwrap();
                assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
            }
            hook.wait_for(1).await;
            other.app.engine.activity().idle().await;
            // By this node's clock the second is due, and the other's has not moved; neither has been
            // silent for long enough to be dead.
            app.clock.advance(Duration::from_millis(1_500));
            let diagnosis = asked(app).await;
            let late = finding(&diagnosis, "deliveries_late");
            assert_eq!(late["severity"], "notice");
            for text in [&late["why"], &late["action"]] {
                assert!(text.as_str().unwrap().contains("beside"), "{late}");
            }
            assert_eq!(diagnosis["is_well"], true, "{diagnosis:#}");
            // The node that holds it knows more.
            other.app.engine.activity().idle().await;
            finding(&asked(&other).await, "endpoint_paced");
            other.end().await;
        })
    });
}

/// On one engine: with SQLite nobody needs a lease.
#[test]
fn work_that_nobody_does_is_told_of() {
    TestApp::run(TestEngine::Postgres, |app| {
        Box::pin(async move {
            let leases = Leases::new(app.app.db.clone(), app.app.engine.node_id());
            assert!(leases.hold("test.work").await.unwrap());
            assert_eq!(codes(&asked(app).await), Vec::<String>::new());
            app.clock.advance(Duration::from_mins(1));
            let diagnosis = asked(app).await;
            let unheld = finding(&diagnosis, "lease_unheld");
            assert_eq!(
                (&unheld["severity"], &unheld["subject"]),
                (&json!("problem"), &json!("test.work"))
            );
            assert_eq!(unheld["since"], "2026-11-23T12:00:03.000000Z", "{unheld}");
            assert!(leases.hold("test.work").await.unwrap());
            assert_eq!(codes(&asked(app).await), Vec::<String>::new(), "somebody does it again");
        })
    });
}

/// On one engine: with SQLite there is no other clock.
#[test]
fn a_clock_that_differs_from_the_databases_is_told_of() {
    TestApp::run(TestEngine::Postgres, |app| {
        Box::pin(async move {
            let url = app.database().unwrap().url.clone();
            // This node's clock stands where the tests' does, and the database's goes on.
            let db = Db::open(Options {
                location: Location::Postgres { url, connections: 2 },
                clock: Arc::clone(&app.clock) as Arc<dyn Clock>,
                seed: IdSeed::from_number(9),
                lease_clock: LeaseClock::Database,
                writer: WriterMode::Thread,
                on_fatal: Arc::new(|error| panic!("{error}")),
            });
            let egress = Egress::new(Policy::default(), tidings_egress::Options::default());
            let node = App::build(Parts {
                db: db.await.unwrap(),
                vault: Arc::new(Vault::seeded(7)),
                egress: egress.unwrap(),
                operator_key: None,
                background: false,
                name: "other".to_owned(),
                webhook_origin: None,
                otlp: None,
            });
            let node = node.await.unwrap();
            let diagnosis = node.diagnose_now().await.unwrap();
            let skew = diagnosis.findings.iter().find(|finding| finding.code == "clock_skew");
            let skew = skew.unwrap_or_else(|| panic!("{diagnosis:?}"));
            assert!(skew.what.contains("the database server's"), "{skew:?}");
            assert!(!diagnosis.is_well);
            node.close().await;
        })
    });
}
