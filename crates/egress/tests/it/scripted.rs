//! A raw TCP server that says exactly what a test tells it to, and a dialler that may reach it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tidings_egress::{Egress, Exchange, Options, Policy, ResolverChoice};

/// A listening server. Its threads end with their connections, or with the test process.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Runs `script` on each connection, in a thread of its own.
    pub(crate) fn running(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (accepted, heard) = (Arc::clone(&connections), Arc::clone(&requests));
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                accepted.fetch_add(1, Ordering::SeqCst);
                let mut peer = Peer { stream, requests: Arc::clone(&heard) };
                let script = Arc::clone(&script);
                std::thread::spawn(move || script(&mut peer));
            }
        });
        Self { addr, connections, requests }
    }

    /// Answers each request on a connection with `reply`.
    pub(crate) fn replying(reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::running(move |peer| {
            while peer.hear() {
                peer.say(&reply);
            }
        })
    }

    /// Answers one request with `reply`, then closes.
    pub(crate) fn closing_after(reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::running(move |peer| {
            peer.hear();
            peer.say(&reply);
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.addr)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests as received, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// The server's end of one connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Reads one request with its body; false when the client is gone.
    pub(crate) fn hear(&mut self) -> bool {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => bytes.push(byte[0]),
                _ => return false,
            }
        }
        let head = String::from_utf8(bytes.clone()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |text| text.parse::<usize>().unwrap());
        let mut body = vec![0; length];
        if self.stream.read_exact(&mut body).is_err() {
            return false;
        }
        bytes.extend(body);
        self.requests.lock().unwrap().push(String::from_utf8(bytes).unwrap());
        true
    }

    /// Writes, ignoring that the client may be gone; false when it is.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Keeps the connection open until the client closes it.
    pub(crate) fn linger(&mut self) {
        let mut bytes = [0; 1024];
        while matches!(self.stream.read(&mut bytes), Ok(1..)) {}
    }
}

/// A dialler for the loopback interface.
pub(crate) fn local() -> Egress {
    local_with(Options::default())
}

/// A dialler for the loopback interface with given options and no names.
pub(crate) fn local_with(options: Options) -> Egress {
    let policy = Policy { allow_loopback: true, ..Policy::default() };
    let resolver = match options.resolver {
        ResolverChoice::System => ResolverChoice::Fixed(HashMap::new()),
        ResolverChoice::Fixed(names) => ResolverChoice::Fixed(names),
    };
    Egress::new(policy, Options { resolver, ..options }).unwrap()
}

/// A resolver that knows one name.
pub(crate) fn knowing(name: &str, addresses: &[&str]) -> ResolverChoice {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    ResolverChoice::Fixed(HashMap::from([(name.to_owned(), addresses)]))
}

/// Posts a small body with the given deadline in milliseconds.
pub(crate) async fn post(egress: &Egress, url: &str, deadline_ms: u64) -> Exchange {
    let target = egress.vet(url).unwrap();
    let body = Bytes::from_static(b"{\"n\":1}");
    egress.send(&target, HeaderMap::new(), body, Duration::from_millis(deadline_ms)).await
}
