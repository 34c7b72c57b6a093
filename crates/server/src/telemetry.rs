//! Spans on their way to the operator's collector: OTLP over HTTP, in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use tidings_bus::{Pulse, Tasks};
use tidings_client::Client;
use tidings_kernel::{Clock, limits};
use tidings_trace::otlp::{self, Resource};
use tidings_trace::{Finished, Ratio, Tracer};
use tokio::sync::{Mutex, mpsc};

use crate::settings::StartError;

/// A batch that is not full leaves after this.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// A collector has so long to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Before a batch that was not taken is sent once more.
const SECOND_TRY: Duration = Duration::from_secs(1);
/// At the end of the program, so long for what is left.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// The collector: `http://127.0.0.1:4318`. Its path for traces is ours.
    pub endpoint: String,
    /// Which part of all traces is recorded.
    pub ratio: Ratio,
    /// Whether receivers of webhooks are told in which trace they are called.
    pub to_receivers: bool,
}

impl Otlp {
    /// Checks the address: an `http` or `https` URL without user info and query, which could hold
    /// a secret that a log would show.
    pub fn new(endpoint: &str, ratio: f64, to_receivers: bool) -> Result<Self, StartError> {
        let refused = |why: &str| StartError::Traces(why.to_owned());
        let uri: http::Uri = endpoint.parse().map_err(|_| refused("it is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(refused("it begins with http:// or https://"));
        }
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(refused("it has no user and no password in it"));
        }
        if uri.query().is_some() {
            return Err(refused("it has no query"));
        }
        let ratio = Ratio::new(ratio).ok_or_else(|| refused("the ratio lies between 0 and 1"))?;
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Self { endpoint, ratio, to_receivers })
    }

    /// The tracer, and what sends its spans away.
    pub(crate) fn start(&self, clock: Arc<dyn Clock>, instance: &str) -> (Tracer, Exporter) {
        let (tracer, ended) = Tracer::new(clock, self.ratio);
        let queue = Queue { ended, batch: Vec::with_capacity(limits::SPAN_BATCH_MAX) };
        let resource =
            Resource { version: env!("CARGO_PKG_VERSION"), instance: instance.to_owned() };
        let exporter = Exporter(Arc::new(Inner {
            client: Client::new(self.endpoint.clone()),
            queue: Mutex::new(queue),
            resource,
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }));
        (tracer.propagating(self.to_receivers), exporter)
    }
}

/// What has ended, and what was taken of it and not sent yet: a loop that is ended loses nothing.
struct Queue {
    ended: mpsc::Receiver<Finished>,
    batch: Vec<Finished>,
}

struct Inner {
    client: Client,
    queue: Mutex<Queue>,
    resource: Resource,
    sent: AtomicU64,
    lost: AtomicU64,
}

impl Queue {
    /// Waits until a batch is full.
    async fn fill(&mut self) {
        let Self { ended, batch } = self;
        while batch.len() < limits::SPAN_BATCH_MAX {
            let room = limits::SPAN_BATCH_MAX - batch.len();
            if ended.recv_many(batch, room).await == 0 {
                // The tracer is gone: the program ends, and nothing follows.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Sends spans away. What the collector does not take twice is lost, and counted.
#[derive(Clone)]
pub(crate) struct Exporter(Arc<Inner>);

impl Exporter {
    /// Starts the loop.
    pub(crate) fn run(&self, tasks: &Tasks) {
        let exporter = self.clone();
        tasks.supervise("traces", move |pulse| exporter.clone().export(pulse));
    }

    async fn export(self, pulse: Pulse) {
        loop {
            pulse.beat();
            pulse.waits_for("spans, or the collector of traces");
            let mut queue = self.0.queue.lock().await;
            let _ = tokio::time::timeout(SEND_EVERY, queue.fill()).await;
            if !queue.batch.is_empty() {
                self.send(&queue.batch).await;
                queue.batch.clear();
            }
        }
    }

    /// Sends what is left, at the end of the program.
    pub(crate) async fn flush(&self) {
        let left = async {
            let mut queue = self.0.queue.lock().await;
            let Queue { ended, batch } = &mut *queue;
            while let Ok(span) = ended.try_recv() {
                batch.push(span);
            }
            for part in batch.chunks(limits::SPAN_BATCH_MAX) {
                self.send(part).await;
            }
        };
        if tokio::time::timeout(FLUSH_MAX, left).await.is_err() {
            tracing::warn!("the last spans did not reach the collector in time");
        }
    }

    async fn send(&self, batch: &[Finished]) {
        let bytes = Bytes::from(otlp::request(&self.0.resource, batch));
        let count = batch.len() as u64;
        let mut failure = self.post(bytes.clone()).await;
        if failure.is_some() {
            tokio::time::sleep(SECOND_TRY).await;
            failure = self.post(bytes).await;
        }
        match failure {
            None => self.0.sent.fetch_add(count, Ordering::Relaxed),
            Some(error) => {
                tracing::warn!(error, spans = count, "the collector of traces took nothing");
                self.0.lost.fetch_add(count, Ordering::Relaxed)
            }
        };
    }

    async fn post(&self, bytes: Bytes) -> Option<String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{}", self.0.client.base(), otlp::PATH))
            .header(header::CONTENT_TYPE, otlp::MEDIA_TYPE)
            .body(Full::new(bytes));
        let request = match request {
            Ok(request) => request,
            Err(error) => return Some(error.to_string()),
        };
        match tokio::time::timeout(ANSWER_MAX, self.0.client.exchange(request)).await {
            Ok(Ok(answer)) if answer.status.is_success() => None,
            Ok(Ok(answer)) => Some(format!("it answered {}", answer.status)),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("it did not answer within {ANSWER_MAX:?}")),
        }
    }

    /// Spans that a collector took, and spans that none did.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.0.sent.load(Ordering::Relaxed), self.0.lost.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_could_hold_a_secret_is_refused_with_the_reason() {
        for (endpoint, ratio, why) in [
            ("http://127.0.0.1:4318", 1.0, None),
            ("https://collector.example/tempo/", 0.25, None),
            ("127.0.0.1:4318", 1.0, Some("begins with http")),
            ("grpc://127.0.0.1:4317", 1.0, Some("begins with http")),
            ("http://user:secret@127.0.0.1:4318", 1.0, Some("no user")),
            ("http://127.0.0.1:4318/?token=secret", 1.0, Some("no query")),
            ("http://", 1.0, Some("not a URL")),
            ("", 1.0, Some("")),
            ("http://127.0.0.1:4318", 1.5, Some("between 0 and 1")),
            ("http://127.0.0.1:4318", f64::NAN, Some("between 0 and 1")),
        ] {
            let read = Otlp::new(endpoint, ratio, false);
            match why {
                None => assert!(!read.unwrap().endpoint.ends_with('/')),
                Some(why) => {
                    let refusal = read.unwrap_err().to_string();
                    assert!(refusal.contains(why) && !refusal.contains("secret"), "{refusal}");
                }
            }
        }
    }
}
