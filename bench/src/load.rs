//! Publishers: kept-open connections, one request under way on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Failure;
use crate::book::Book;

/// What is sent, and how fast.
pub(crate) struct Load {
    /// The nodes; publishers are spread over them.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) path: String,
    /// One for each tenant; they take turns.
    pub(crate) keys: Vec<String>,
    /// The body for an event's number.
    pub(crate) body: fn(usize, usize) -> String,
    /// Bytes of filling in each body.
    pub(crate) filling: usize,
    /// Events a second; as fast as they are taken unless told.
    pub(crate) rate: Option<u32>,
    pub(crate) length: Duration,
    pub(crate) publishers: usize,
    pub(crate) book: Arc<Book>,
}

/// Publishes until the time or the book is over. Says how many requests were refused.
pub(crate) async fn publish(load: Load) -> Result<usize, Failure> {
    let load = Arc::new(load);
    let (next, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let mut publishers = JoinSet::new();
    for publisher in 0..load.publishers {
        let (load, next, refused) = (Arc::clone(&load), Arc::clone(&next), Arc::clone(&refused));
        let address = load.addresses[publisher % load.addresses.len()];
        publishers.spawn(async move { publish_on(address, &load, (&next, &refused), began).await });
    }
    while let Some(ended) = publishers.join_next().await {
        ended??;
    }
    Ok(refused.load(Ordering::Relaxed))
}

async fn publish_on(
    address: SocketAddr,
    load: &Load,
    (next, refused): (&AtomicUsize, &AtomicUsize),
    began: Instant,
) -> Result<(), Failure> {
    let mut connection = connect(address).await?;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if let Some(rate) = load.rate {
            let due = began + Duration::from_secs_f64(number as f64 / f64::from(rate));
            tokio::time::sleep_until(due.into()).await;
        }
        if number >= load.book.room() || began.elapsed() >= load.length {
            return Ok(());
        }
        let request = Request::builder()
            .method(Method::POST)
            .uri(&load.path)
            .header(HOST, "127.0.0.1")
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, &load.keys[number % load.keys.len()])
            .body(Full::new(Bytes::from((load.body)(number, load.filling))))?;
        load.book.sent(number);
        let answer = connection.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status.is_success() {
            load.book.accepted(number);
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            refused.fetch_add(1, Ordering::Relaxed);
        } else {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
    }
}

/// A connection to an address of this machine.
async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    #[expect(clippy::disallowed_methods, reason = "it ends with its connection")]
    tokio::spawn(connection);
    Ok(sender)
}
