//! Jobs, sweeps, positions and reactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tidings_bus::Bus;
use tidings_db::{DbError, UnitFuture, UnitOfWork, work};
use tidings_jobs::{
    Job, JobError, JobHandler, Leases, LoggedEvent, NewJob, ReactionHandler, Runner, RunnerBuilder,
    enqueue,
};
use tidings_kernel::Problem;
use tidings_testkit::{Tenant, TestApp, stories};

/// A job and a reaction that fail as long as they are told to.
#[derive(Clone, Default)]
struct Faulty {
    works: Arc<AtomicBool>,
    /// How often the job was done.
    done: Arc<AtomicUsize>,
}

const KIND: &str = "test.faulty";

impl JobHandler for Faulty {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn run<'t>(&self, _: &'t mut UnitOfWork, job: Job) -> UnitFuture<'t, (), JobError> {
        let faulty = self.clone();
        Box::pin(async move {
            if !faulty.works.load(Ordering::Acquire) {
                return Err(JobError::Hopeless("it is meant to fail".to_owned()));
            }
            let times: usize = job.payload()?;
            faulty.done.fetch_add(times, Ordering::AcqRel);
            Ok(())
        })
    }
}

/// What it does with an event is a job of its own, which is counted where it was committed.
impl ReactionHandler for Faulty {
    fn name(&self) -> &'static str {
        KIND
    }

    fn react<'t>(
        &self,
        work: &'t mut UnitOfWork,
        events: Vec<LoggedEvent>,
    ) -> UnitFuture<'t, (), Problem> {
        let works = self.works.load(Ordering::Acquire);
        Box::pin(async move {
            for _ in events.iter().filter(|event| event.name == "customer.created") {
                if !works {
                    return Err(Problem::unavailable("it is meant to fail", 1));
                }
                let due_at = work.now();
                let job = NewJob { kind: KIND, payload: &1_usize, due_at, unique_key: None };
                enqueue(work, job).await?;
            }
            Ok(())
        })
    }
}

/// A runner of that alone, as a node of its own would have it.
fn node(app: &TestApp, faulty: &Faulty) -> Runner {
    let db = &app.app.db;
    RunnerBuilder::default().job(faulty.clone()).reaction(faulty.clone()).build(
        db.clone(),
        Bus::new(Arc::clone(db.clock())),
        Leases::new(db.clone(), app.app.engine.node_id()),
    )
}

async fn ask_for(app: &TestApp, acme: &Tenant, times: usize) {
    let db = &app.app.db;
    let ctx = db.tenant_ctx("test", acme.id.parse().unwrap()).await.unwrap();
    let unit = work!([], |work| async move {
        let due_at = work.now();
        let unique_key = Some("the one".to_owned());
        enqueue(work, NewJob { kind: KIND, payload: &times, due_at, unique_key }).await
    });
    let _committed = db.write::<(), DbError, _>(&ctx, unit).await.unwrap();
}

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

    async fn a_parked_job_is_done_when_it_is_asked_for_again(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let faulty = Faulty::default();
        let runner = node(app, &faulty);
        ask_for(app, &acme, 1).await;
        ask_for(app, &acme, 1).await;
        assert_eq!(runner.run_due().await.unwrap(), 1, "one at a time");
        let parked = [(KIND.to_owned(), 1)];
        assert_eq!(tidings_jobs::parked(&app.app.db).await.unwrap(), parked);
        app.clock.advance(Duration::from_hours(2));
        assert_eq!(runner.run_due().await.unwrap(), 0, "it waits for somebody to look at it");

        faulty.works.store(true, Ordering::Release);
        ask_for(app, &acme, 10).await;
        assert_eq!(tidings_jobs::parked(&app.app.db).await.unwrap(), []);
        // What is due already is not asked for twice, nor changed.
        ask_for(app, &acme, 100).await;
        assert_eq!(runner.run_due().await.unwrap(), 1);
        assert_eq!(faulty.done.load(Ordering::Acquire), 10);
    }

    async fn two_nodes_take_a_parked_event_once(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for number in 0..5 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        app.settle().await;
        let faulty = Faulty::default();
        let (one, two) = (node(app, &faulty), node(app, &faulty));
        one.run_reactions().await.unwrap();
        assert_eq!(tidings_jobs::parked(&app.app.db).await.unwrap(), [(KIND.to_owned(), 5)]);
        // Both fail, and then both hold the same list of what is due.
        app.clock.advance(Duration::from_mins(1));
        let (a, b) = tokio::join!(one.run_reactions(), two.run_reactions());
        assert_eq!((a.unwrap(), b.unwrap()), (0, 0));
        assert_eq!(tidings_jobs::parked(&app.app.db).await.unwrap(), [(KIND.to_owned(), 5)]);
        faulty.works.store(true, Ordering::Release);
        app.clock.advance(Duration::from_mins(1));
        let (a, b) = tokio::join!(one.run_reactions(), two.run_reactions());
        assert_eq!(a.unwrap() + b.unwrap(), 5);
        assert_eq!(tidings_jobs::parked(&app.app.db).await.unwrap(), []);
        while one.run_due().await.unwrap() > 0 {}
        assert_eq!(faulty.done.load(Ordering::Acquire), 5);
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
