//! The inbound side: connections with timers, and an end that loses no request.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tidings_bus::{Shutdown, Tasks};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::heads;
use crate::stall::Stalling;

/// A client has so long for the head of a request, and so long between two.
const HEADER_READ: Duration = Duration::from_secs(10);
/// Requests under way have so long to end once the program ends.
const END: Duration = Duration::from_secs(10);
/// Connections at once.
const CONNECTIONS_MAX: usize = 4_096;

/// Serves until `shutdown`, then lets the requests under way end.
pub async fn serve(listener: TcpListener, router: Router, tasks: &Tasks, shutdown: Shutdown) {
    let graceful = GracefulShutdown::new();
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = tokio::select! {
            permit = std::sync::Arc::clone(&permits).acquire_owned() => permit,
            () = shutdown.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, say: wait a moment instead of spinning.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Small answers must not wait for the next packet.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
            let router = router.clone();
            async move { Ok::<_, Infallible>(answer(router, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ)
            .max_headers(100)
            .max_buf_size(64 * 1024)
            .keep_alive(true)
            .serve_connection(TokioIo::new(Stalling::new(stream)), service);
        let watched = graceful.watch(connection);
        tasks.spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(permit);
        });
    }
    drop(listener);
    tasks.streams().cancel();
    if tokio::time::timeout(END, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were cut off after {END:?}");
    }
}

/// The door gives each request its time; what is beside the door waits for nobody.
async fn answer(router: Router, request: http::Request<Incoming>) -> http::Response<Body> {
    let (head, body) = request.into_parts();
    if let Some(status) = heads::refusal(&head) {
        return closing(status);
    }
    let request = http::Request::from_parts(head, body);
    match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// A bare answer, after which the connection ends: what follows on it may be anything.
fn closing(status: StatusCode) -> http::Response<Body> {
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
