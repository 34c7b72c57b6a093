//! The inbound side: connections with timers, and an end that loses no request.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tidings_bus::{Shutdown, Tasks};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::descriptors::CONNECTIONS_MAX;
use crate::heads;
use crate::stall::Stalling;

/// A client has so long for the head of a request, and so long between two.
const HEADER_READ: Duration = Duration::from_secs(10);
/// Requests under way have so long to end once the program ends.
const END: Duration = Duration::from_secs(10);
/// So long it waits after it could not accept, instead of spinning.
const BACK_OFF: Duration = Duration::from_millis(50);

/// Serves until `shutdown`, then lets the requests under way end.
pub async fn serve(listener: TcpListener, router: Router, tasks: &Tasks, shutdown: Shutdown) {
    serve_at_most(CONNECTIONS_MAX, listener, router, tasks, shutdown).await;
}

/// The same with so many connections at once; who comes then waits in the kernel's queue.
pub async fn serve_at_most(
    connections_max: usize,
    listener: TcpListener,
    router: Router,
    tasks: &Tasks,
    shutdown: Shutdown,
) {
    let graceful = GracefulShutdown::new();
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(connections_max));
    let mut fails = false;
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
                // Told once, and not twenty times a second while it lasts.
                if !std::mem::replace(&mut fails, true) {
                    tracing::warn!(%error, "connections cannot be accepted");
                }
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        if std::mem::take(&mut fails) {
            tracing::info!("connections are accepted again");
        }
        let watched = graceful.watch(connection(stream, router.clone()));
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

/// One connection, with its timers.
fn connection(stream: TcpStream, router: Router) -> impl GracefulConnection<Error = hyper::Error> {
    // Small answers must not wait for the next packet.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let router = router.clone();
        async move { Ok::<_, Infallible>(answer(router, request).await) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ)
        .max_headers(100)
        .max_buf_size(64 * 1024)
        .keep_alive(true)
        .serve_connection(TokioIo::new(Stalling::new(stream)), service)
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
