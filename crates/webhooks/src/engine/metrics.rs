//! Counters and gauges of the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

/// Counters and gauges of the engine.
#[derive(Debug, Clone)]
pub struct EngineMetrics {
    queued: Arc<AtomicUsize>,
    queued_gauge: Gauge<i64, AtomicI64>,
    attempts: Family<ClassLabel, Counter>,
    seconds: Histogram,
    overflows: Counter,
    breakers: Counter,
}

impl Default for EngineMetrics {
    fn default() -> Self {
        Self {
            queued: Arc::default(),
            queued_gauge: Gauge::default(),
            attempts: Family::default(),
            seconds: Histogram::new([
                0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            ]),
            overflows: Counter::default(),
            breakers: Counter::default(),
        }
    }
}

impl EngineMetrics {
    /// Makes them visible.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "deliveries_queued",
            "Events and deliveries in memory",
            self.queued_gauge.clone(),
        );
        registry.register("attempts", "Attempts by class of outcome", self.attempts.clone());
        registry.register("attempt_seconds", "Time of an attempt", self.seconds.clone());
        registry.register(
            "deliveries_overflowed",
            "Deliveries that a lane left to the database: it was full, open, or ahead of its pace",
            self.overflows.clone(),
        );
        registry.register(
            "breakers_opened",
            "How often an endpoint was left alone for a while",
            self.breakers.clone(),
        );
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

    pub(super) fn opened(&self) {
        self.breakers.inc();
    }

    pub(super) fn attempted(&self, class: &'static str, took: Duration) {
        self.attempts.get_or_create(&ClassLabel { class }).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}
