//! How many requests, and how long they took.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tidings_kernel::ProblemKind;

/// The labels of a request; never a tenant, an id or a path of the caller's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

/// Counters of the HTTP surface.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<OperationLabel, Histogram>,
    replays: Counter,
    refused: Family<ProblemLabel, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemLabel {
    problem: &'static str,
}

fn buckets() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(buckets),
            replays: Counter::default(),
            refused: Family::default(),
        }
    }
}

impl HttpMetrics {
    /// Makes the counters visible.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Requests by operation and status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request",
            "Time from the whole head to the whole answer",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "idempotent_replays",
            "Requests that got the stored answer of their Idempotency-Key",
            self.replays.clone(),
        );
        registry.register(
            "http_refused_at_the_door",
            "Requests refused before their handler, by problem; unauthenticated ones among them",
            self.refused.clone(),
        );
    }

    pub(crate) fn replayed(&self) {
        self.replays.inc();
    }

    pub(crate) fn refused(&self, kind: ProblemKind) {
        self.refused.get_or_create(&ProblemLabel { problem: kind.slug() }).inc();
    }

    pub(crate) fn record(&self, operation: &'static str, status: StatusCode, took: Duration) {
        self.requests.get_or_create(&RequestLabels { operation, status: status.as_u16() }).inc();
        self.seconds.get_or_create(&OperationLabel { operation }).observe(took.as_secs_f64());
    }
}
