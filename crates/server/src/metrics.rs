//! The page of `/metrics`: what the parts count by themselves, and what is looked up when somebody
//! asks.

use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::Ordering;
use tidings_bus::{Beat, Tasks};
use tidings_db::{Db, DbError};
use tidings_jobs::Lag;
use tidings_kernel::Timestamp;
use tidings_trace::Tracer;
use tidings_web::HttpMetrics;
use tidings_webhooks::{Backlog, Engine, Webhooks};

use crate::telemetry::Exporter;

/// What is counted in the database is counted again after this, however often somebody asks.
const LOOKED_UP_EVERY: Duration = Duration::from_secs(5);
/// Whoever asks waits no longer for that; the numbers are then those of before.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoopLabel {
    task: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReactionLabel {
    reaction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FateLabel {
    fate: &'static str,
}

/// What the page is made of.
pub(crate) struct Sources {
    pub(crate) db: Db,
    pub(crate) tasks: Tasks,
    pub(crate) engine: Engine,
    pub(crate) webhooks: Webhooks,
    pub(crate) http: HttpMetrics,
    pub(crate) tracer: Tracer,
    pub(crate) exporter: Option<Exporter>,
    pub(crate) reactions: Vec<&'static str>,
}

/// All metrics of the process.
pub(crate) struct Metrics {
    registry: Registry,
    sources: Sources,
    loops: Loops,
    waiting: Waiting,
    spans: Family<FateLabel, Counter>,
    looked_up: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Loops {
    rounds: Family<LoopLabel, Counter>,
    age: Family<LoopLabel, Gauge>,
    restarts: Family<LoopLabel, Counter>,
    panics: Family<LoopLabel, Counter>,
}

/// What waits in the database.
#[derive(Debug, Default)]
struct Waiting {
    looked_up: Gauge,
    pointers: Gauge,
    pointers_age: Gauge,
    waiting: Gauge,
    due: Gauge,
    due_age: Gauge,
    unplaced: Gauge,
    unplaced_age: Gauge,
    behind: Family<ReactionLabel, Gauge>,
    jobs: Gauge,
    jobs_due: Gauge,
    parked: Gauge,
}

impl Metrics {
    pub(crate) fn new(sources: Sources) -> Self {
        let mut registry = Registry::with_prefix("tidings");
        sources.http.register(&mut registry);
        sources.engine.metrics().register(&mut registry);
        sources.db.metrics().register(&mut registry);
        let (loops, waiting) = (Loops::default(), Waiting::default());
        loops.register(&mut registry);
        waiting.register(&mut registry);
        let spans = Family::default();
        registry.register(
            "spans",
            "Spans by fate: ended; dropped for a full queue; sent; lost at the collector",
            spans.clone(),
        );
        let looked_up = tokio::sync::Mutex::default();
        Self { registry, sources, loops, waiting, spans, looked_up }
    }

    /// The page, as OpenMetrics.
    pub(crate) async fn page(&self) -> String {
        let Sources { db, tasks, engine, tracer, exporter, .. } = &self.sources;
        // Both set the gauges that the registry has of them.
        let _ = (db.metrics(), engine.now());
        self.loops.set(&tasks.beats());
        let counts = tracer.counts();
        let (sent, lost) = exporter.as_ref().map_or((0, 0), Exporter::counts);
        for (fate, count) in
            [("ended", counts.ended), ("dropped", counts.dropped), ("sent", sent), ("lost", lost)]
        {
            set(&self.spans.get_or_create(&FateLabel { fate }), count);
        }
        match tokio::time::timeout(PATIENCE, self.look_up()).await {
            Ok(Ok(())) => self.waiting.looked_up.set(1),
            Ok(Err(_)) | Err(_) => self.waiting.looked_up.set(0),
        };
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    async fn look_up(&self) -> Result<(), DbError> {
        let mut looked_up = self.looked_up.lock().await;
        if looked_up.is_some_and(|at| at.elapsed() < LOOKED_UP_EVERY) {
            return Ok(());
        }
        let Sources { db, webhooks, reactions, .. } = &self.sources;
        let backlog = webhooks.backlog().await?;
        let lag = tidings_jobs::lag(db, reactions).await?;
        let parked = tidings_jobs::parked(db).await?.iter().map(|(_, count)| count).sum();
        self.waiting.set((&backlog, &lag, parked), db.now());
        *looked_up = Some(Instant::now());
        Ok(())
    }
}

/// A count that somebody else keeps.
fn set(counter: &Counter, count: u64) {
    counter.inner().store(count, Ordering::Relaxed);
}

fn seconds(age: Duration) -> i64 {
    i64::try_from(age.as_secs()).unwrap_or(i64::MAX)
}

impl Loops {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "loop_rounds",
            "How often a loop went round; 0 for a thread that is none of ours",
            self.rounds.clone(),
        );
        registry.register_with_unit(
            "loop_age",
            "Time since a loop last went round; a minute ends the process",
            Unit::Seconds,
            self.age.clone(),
        );
        registry.register(
            "loop_restarts",
            "How often a loop ended and was started again",
            self.restarts.clone(),
        );
        registry.register("loop_panics", "How often a panic ended a loop", self.panics.clone());
    }

    fn set(&self, beats: &[Beat]) {
        for beat in beats {
            let label = LoopLabel { task: beat.name };
            set(&self.rounds.get_or_create(&label), beat.rounds);
            set(&self.restarts.get_or_create(&label), beat.restarts);
            set(&self.panics.get_or_create(&label), beat.panics);
            self.age.get_or_create(&label).set(seconds(beat.age));
        }
    }
}

impl Waiting {
    fn register(&self, registry: &mut Registry) {
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        gauge(
            "database_looked_up",
            "Whether what waits in the database could be counted: 0 leaves the numbers of before",
            &self.looked_up,
        );
        gauge("events_undispatched", "Events that are not fanned out yet", &self.pointers);
        gauge("deliveries_waiting", "Deliveries with a next attempt", &self.waiting);
        gauge("deliveries_due", "Deliveries whose next attempt is due", &self.due);
        gauge(
            "events_unplaced",
            "Events without a position, up to ten thousand: how far the sequencer is behind",
            &self.unplaced,
        );
        gauge("jobs_waiting", "Jobs that wait", &self.jobs);
        gauge("jobs_due", "Jobs that are due", &self.jobs_due);
        gauge("parked", "Jobs and events for reactions that were tried in vain", &self.parked);
        let mut age = |name: &str, help: &str, gauge: &Gauge| {
            registry.register_with_unit(name, help, Unit::Seconds, gauge.clone());
        };
        age(
            "events_undispatched_age",
            "Since when the oldest event waits for its fan-out",
            &self.pointers_age,
        );
        age("deliveries_due_age", "Since when the first delivery is due", &self.due_age);
        age(
            "events_unplaced_age",
            "Since when the oldest event waits for its position",
            &self.unplaced_age,
        );
        registry.register(
            "reaction_behind",
            "Events that a reaction has not seen, over all tenants",
            self.behind.clone(),
        );
    }

    fn set(&self, (backlog, lag, parked): (&Backlog, &Lag, i64), now: Timestamp) {
        let age = |since: Option<Timestamp>| since.map_or(0, |since| seconds(now.since(since)));
        self.pointers.set(backlog.pointers);
        self.pointers_age.set(age(backlog.oldest_pointer));
        self.waiting.set(backlog.waiting);
        self.due.set(backlog.due);
        self.due_age.set(age(backlog.due_since));
        self.unplaced.set(lag.unplaced);
        self.unplaced_age.set(age(lag.oldest_unplaced));
        for (reaction, behind) in &lag.reactions {
            self.behind.get_or_create(&ReactionLabel { reaction }).set(*behind);
        }
        self.jobs.set(lag.jobs_waiting);
        self.jobs_due.set(lag.jobs_due);
        self.parked.set(parked);
    }
}
