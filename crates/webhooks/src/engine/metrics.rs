//! Counters, gauges and histograms of the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tidings_egress::Phases;

use super::standing_now::EngineNow;
use crate::plan::NextStep;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabel {
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShareLabel {
    share: &'static str,
}

/// Counters, gauges and histograms of the engine.
#[derive(Debug, Clone)]
pub struct EngineMetrics {
    queued: Arc<AtomicUsize>,
    queued_gauge: Gauge<i64, AtomicI64>,
    attempts: Family<ClassLabel, Counter>,
    steps: Family<StepLabel, Counter>,
    retries: Counter,
    seconds: Histogram,
    phases: Family<PhaseLabel, Histogram>,
    reused: Counter,
    overflows: Counter,
    put_off: Counter,
    breakers: Counter,
    settle_batch: Histogram,
    settle_wait: Histogram,
    now: Gauges,
}

/// What is as it is when somebody asks.
#[derive(Debug, Clone, Default)]
struct Gauges {
    inbox: Gauge,
    outcomes: Gauge,
    lanes: Gauge,
    in_lanes: Gauge,
    in_fullest_lane: Gauge,
    in_flight: Family<ShareLabel, Gauge>,
    slots_free: Gauge,
    slots_awaited: Gauge,
    breakers_open: Gauge,
    paced: Gauge,
    holds_lease: Gauge,
}

fn seconds() -> Histogram {
    Histogram::new([
        0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
        30.0,
    ])
}

impl Default for EngineMetrics {
    fn default() -> Self {
        Self {
            queued: Arc::default(),
            queued_gauge: Gauge::default(),
            attempts: Family::default(),
            steps: Family::default(),
            retries: Counter::default(),
            seconds: seconds(),
            phases: Family::new_with_constructor(seconds),
            reused: Counter::default(),
            overflows: Counter::default(),
            put_off: Counter::default(),
            breakers: Counter::default(),
            settle_batch: Histogram::new([
                1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0,
            ]),
            settle_wait: seconds(),
            now: Gauges::default(),
        }
    }
}

impl EngineMetrics {
    /// Makes them visible, those that nothing has happened to included.
    pub fn register(&self, registry: &mut Registry) {
        for step in ["delivered", "waiting", "exhausted", "discarded"] {
            drop(self.steps.get_or_create(&StepLabel { step }));
        }
        for phase in ["dns", "connect", "tls", "first_byte"] {
            drop(self.phases.get_or_create(&PhaseLabel { phase }));
        }
        registry.register(
            "deliveries_queued",
            "Events and deliveries in memory",
            self.queued_gauge.clone(),
        );
        registry.register("attempts", "Attempts by class of outcome", self.attempts.clone());
        registry.register(
            "delivery_steps",
            "What followed an attempt: delivered, waiting, exhausted or discarded",
            self.steps.clone(),
        );
        registry.register("retries", "Attempts that were not a first one", self.retries.clone());
        registry.register_with_unit(
            "attempt",
            "Time of an attempt",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register_with_unit(
            "attempt_phase",
            "Time of an attempt's phases: dns, connect, tls, first_byte",
            Unit::Seconds,
            self.phases.clone(),
        );
        registry.register(
            "attempts_reusing",
            "Attempts over a connection that had served before",
            self.reused.clone(),
        );
        registry.register(
            "deliveries_overflowed",
            "Deliveries that a lane left to the database: it was full, open, or ahead of its pace",
            self.overflows.clone(),
        );
        registry.register(
            "attempts_put_off",
            "Attempts that were not made: this machine had no descriptor, port or memory left",
            self.put_off.clone(),
        );
        registry.register(
            "breakers_opened",
            "How often an endpoint was left alone for a while",
            self.breakers.clone(),
        );
        registry.register(
            "settle_batch_outcomes",
            "Outcomes that were written together",
            self.settle_batch.clone(),
        );
        registry.register_with_unit(
            "settle_wait",
            "Time from an outcome to its row",
            Unit::Seconds,
            self.settle_wait.clone(),
        );
        self.now.register(registry);
    }

    /// Takes in how the engine is.
    pub(super) fn observe(&self, now: &EngineNow) {
        self.now.set(now);
    }

    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    pub(super) fn accepted(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.queued_gauge.inc();
    }

    pub(super) fn left(&self) {
        // A queue that was cleared has fewer than were counted in; never below nothing.
        let less = |count: usize| count.checked_sub(1);
        if self.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            self.queued_gauge.dec();
        }
    }

    pub(super) fn overflowed(&self) {
        self.overflows.inc();
    }

    pub(super) fn put_off(&self) {
        self.put_off.inc();
    }

    pub(super) fn opened(&self) {
        self.breakers.inc();
    }

    pub(super) fn attempted(&self, class: &'static str, number: u32, phases: &Phases) {
        self.attempts.get_or_create(&ClassLabel { class }).inc();
        self.seconds.observe(phases.total.as_secs_f64());
        if number > 1 {
            self.retries.inc();
        }
        if phases.reused {
            self.reused.inc();
        }
        let Phases { dns, connect, tls, first_byte, .. } = phases;
        for (phase, took) in
            [("dns", dns), ("connect", connect), ("tls", tls), ("first_byte", first_byte)]
        {
            if let Some(took) = took {
                let histogram = self.phases.get_or_create(&PhaseLabel { phase });
                histogram.observe(took.as_secs_f64());
            }
        }
    }

    pub(super) fn followed(&self, next: NextStep) {
        let step = match next {
            NextStep::Delivered => "delivered",
            NextStep::Wait { .. } => "waiting",
            NextStep::Exhausted => "exhausted",
            NextStep::Gone => "discarded",
        };
        self.steps.get_or_create(&StepLabel { step }).inc();
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch has a few hundred outcomes at most")]
    pub(super) fn settled(&self, since: &[Instant]) {
        self.settle_batch.observe(since.len() as f64);
        for since in since {
            self.settle_wait.observe(Duration::as_secs_f64(&since.elapsed()));
        }
    }
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        gauge("inbox_events", "Committed events that wait for their fan-out", &self.inbox);
        gauge("outcomes_queued", "Outcomes that wait to be written", &self.outcomes);
        gauge("lanes", "Endpoints with a lane in memory", &self.lanes);
        gauge("lane_deliveries", "Deliveries that wait in lanes", &self.in_lanes);
        gauge(
            "lane_deliveries_max",
            "Deliveries that wait in the fullest lane",
            &self.in_fullest_lane,
        );
        gauge("slots_free", "Attempts that could begin at once", &self.slots_free);
        gauge("slots_awaited", "Attempts that wait for their turn", &self.slots_awaited);
        gauge("breakers_open", "Endpoints that are left alone at present", &self.breakers_open);
        gauge("endpoints_paced", "Endpoints that ask for a pace", &self.paced);
        gauge(
            "node_holds_lease",
            "Whether this node may send: 0 after it could not say that it lives",
            &self.holds_lease,
        );
        registry.register(
            "attempts_in_flight",
            "Attempts that are under way, by share: quick or slow",
            self.in_flight.clone(),
        );
    }

    fn set(&self, now: &EngineNow) {
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.inbox.set(whole(now.inbox));
        self.outcomes.set(whole(now.outcomes));
        self.lanes.set(whole(now.lanes.len()));
        self.in_lanes.set(whole(now.lanes.values().map(|lane| lane.queued).sum()));
        let fullest = now.lanes.values().map(|lane| lane.queued).max();
        self.in_fullest_lane.set(whole(fullest.unwrap_or(0)));
        let open = now.lanes.values().filter(|lane| lane.open_until.is_some()).count();
        self.breakers_open.set(whole(open));
        let paced = now.lanes.values().filter(|lane| lane.rate_per_second.is_some()).count();
        self.paced.set(whole(paced));
        for (share, in_flight) in [("quick", now.slots.quick), ("slow", now.slots.slow)] {
            self.in_flight.get_or_create(&ShareLabel { share }).set(whole(in_flight));
        }
        self.slots_free.set(whole(now.slots.free));
        self.slots_awaited.set(whole(now.slots.waiting));
        self.holds_lease.set(i64::from(now.holds_lease));
    }
}
