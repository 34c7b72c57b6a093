//! One step of a trace, from its making to its drop.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use tidings_kernel::{Timestamp, TraceContext};

use crate::attribute::Attribute;
use crate::tracer::Tracer;

/// What a span is to those beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A step within the program.
    Internal,
    /// It answers a request.
    Server,
    /// It sends a request.
    Client,
    /// It takes a message.
    Consumer,
}

/// What is left of a span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its own place.
    pub context: TraceContext,
    /// The step that it is a part of.
    pub parent: Option<u64>,
    /// What it was.
    pub name: Cow<'static, str>,
    /// What it was to others.
    pub kind: SpanKind,
    /// When it began.
    pub began_at: Timestamp,
    /// How long it took, on a clock that only goes forward.
    pub took: Duration,
    /// What there is to say of it.
    pub attributes: Vec<Attribute>,
    /// Whether it failed.
    pub failed: bool,
}

#[derive(Debug)]
struct Live {
    tracer: Tracer,
    since: Instant,
    finished: Finished,
}

/// One step of a trace. It ends when it is dropped, a panic included. Most are nothing: tracing is
/// off, or this trace is not recorded.
#[derive(Debug, Default)]
pub struct Span(Option<Box<Live>>);

impl Span {
    pub(crate) fn begin(tracer: Tracer, finished: Finished) -> Self {
        Self(Some(Box::new(Live { tracer, since: Instant::now(), finished })))
    }

    /// Whether it is recorded.
    pub const fn is_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// Its place, for the steps after it. None where it is not recorded.
    pub fn context(&self) -> Option<TraceContext> {
        self.0.as_ref().map(|live| live.finished.context)
    }

    /// Says something of it.
    pub fn set(&mut self, attribute: Attribute) {
        if let Some(live) = &mut self.0 {
            live.finished.attributes.push(attribute);
        }
    }

    /// Says several things of it; not asked for where it is not recorded.
    pub fn describe<const N: usize>(&mut self, attributes: impl FnOnce() -> [Attribute; N]) {
        if let Some(live) = &mut self.0 {
            live.finished.attributes.extend(attributes());
        }
    }

    /// Says that it failed, and in which class.
    pub fn fail(&mut self, class: &'static str) {
        if let Some(live) = &mut self.0 {
            live.finished.failed = true;
            live.finished.attributes.push(Attribute::Error(class));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(live) = self.0.take() {
            let Live { tracer, since, finished } = *live;
            tracer.finish(Finished { took: since.elapsed(), ..finished });
        }
    }
}
