//! The inbound side: connections with timers, and an end that loses no request.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tidings_bus::{Shutdown, Tasks};
use tokio::net::TcpListener;
use tower::ServiceExt;

/// A client has so long for the head of a request, and so long between two.
const HEADER_READ: Duration = Duration::from_secs(10);
/// The whole of a request.
const REQUEST: Duration = Duration::from_mins(1);
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
            .serve_connection(TokioIo::new(stream), service);
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

async fn answer(router: Router, request: http::Request<Incoming>) -> http::Response<Body> {
    let answered = tokio::time::timeout(REQUEST, router.oneshot(request.map(Body::new))).await;
    match answered {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => {
            let mut response = http::Response::new(Body::empty());
            *response.status_mut() = http::StatusCode::REQUEST_TIMEOUT;
            response
        }
    }
}
