//! What a trace of one request and its webhook costs: off, not sampled, and recorded.
//!
//! `cargo run --release -p tidings-trace --example cost`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_kernel::{EventId, SystemClock, TenantId, Uuid};
use tidings_trace::otlp::{Resource, request};
use tidings_trace::{Attribute, Finished, Ratio, SpanKind, Tracer};

/// Traces in one measurement; their spans fit into the queue.
const TRACES: u32 = 1_000;
/// Measurements, of which the quickest counts: the rest was disturbed.
const RUNS: usize = 200;

/// The six steps from a request to a written outcome.
fn one(tracer: &Tracer) {
    let mut request = tracer.enter(SpanKind::Server, None, || "POST /api/v1/customers".into());
    request.describe(|| [Attribute::Method("POST"), Attribute::Status(201)]);
    let unit = tracer.step(SpanKind::Internal, request.context(), "unit_of_work");
    drop(tracer.step(SpanKind::Internal, unit.context(), "commit"));
    let dispatch = tracer.step(SpanKind::Consumer, unit.context(), "dispatch");
    let mut attempt = tracer.step(SpanKind::Client, dispatch.context(), "attempt");
    attempt.describe(|| {
        [
            Attribute::Tenant(TenantId::from_uuid(Uuid::nil())),
            Attribute::Event(EventId::from_uuid(Uuid::nil())),
            Attribute::Attempt(1),
            Attribute::Status(200),
            Attribute::FirstByte(Duration::from_millis(1)),
        ]
    });
    drop(tracer.step(SpanKind::Internal, attempt.context(), "settle"));
}

fn measure(tracer: &Tracer, mut between: impl FnMut()) -> Duration {
    let run = |between: &mut dyn FnMut()| {
        let began = Instant::now();
        for _ in 0..TRACES {
            one(black_box(tracer));
        }
        let took = began.elapsed();
        between();
        took
    };
    (0..RUNS).map(|_| run(&mut between)).min().unwrap() / TRACES
}

fn main() {
    println!("off          {:?} a trace", measure(&Tracer::off(), || {}));
    let clock = Arc::new(SystemClock);
    let (none, _queue) = Tracer::new(clock.clone(), Ratio::new(0.0).unwrap());
    println!("not sampled  {:?} a trace", measure(&none, || {}));
    let (all, mut queue) = Tracer::new(clock, Ratio::ALL);
    let mut spans: Vec<Finished> = Vec::new();
    let recorded = measure(&all, || {
        spans.clear();
        while let Ok(span) = queue.try_recv() {
            spans.push(span);
        }
    });
    println!("recorded     {recorded:?} a trace of six spans");
    let resource = Resource { version: "0", instance: "here".to_owned() };
    let began = Instant::now();
    let bytes = request(&resource, black_box(&spans));
    let each = began.elapsed() / u32::try_from(spans.len()).unwrap();
    println!("written      {each:?} and {} bytes a span", bytes.len() / spans.len());
}
