//! Begins spans, decides which traces are recorded, and keeps what has ended within bounds.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::RngCore;
use tidings_kernel::{Clock, TraceContext, limits};
use tokio::sync::mpsc;

use crate::span::{Finished, Span, SpanKind};

/// Which part of all traces is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio(u64);

impl Ratio {
    /// Every trace.
    pub const ALL: Self = Self(u64::MAX);

    /// A ratio from 0 to 1.
    pub fn new(ratio: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&ratio) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "it lies between 0 and 1, and a share of traces need not be exact"
        )]
        Some(Self((ratio * u64::MAX as f64) as u64))
    }

    /// `drawn` is any number, evenly distributed. Never the trace's id, which a caller chooses.
    fn takes(self, drawn: u64) -> bool {
        self == Self::ALL || drawn < self.0
    }
}

#[derive(Debug, Default)]
struct Counts {
    ended: AtomicU64,
    dropped: AtomicU64,
}

/// What became of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TracerCounts {
    /// Spans that ended.
    pub ended: u64,
    /// Those of them that were dropped, because the queue was full.
    pub dropped: u64,
}

struct Inner {
    clock: Arc<dyn Clock>,
    ratio: Ratio,
    propagates: bool,
    queue: mpsc::Sender<Finished>,
    counts: Counts,
}

/// Begins spans; or, where tracing is off, nothing.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Inner>>);

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_on() { "Tracer(on)" } else { "Tracer(off)" })
    }
}

impl Tracer {
    /// A tracer that records nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// A tracer, and the queue of what has ended.
    pub fn new(clock: Arc<dyn Clock>, ratio: Ratio) -> (Self, mpsc::Receiver<Finished>) {
        let (queue, ended) = mpsc::channel(limits::SPAN_QUEUE_MAX);
        let counts = Counts::default();
        (Self(Some(Arc::new(Inner { clock, ratio, propagates: false, queue, counts }))), ended)
    }

    /// The same, telling receivers of webhooks in which trace they are called. Only before it is
    /// shared.
    #[must_use]
    pub fn propagating(self, propagates: bool) -> Self {
        Self(self.0.and_then(Arc::into_inner).map(|inner| Arc::new(Inner { propagates, ..inner })))
    }

    /// Whether anything is recorded.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether receivers of webhooks are told in which trace they are called.
    pub fn propagates(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.propagates)
    }

    /// What became of spans so far.
    pub fn counts(&self) -> TracerCounts {
        self.0.as_ref().map_or_else(TracerCounts::default, |inner| TracerCounts {
            ended: inner.counts.ended.load(Ordering::Relaxed),
            dropped: inner.counts.dropped.load(Ordering::Relaxed),
        })
    }

    /// The first span of a trace in this program. A caller's trace is gone on with. Whether it is
    /// recorded is drawn by the ratio: a caller can ask not to be, and has no way to ask for more,
    /// whatever ids it chooses and however often it comes with one.
    pub fn enter(
        &self,
        kind: SpanKind,
        caller: Option<TraceContext>,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Span {
        let Some(inner) = &self.0 else { return Span::default() };
        if caller.is_some_and(|caller| !caller.sampled) || !inner.ratio.takes(random()) {
            return Span::default();
        }
        let trace_id = caller
            .map_or_else(|| u128::from(random()) << 64 | u128::from(random()), |c| c.trace_id);
        self.begin(inner, kind, (trace_id, caller.map(|caller| caller.span_id)), name())
    }

    /// A step of a trace that is recorded; nothing where there is none.
    pub fn step(&self, kind: SpanKind, parent: Option<TraceContext>, name: &'static str) -> Span {
        match (&self.0, parent) {
            (Some(inner), Some(parent)) => {
                let place = (parent.trace_id, Some(parent.span_id));
                self.begin(inner, kind, place, Cow::Borrowed(name))
            }
            _ => Span::default(),
        }
    }

    fn begin(
        &self,
        inner: &Inner,
        kind: SpanKind,
        (trace_id, parent): (u128, Option<u64>),
        name: Cow<'static, str>,
    ) -> Span {
        let span_id = random();
        let context = TraceContext { trace_id: trace_id.max(1), span_id, sampled: true };
        let finished = Finished {
            context,
            parent,
            name,
            kind,
            began_at: inner.clock.now(),
            took: Duration::ZERO,
            attributes: Vec::new(),
            failed: false,
        };
        Span::begin(self.clone(), finished)
    }

    /// Into the queue, or, where that is full, nowhere: nobody waits for telemetry.
    pub(crate) fn finish(&self, finished: Finished) {
        let Some(inner) = &self.0 else { return };
        inner.counts.ended.fetch_add(1, Ordering::Relaxed);
        if inner.queue.try_send(finished).is_err() {
            inner.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Never zero, which means "none" in a trace.
#[expect(clippy::disallowed_methods, reason = "ids of traces are part of no result")]
fn random() -> u64 {
    rand::rng().next_u64().max(1)
}

#[cfg(test)]
mod tests {
    use tidings_kernel::{SystemClock, Timestamp};

    use super::*;
    use crate::attribute::Attribute;

    fn tracer(ratio: f64) -> (Tracer, mpsc::Receiver<Finished>) {
        Tracer::new(Arc::new(SystemClock), Ratio::new(ratio).unwrap())
    }

    fn caller(trace_id: u128, sampled: bool) -> TraceContext {
        TraceContext { trace_id, span_id: 9, sampled }
    }

    #[test]
    fn a_step_is_a_child_of_its_parent_and_ends_with_its_drop() {
        let (tracer, mut ended) = tracer(1.0);
        let first = tracer.enter(SpanKind::Server, Some(caller(7, true)), || "first".into());
        let mut second = tracer.step(SpanKind::Internal, first.context(), "second");
        second.set(Attribute::Attempt(1));
        second.fail("refused");
        drop(second);
        drop(first);
        let (second, first) = (ended.try_recv().unwrap(), ended.try_recv().unwrap());
        assert_eq!((first.context.trace_id, first.parent), (7, Some(9)));
        assert_eq!(second.parent, Some(first.context.span_id));
        assert_eq!(second.context.trace_id, 7);
        assert!(second.failed && !first.failed);
        assert_eq!(second.attributes, [Attribute::Attempt(1), Attribute::Error("refused")]);
        assert!(second.began_at > Timestamp::from_micros(0));
    }

    #[test]
    fn the_ratio_decides_and_a_caller_can_only_ask_for_less() {
        for (ratio, trace_id, sampled, recorded) in [
            (1.0, 1, true, true),
            (1.0, u128::MAX, true, true),
            (1.0, 1, false, false),
            (0.0, 1, true, false),
            (0.5, 1, false, false),
        ] {
            let (tracer, _ended) = tracer(ratio);
            let span =
                tracer.enter(SpanKind::Server, Some(caller(trace_id, sampled)), || "x".into());
            assert_eq!(span.is_recorded(), recorded, "{ratio} {trace_id} {sampled}");
        }
    }

    /// Half of all, give or take more than ten times what chance does.
    #[test]
    fn the_id_that_a_caller_chooses_decides_nothing() {
        for chosen in [1, u128::from(u64::MAX), u128::MAX] {
            let (tracer, _ended) = tracer(0.5);
            let enter = |_: &u32| {
                let span =
                    tracer.enter(SpanKind::Server, Some(caller(chosen, true)), || "x".into());
                span.is_recorded()
            };
            let recorded = (0..2_000).filter(enter).count();
            assert!((750..1_250).contains(&recorded), "{recorded} of {chosen}");
            let (tracer, _ended) = self::tracer(1e-12);
            let span = tracer.enter(SpanKind::Server, Some(caller(chosen, true)), || "x".into());
            assert!(!span.is_recorded(), "{chosen}");
        }
    }

    #[test]
    fn a_ratio_is_a_part() {
        for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::new(ratio), None, "{ratio}");
        }
    }

    #[test]
    fn nothing_is_recorded_where_tracing_is_off_or_nobody_began() {
        let off = Tracer::off();
        let span = off.enter(SpanKind::Server, None, || unreachable!("nobody asks for the name"));
        assert!(!span.is_recorded() && !off.is_on());
        let (tracer, _ended) = tracer(1.0);
        assert!(!tracer.step(SpanKind::Internal, None, "alone").is_recorded());
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (tracer, mut ended) = tracer(1.0);
        let more = u64::try_from(limits::SPAN_QUEUE_MAX).unwrap() + 5;
        for _ in 0..more {
            drop(tracer.enter(SpanKind::Internal, None, || "one".into()));
        }
        assert_eq!(tracer.counts(), TracerCounts { ended: more, dropped: 5 });
        let mut kept = 0;
        while ended.try_recv().is_ok() {
            kept += 1;
        }
        assert_eq!(kept, limits::SPAN_QUEUE_MAX);
    }
}
