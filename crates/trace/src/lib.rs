//! Spans of what is under way, sampled, bounded, and written as OTLP.
//!
//! **The cast.** A [`Tracer`] begins spans. A [`Span`] is one step, from its making to its drop. An
//! [`Attribute`] is one fact about it, of a closed list. [`Finished`] is what is left of a span, and
//! [`otlp::request`] writes many of them as OpenTelemetry's collectors read them.
//!
//! **The plot.** The door begins a trace, or goes on with its caller's. Each step after it names the
//! [`TraceContext`] before it as its parent, through the unit of work and its commit, and in memory
//! with the event, to the attempt and the writing of its outcome. What has ended goes into a queue,
//! from which the composition root sends it away.
//!
//! **The reasons.** Telemetry must never hold up or break what it watches: a queue that is full
//! drops spans and counts them. An attribute is of a closed list, so no payload, no secret and no
//! URL can become one. Where tracing is off, a span is nothing, and costs a comparison.

mod attribute;
pub mod otlp;
mod span;
mod tracer;

pub use attribute::{Attribute, AttributeValue};
pub use span::{Finished, Span, SpanKind};
pub use tidings_kernel::TraceContext;
pub use tracer::{Ratio, Tracer, TracerCounts};
