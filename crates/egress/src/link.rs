//! One HTTP/1.1 connection, driven by whoever holds it.
//!
//! hyper splits a connection into a sender and a driver that is usually spawned. Here the holder
//! of the link polls both. That saves a task switch per request, leaves no task to outlive a
//! shutdown, and makes dropping a link the same as closing the connection.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::stream::{Gauge, Stream, Wire};

/// Largest head of a reply, and the most that hyper buffers, in bytes.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

pub(crate) struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection is over.
    driver: Option<Connection<TokioIo<Stream>, Full<Bytes>>>,
    gauge: Arc<Gauge>,
    born_at: Instant,
}

impl Link {
    pub(crate) async fn over(wire: Wire, born_at: Instant) -> hyper::Result<Box<Self>> {
        let gauge = Arc::new(Gauge::default());
        let stream = Stream { wire, gauge: Arc::clone(&gauge) };
        // hyper's own limit of 100 headers stays: setting it would cost an allocation per reply.
        let (sender, driver) = Builder::new()
            .http09_responses(false)
            .max_buf_size(BUFFER_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Box::new(Self { sender, driver: Some(driver), gauge, born_at }))
    }

    pub(crate) fn born_at(&self) -> Instant {
        self.born_at
    }

    /// Whether the receiver is not taking our bytes at this moment.
    pub(crate) fn is_write_blocked(&self) -> bool {
        self.gauge.is_write_blocked()
    }

    /// Sends a request and waits for the head of its reply.
    pub(crate) async fn request(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        self.gauge.reset();
        let head = self.sender.send_request(request);
        self.drive(head).await
    }

    /// Runs `work`, which waits for this connection, together with the connection.
    pub(crate) async fn drive<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            // First, so that the driver learns in this turn what is wanted of it.
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            self.turn(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Whether the connection can take a request now. Notices what happened while it was idle:
    /// a close, or bytes that nobody asked for.
    pub(crate) async fn is_ready(&mut self) -> bool {
        std::future::poll_fn(|cx| {
            self.turn(cx);
            let is_whole = self.driver.is_some() && !self.gauge.is_cut();
            Poll::Ready(is_whole && self.sender.is_ready())
        })
        .await
    }

    fn turn(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(cx).is_ready()
        {
            // Dropping it settles whatever still waits for it.
            self.driver = None;
        }
    }
}
