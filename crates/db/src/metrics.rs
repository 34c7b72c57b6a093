//! Counters, gauges and histograms of the database: its queues, its flushes, its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::Lane;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    lane: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabel {
    pool: &'static str,
}

/// The connections of one pool at one instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolState {
    pub(crate) pool: &'static str,
    pub(crate) most: usize,
    pub(crate) in_use: usize,
    pub(crate) waiting: usize,
}

/// Counters, gauges and histograms of the database.
#[derive(Debug, Clone)]
pub struct DbMetrics {
    queued: Family<LaneLabel, Gauge>,
    queue_wait: Family<LaneLabel, Histogram>,
    group_units: Histogram,
    commit: Histogram,
    reruns: Counter,
    conflicts: Counter,
    pool_most: Family<PoolLabel, Gauge>,
    pool_in_use: Family<PoolLabel, Gauge>,
    pool_waiting: Family<PoolLabel, Gauge>,
    pool_wait: Family<PoolLabel, Histogram>,
    /// What the writer thread does, and since when.
    pub(crate) writer: WriterPulse,
}

/// From a tenth of a millisecond to ten seconds.
fn seconds() -> Histogram {
    Histogram::new([
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
        2.5, 5.0, 10.0,
    ])
}

impl Default for DbMetrics {
    fn default() -> Self {
        Self {
            queued: Family::default(),
            queue_wait: Family::new_with_constructor(seconds),
            group_units: Histogram::new([
                1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0,
            ]),
            commit: seconds(),
            reruns: Counter::default(),
            conflicts: Counter::default(),
            pool_most: Family::default(),
            pool_in_use: Family::default(),
            pool_waiting: Family::default(),
            pool_wait: Family::new_with_constructor(seconds),
            writer: WriterPulse::default(),
        }
    }
}

impl DbMetrics {
    /// Makes them visible, those that nothing has happened to included.
    pub fn register(&self, registry: &mut Registry) {
        for lane in [Lane::Interactive, Lane::Bulk, Lane::Shared] {
            let label = LaneLabel { lane: lane.name() };
            drop(self.queued.get_or_create(&label));
            drop(self.queue_wait.get_or_create(&label));
        }
        registry.register(
            "writes_queued",
            "Units of work that wait for the writer or their group, by lane",
            self.queued.clone(),
        );
        registry.register_with_unit(
            "write_wait",
            "Time a unit of work waited in its queue, by lane",
            Unit::Seconds,
            self.queue_wait.clone(),
        );
        registry.register(
            "write_group_units",
            "Units of work that shared one flush",
            self.group_units.clone(),
        );
        registry.register_with_unit(
            "commit",
            "Time of a COMMIT, flush included",
            Unit::Seconds,
            self.commit.clone(),
        );
        registry.register(
            "unit_reruns",
            "Units of work that ran again because others came in between",
            self.reruns.clone(),
        );
        registry.register(
            "unit_conflicts",
            "Units of work that were given up after their last run met a conflict",
            self.conflicts.clone(),
        );
        registry.register(
            "database_connections_max",
            "Connections that a pool may have",
            self.pool_most.clone(),
        );
        registry.register(
            "database_connections_in_use",
            "Connections of a pool that are at work",
            self.pool_in_use.clone(),
        );
        registry.register(
            "database_connections_awaited",
            "Callers that wait for a connection of a pool",
            self.pool_waiting.clone(),
        );
        registry.register_with_unit(
            "database_connection_wait",
            "Time a caller waited for a connection, by pool",
            Unit::Seconds,
            self.pool_wait.clone(),
        );
    }

    pub(crate) fn queued(&self, lane: Lane) {
        self.queued.get_or_create(&LaneLabel { lane: lane.name() }).inc();
    }

    pub(crate) fn taken(&self, lane: Lane, since: Instant) {
        let label = LaneLabel { lane: lane.name() };
        self.queued.get_or_create(&label).dec();
        self.queue_wait.get_or_create(&label).observe(since.elapsed().as_secs_f64());
    }

    #[expect(clippy::cast_precision_loss, reason = "a group has a few hundred units at most")]
    pub(crate) fn committed(&self, units: usize, took: Duration) {
        self.group_units.observe(units as f64);
        self.commit.observe(took.as_secs_f64());
    }

    pub(crate) fn reran(&self) {
        self.reruns.inc();
    }

    pub(crate) fn conflicted(&self) {
        self.conflicts.inc();
    }

    pub(crate) fn connected(&self, pool: &'static str, since: Instant) {
        let waited = since.elapsed().as_secs_f64();
        self.pool_wait.get_or_create(&PoolLabel { pool }).observe(waited);
    }

    pub(crate) fn pools(&self, pools: impl IntoIterator<Item = PoolState>) {
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for PoolState { pool, most, in_use, waiting } in pools {
            let label = PoolLabel { pool };
            drop(self.pool_wait.get_or_create(&label));
            self.pool_most.get_or_create(&label).set(whole(most));
            self.pool_in_use.get_or_create(&label).set(whole(in_use));
            self.pool_waiting.get_or_create(&label).set(whole(waiting));
        }
    }
}

/// What the writer thread does, for a watchdog that cannot ask it.
#[derive(Debug, Clone)]
pub(crate) struct WriterPulse(Arc<(Instant, AtomicU64)>);

impl Default for WriterPulse {
    fn default() -> Self {
        Self(Arc::new((Instant::now(), AtomicU64::new(IDLE))))
    }
}

/// The writer waits for work.
const IDLE: u64 = 0;
/// The lowest bit tells a flush from the units before it.
const FLUSHING: u64 = 1;

impl WriterPulse {
    fn say(&self, flushing: u64) {
        let (began, state) = &*self.0;
        let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX >> 2).max(1);
        state.store(now << 1 | flushing, Ordering::Relaxed);
    }

    /// A unit begins.
    pub(crate) fn runs(&self) {
        self.say(0);
    }

    /// A flush begins.
    pub(crate) fn flushes(&self) {
        self.say(FLUSHING);
    }

    /// There is nothing to do.
    pub(crate) fn rests(&self) {
        self.0.1.store(IDLE, Ordering::Relaxed);
    }

    /// What it does, and for how long.
    pub(crate) fn standing(&self) -> Option<(&'static str, Duration)> {
        let (began, state) = &*self.0;
        let state = state.load(Ordering::Relaxed);
        if state == IDLE {
            return None;
        }
        let since = Duration::from_millis(state >> 1);
        let what = if state & FLUSHING == FLUSHING { "a flush" } else { "a unit of work" };
        Some((what, began.elapsed().saturating_sub(since)))
    }
}
