//! A machine that has no descriptor left for a connection: that is no fault of an endpoint.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tidings_egress::{Connecting, Duplex, Network, NetworkChoice};
use tidings_testkit::{TestApp, TestEngine};
use tokio::net::TcpStream;

/// More failures than open a breaker, and than a delivery has attempts.
const SHORTAGES: usize = 25;

/// The machine's network, which has nothing left for the first connections.
struct Short(AtomicUsize);

impl Network for Short {
    fn connect(&self, to: SocketAddr) -> Connecting {
        let taken =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        Box::pin(async move {
            if taken.is_ok() {
                return Err(io::Error::from(rustix::io::Errno::MFILE));
            }
            let stream = TcpStream::connect(to).await?;
            Ok(Box::new(stream) as Box<dyn Duplex>)
        })
    }
}

async fn run(engine: TestEngine) {
    let network = NetworkChoice::Given(Arc::new(Short(AtomicUsize::new(SHORTAGES))));
    let Some(app) = TestApp::start_over(engine, network).await else { return };
    let acme = app.tenant("acme").await;
    let hook = acme.receiver(&["customer.created", "webhook.endpoint.failing"]).await;

    // A question to an endpoint cannot be asked either, and is not answered for it.
    let body = json!({"url": hook.url(), "events": ["customer.deleted"], "handshake": true});
    let unasked = acme.post("/api/v1/webhooks/subscriptions", body).await;
    assert_eq!(unasked.status, StatusCode::SERVICE_UNAVAILABLE, "{}", unasked.json());
    assert!(unasked.headers.contains_key("retry-after"), "{:?}", unasked.headers);

    acme.customer("ada@example.com").await;
    app.settle().await;
    assert_eq!(hook.count(), 0);
    let waiting = acme.get("/api/v1/webhooks/deliveries?status=pending").await.json();
    assert_eq!(
        (&waiting["data"][0]["attempts"], &waiting["data"][0]["last_error"]),
        (&json!(0), &json!(null)),
        "{waiting}"
    );
    for _ in 0..SHORTAGES {
        app.advance(Duration::from_secs(2)).await;
    }
    assert_eq!(hook.names(), ["customer.created"], "neither failing nor left alone");
    let log = acme.get("/api/v1/webhooks/deliveries").await.json();
    assert_eq!(
        (&log["data"][0]["status"], &log["data"][0]["attempts"]),
        (&json!("delivered"), &json!(1)),
        "{log}"
    );
    let page = app.app.probes.metrics().await;
    let put_off = format!("tidings_attempts_put_off_total {}\n", SHORTAGES - 1);
    assert!(page.contains(&put_off), "{page}");
    app.end().await;
}

#[test]
fn what_this_machine_lacks_counts_against_no_endpoint() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for engine in [TestEngine::Sqlite, TestEngine::Postgres] {
        runtime.block_on(run(engine));
    }
}
