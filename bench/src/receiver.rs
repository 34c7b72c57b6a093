//! The receiver: answers at once, and books every arrival.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Failure;
use crate::book::Book;

/// How an endpoint behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers 204 at once.
    Takes,
    /// Answers 500 to an event's first arrival.
    FailsFirst,
    /// Takes the request and never answers.
    Hangs,
}

/// A receiver; it ends when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Receiver {
    pub(crate) async fn start(book: Arc<Book>, manner: Manner) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        #[expect(clippy::disallowed_methods, reason = "it ends when the receiver is dropped")]
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let book = Arc::clone(&book);
                let answer = service_fn(move |request| take(Arc::clone(&book), manner, request));
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(serving);
            }
        });
        Ok(Self { address, accepting })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

async fn take(
    book: Arc<Book>,
    manner: Manner,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    if manner == Manner::Hangs {
        std::future::pending::<()>().await;
    }
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let first = Book::number(&body).is_some_and(|number| book.arrived(number));
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = if manner == Manner::FailsFirst && first {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::NO_CONTENT
    };
    Ok(answer)
}
