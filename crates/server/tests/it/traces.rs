//! One trace from the request to the delivered webhook, as a collector gets it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tidings_server::Otlp;
use tidings_testkit::{Script, TestApp, TestEngine};
use tokio::net::TcpListener;

/// A collector that reads what comes with the messages that OpenTelemetry generates.
#[derive(Clone, Default)]
struct Collector(Arc<Inner>);

#[derive(Default)]
struct Inner {
    spans: Mutex<Vec<Span>>,
    /// The bytes, in which no secret may be.
    bytes: Mutex<Vec<u8>>,
    refuses: Mutex<bool>,
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    if *collector.0.refuses.lock().unwrap() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.unwrap();
        assert_eq!(resource.attributes[0].key, "service.name");
        let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        collector.0.spans.lock().unwrap().extend(spans);
    }
    collector.0.bytes.lock().unwrap().extend(&body);
    StatusCode::OK
}

impl Collector {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/traces", post(take)).with_state(self.clone());
        drop(tokio::spawn(async move { axum::serve(listener, router).await }));
        format!("http://{address}")
    }

    fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.0.spans.lock().unwrap();
        spans.iter().filter(|span| span.name == name).cloned().collect()
    }
}

fn attributes(span: &Span) -> BTreeMap<String, Value> {
    let pair = |pair: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        (pair.key.clone(), pair.value.clone().unwrap().value.unwrap())
    };
    span.attributes.iter().map(pair).collect()
}

fn text(span: &Span, key: &str) -> String {
    match attributes(span).get(key) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{key} is {other:?}"),
    }
}

/// Runs a story on both engines, with a collector.
fn traced((ratio, to_receivers): (f64, bool), story: impl AsyncFn(&TestApp, &Collector)) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for engine in [TestEngine::Sqlite, TestEngine::Postgres] {
        runtime.block_on(async {
            let collector = Collector::default();
            let endpoint = collector.start().await;
            let otlp = Otlp::new(&endpoint, ratio, to_receivers).unwrap();
            let Some(app) = TestApp::start_traced(engine, otlp).await else { return };
            story(&app, &collector).await;
        });
    }
}

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const CALLERS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a trace must not hold, though all of it goes through the program.
const UNSPEAKABLE: [&str; 5] = ["ada@example.com", "Lovelace", "whsec_", "token=secret", "Bearer"];

#[test]
fn a_customers_creation_is_one_trace_up_to_the_written_outcome() {
    traced((1.0, false), async |app, collector| {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        let caller = acme.client.with_header("traceparent", CALLER);
        let body = serde_json::json!({"email": "ada@example.com", "first_name": "Ada",
            "last_name": "Lovelace", "metadata": {"note": "token=secret"}});
        let made = caller.post("/api/v1/customers", &body).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
        app.settle().await;
        assert_eq!(hook.verified().len(), 1);
        assert_eq!(hook.arrivals()[0].header("traceparent"), "", "nobody asked for it");
        app.stop().await;

        let spans: Vec<Span> = collector.0.spans.lock().unwrap().clone();
        let ours: Vec<&Span> =
            spans.iter().filter(|span| hex(&span.trace_id) == CALLERS_TRACE).collect();
        let one = |name: &str| {
            let found: Vec<_> = ours.iter().filter(|span| span.name == name).collect();
            assert_eq!(found.len(), 1, "{name} in {:?}", ours.iter().map(|s| &s.name));
            *found[0]
        };
        let request = one("POST /api/v1/customers");
        assert_eq!(hex(&request.parent_span_id), "00f067aa0ba902b7");
        assert_eq!(request.kind, 2);
        assert_eq!(text(request, "tidings.operation"), "createCustomer");
        assert_eq!(text(request, "tidings.tenant_id"), acme.id);
        let request_id = made.headers["x-request-id"].to_str().unwrap();
        assert_eq!(text(request, "tidings.request_id"), request_id);
        assert_eq!(attributes(request)["http.response.status_code"], Value::IntValue(201));
        let chain = ["unit_of_work", "dispatch", "attempt", "settle"];
        let mut parent = request;
        for name in chain {
            let span = one(name);
            assert_eq!(span.parent_span_id, parent.span_id, "{name}");
            parent = span;
        }
        let unit = one("unit_of_work");
        assert_eq!(one("commit").parent_span_id, unit.span_id);
        let engine = if app.database().is_some() { "postgres" } else { "sqlite" };
        assert_eq!(text(unit, "db.system.name"), engine);
        let attempt = one("attempt");
        assert_eq!((attempt.kind, attempt.status.is_none()), (3, true));
        assert_eq!(text(attempt, "tidings.event_id"), hook.arrivals()[0].id());
        assert_eq!(text(attempt, "tidings.subscription_id"), hook.subscription_id);
        assert_eq!(attributes(attempt)["tidings.attempt"], Value::IntValue(1));
        assert!(attributes(attempt).contains_key("tidings.first_byte_microseconds"));
        assert_eq!(ours.len(), 6, "{:?}", ours.iter().map(|span| &span.name));

        let sent = String::from_utf8_lossy(&collector.0.bytes.lock().unwrap()).into_owned();
        for unspeakable in UNSPEAKABLE {
            assert!(!sent.contains(unspeakable), "{unspeakable} is in a trace");
        }
        assert!(!sent.contains(&hook.url()), "the URL of an endpoint is in a trace");
    });
}

#[test]
fn a_retry_begins_a_trace_of_its_own_and_receivers_are_told_where_the_operator_asks() {
    traced((1.0, true), async |app, collector| {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(500));
        acme.customer("ada@example.com").await;
        app.settle().await;
        app.advance(Duration::from_secs(6)).await;
        app.stop().await;

        let attempts = collector.named("attempt");
        let [first, second] = &attempts[..] else { panic!("{attempts:?}") };
        assert_ne!(first.trace_id, second.trace_id);
        assert_eq!(first.status.as_ref().unwrap().code, 2);
        assert_eq!(text(first, "error.type"), "http");
        assert_eq!(attributes(second)["tidings.recovered"], Value::BoolValue(true));
        assert_eq!(attributes(second)["tidings.attempt"], Value::IntValue(2));
        assert!(second.parent_span_id.is_empty());
        for (arrival, span) in hook.arrivals().iter().zip(&attempts) {
            let expected = format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
            assert_eq!(arrival.header("traceparent"), expected);
        }
        assert_eq!(hook.verified().len(), 2, "the signature holds all the same");
    });
}

#[test]
fn a_caller_can_ask_not_to_be_recorded_and_the_ratio_can_be_nothing() {
    for (ratio, caller) in [(1.0, "-00"), (0.0, "-01")] {
        traced((ratio, true), async |app, collector| {
            let acme = app.tenant("acme").await;
            let hook = acme.receiver(&["customer.created"]).await;
            collector.0.spans.lock().unwrap().clear();
            let header = format!("{}{caller}", &CALLER[..CALLER.len() - 3]);
            let client = acme.client.with_header("traceparent", &header);
            let body = serde_json::json!({"email": "a@b.example", "first_name": "A",
                "last_name": "B"});
            client.post("/api/v1/customers", &body).await.unwrap();
            app.settle().await;
            assert_eq!(hook.arrivals()[0].header("traceparent"), "");
            app.stop().await;
            let spans = collector.0.spans.lock().unwrap();
            assert!(!spans.iter().any(|span| hex(&span.trace_id) == CALLERS_TRACE), "{spans:?}");
        });
    }
}

#[test]
fn a_collector_that_refuses_costs_spans_and_nothing_else() {
    traced((1.0, false), async |app, collector| {
        *collector.0.refuses.lock().unwrap() = true;
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        assert_eq!(hook.verified().len(), 1);
        app.stop().await;
        let page = app.app.probes.metrics().await;
        let lost = page.lines().find(|line| line.starts_with("tidings_spans_total{fate=\"lost\"}"));
        let count: u64 = lost.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert!(count > 5, "{page}");
        assert!(collector.0.spans.lock().unwrap().is_empty());
    });
}
