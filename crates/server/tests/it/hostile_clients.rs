//! The listener and clients that are slow, or that send what two readers would read differently.
//!
//! The clock of the runtime stands still and jumps over waiting, so that timers cost no time.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{any, get};
use http::StatusCode;
use tidings_bus::{Shutdown, Tasks};
use tidings_server::serve;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// More than the buffers of two sockets hold.
const LARGE: usize = 32 << 20;
/// The last request of a connection: its answer shows that what came before was understood.
const END: &[u8] = b"GET /end HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// A listener whose every path takes a body, and answers 200.
struct Listener {
    address: std::net::SocketAddr,
    stop: Shutdown,
}

impl Listener {
    async fn start() -> Self {
        let router = Router::new()
            .route("/end", get(async || StatusCode::NO_CONTENT))
            .route("/large", get(async || vec![b'x'; LARGE]))
            .fallback(any(async |_: Bytes| StatusCode::OK));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, tasks) = (Shutdown::new(), Tasks::default());
        let end = stop.clone();
        tasks.clone().spawn(async move { serve(listener, router, &tasks, end).await });
        Self { address, stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and a last request, and gives the status of each answer until the end.
    async fn statuses(&self, bytes: &[u8]) -> Vec<u16> {
        let mut stream = self.connect().await;
        // Who is refused early may be cut off before all is sent.
        let _ = stream.write_all(&[bytes, END].concat()).await;
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers).await;
        let answers = String::from_utf8_lossy(&answers).into_owned();
        let heads = answers.split("HTTP/1.").skip(1);
        heads.map(|head| head.get(2..5).unwrap_or_default().parse().unwrap()).collect()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{headers}\r\n{body}").into_bytes()
}

const CHUNKED: &str = "transfer-encoding: chunked\r\n";
const LAST_CHUNK: &str = "0\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn what_is_understood_is_answered_and_so_is_what_follows() {
    let listener = Listener::start().await;
    for (name, bytes) in [
        ("nothing", Vec::new()),
        ("no body", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a length", post("content-length: 2\r\n", "{}")),
        ("the same length twice", post("content-length: 2\r\ncontent-length: 2\r\n", "{}")),
        ("chunks", post(CHUNKED, "2\r\n{}\r\n0\r\n\r\n")),
        ("chunks and trailers", post(CHUNKED, "2;a=b\r\n{}\r\n0\r\nx: y\r\n\r\n")),
        ("a tab before the coding", post("transfer-encoding:\tchunked\r\n", LAST_CHUNK)),
        (
            "a body with GET",
            [b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 48\r\n\r\n", END].concat(),
        ),
        ("a whole address", b"GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n".to_vec()),
        ("another protocol", b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\n\r\n".to_vec()),
    ] {
        let mut wanted = vec![200, 204];
        if name == "nothing" {
            wanted.remove(0);
        }
        assert_eq!(listener.statuses(&bytes).await, wanted, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_two_readers_may_read_differently_is_refused_and_nothing_follows() {
    let listener = Listener::start().await;
    let headers = |count| "x: y\r\n".repeat(count);
    for (name, bytes) in [
        ("two lengths", post("content-length: 2\r\ncontent-length: 3\r\n", "{} ")),
        ("a list of lengths", post("content-length: 2, 2\r\n", "{}")),
        ("a length with a sign", post("content-length: +2\r\n", "{}")),
        ("a negative length", post("content-length: -1\r\n", "")),
        ("an endless length", post("content-length: 99999999999999999999\r\n", "")),
        ("another coding", post("transfer-encoding: gzip\r\n", LAST_CHUNK)),
        ("a coding after chunks", post("transfer-encoding: chunked, identity\r\n", LAST_CHUNK)),
        ("almost chunks", post("transfer-encoding: xchunked\r\n", LAST_CHUNK)),
        ("a space before the colon", post("transfer-encoding : chunked\r\n", LAST_CHUNK)),
        (
            "chunks in HTTP/1.0",
            b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        ),
        ("a chunk without a size", post(CHUNKED, "zz\r\n\r\n")),
        ("a chunk with a sign", post(CHUNKED, "+2\r\n{}\r\n0\r\n\r\n")),
        ("an endless chunk", post(CHUNKED, "FFFFFFFFFFFFFFFFF\r\n\r\n")),
        ("a chunk's bare line end", post(CHUNKED, "2\n{}\r\n0\r\n\r\n")),
        ("no line end after a chunk", post(CHUNKED, "2\r\n{}0\r\n\r\n")),
        (
            "endless words about a chunk",
            post(CHUNKED, &format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "a".repeat(20_000))),
        ),
        ("a bare carriage return", b"GET / HTTP/1.1\r\nhost: a\rx: y\r\n\r\n".to_vec()),
        ("a folded line", b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n".to_vec()),
        ("a folded first line", b"GET / HTTP/1.1\r\n host: a\r\n\r\n".to_vec()),
        ("a null", b"GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n".to_vec()),
        ("two spaces", b"GET  / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec()),
        ("another version", b"GET / HTTP/2.7\r\nhost: a\r\n\r\n".to_vec()),
        ("no host", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("two hosts", b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_vec()),
        ("a host with a space", b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n".to_vec()),
        ("the start of TLS", b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03".to_vec()),
    ] {
        assert_eq!(listener.statuses(&bytes).await, [400], "{name}");
    }
    for (name, bytes) in [
        ("101 headers", post(&headers(101), "")),
        ("a header of 40 KB", post(&format!("x: {}\r\n", "y".repeat(40_000)), "")),
        ("a header of 1 MB", post(&format!("x: {}\r\n", "y".repeat(1_000_000)), "")),
    ] {
        assert_eq!(listener.statuses(&bytes).await, [431], "{name}");
    }
    assert_eq!(listener.statuses(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, [0_u16; 0], "HTTP/2");
}

/// A length beside chunks: the chunks count, and the connection ends, as RFC 9112 section 6.1 has it.
#[tokio::test(start_paused = true)]
async fn nothing_is_read_after_a_length_beside_chunks() {
    let listener = Listener::start().await;
    let hidden = "POST /hidden HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    for order in [["content-length: 5\r\n", CHUNKED], [CHUNKED, "content-length: 5\r\n"]] {
        let bytes = post(&order.concat(), &format!("{LAST_CHUNK}{hidden}"));
        assert_eq!(listener.statuses(&bytes).await, [200], "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_has_ten_seconds() {
    let listener = Listener::start().await;
    for start in
        ["", "GET / HT", "GET / HTTP/1.1\r\nhost: a\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"]
    {
        let mut stream = listener.connect().await;
        let began = Instant::now();
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers).await;
        let took = began.elapsed();
        assert!((10..=11).contains(&took.as_secs()), "{start:?}: {took:?}");
    }
}

/// A byte now and then does not help.
#[tokio::test(start_paused = true)]
async fn a_head_that_drips_has_ten_seconds_as_well() {
    let listener = Listener::start().await;
    let (mut reader, mut writer) = listener.connect().await.into_split();
    let began = Instant::now();
    writer.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx: ").await.unwrap();
    let drip = async {
        while writer.write_all(b"y").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut answers = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = reader.read_to_end(&mut answers) => {}
    }
    assert!((10..=12).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_the_answer_is_cut_off() {
    let listener = Listener::start().await;
    let ask = b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    for (wait, whole) in [(Duration::from_secs(1), true), (Duration::from_secs(60), false)] {
        let mut stream = listener.connect().await;
        stream.write_all(ask).await.unwrap();
        tokio::time::sleep(wait).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer.len() > LARGE, whole, "{} bytes after {wait:?}", answer.len());
    }
}
