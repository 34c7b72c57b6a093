//! The receiver: answers at once, and books every arrival.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::book::Book;
use crate::{Failure, tls};

/// How an endpoint behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Manner {
    /// Answers 204 at once.
    Takes = 0,
    /// Answers 500 to an event's first arrival.
    FailsFirst = 1,
    /// Takes the request and never answers.
    Hangs = 2,
}

impl Manner {
    const ALL: [Self; 3] = [Self::Takes, Self::FailsFirst, Self::Hangs];
}

/// A receiver; it ends when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    is_https: bool,
    manner: Arc<AtomicU8>,
    accepting: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Receiver {
    pub(crate) async fn start(
        book: Arc<Book>,
        manner: Manner,
        is_https: bool,
    ) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let acceptor = if is_https { Some(tls::acceptor()?) } else { None };
        let manner = Arc::new(AtomicU8::new(manner as u8));
        let now = Arc::clone(&manner);
        #[expect(clippy::disallowed_methods, reason = "it ends when the receiver is dropped")]
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (book, manner, acceptor) =
                    (Arc::clone(&book), Arc::clone(&now), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, book, manner).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, book, manner).await;
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { address, is_https, manner, accepting })
    }

    /// Behaves otherwise from now on; requests that hang go on hanging.
    pub(crate) fn behave(&self, manner: Manner) {
        self.manner.store(manner as u8, Ordering::Release);
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}/hook", self.address)
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    book: Arc<Book>,
    manner: Arc<AtomicU8>,
) {
    let answer = service_fn(move |request| {
        let manner = Manner::ALL[usize::from(manner.load(Ordering::Acquire))];
        take(Arc::clone(&book), manner, request)
    });
    // A sender that goes away is not the receiver's fault.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
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
