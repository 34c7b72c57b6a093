//! Reuse, refusals, names and TLS.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tidings_egress::{
    Egress, Options, Phase, Policy, ResolverChoice, SendError, SetupError, Timeouts,
};

use crate::scripted::{Server, knowing, local, local_with, post};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_serves_again() {
    let server = Server::replying(OK);
    let egress = local();
    for turn in 0..3 {
        let exchange = post(&egress, &server.url(), 2_000).await;
        assert_eq!(exchange.outcome.unwrap().status, 200);
        assert_eq!(exchange.phases.reused, turn > 0);
        assert_eq!(exchange.phases.connect.is_none(), turn > 0);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn concurrent_sends_share_the_pool() {
    let server = Server::replying(OK);
    let egress = local();
    for _ in 0..3 {
        let url = server.url();
        let (a, b, c) = tokio::join!(
            post(&egress, &url, 2_000),
            post(&egress, &url, 2_000),
            post(&egress, &url, 2_000)
        );
        for exchange in [a, b, c] {
            assert_eq!(exchange.outcome.unwrap().status, 200);
        }
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn reuse_can_be_off_and_idle_connections_expire() {
    let server = Server::replying(OK);
    let none = local_with(Options { idle_per_target: 0, ..Options::default() });
    let brief = local_with(Options { idle_for: Duration::from_millis(20), ..Options::default() });
    for egress in [none, brief] {
        for _ in 0..2 {
            assert!(!post(&egress, &server.url(), 2_000).await.phases.reused);
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn a_dead_idle_connection_is_noticed() {
    let closed = Server::closing_after(OK);
    // Bytes that nobody asked for could be taken for the next reply.
    let chatty = Server::running(|peer| {
        peer.hear();
        peer.say(OK.as_bytes());
        std::thread::sleep(Duration::from_millis(20));
        peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong");
        peer.linger();
    });
    for server in [closed, chatty] {
        let egress = local();
        for _ in 0..2 {
            let exchange = post(&egress, &server.url(), 2_000).await;
            assert_eq!(&exchange.outcome.unwrap().body[..], b"ok");
            assert!(!exchange.phases.reused);
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_reply_before_the_request_is_not_ours() {
    let server = Server::running(|peer| {
        peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        peer.linger();
    });
    let exchange = post(&local(), &server.url(), 500).await;
    // Whoever is faster decides; neither a panic nor a kept connection may follow.
    assert!(exchange.phases.total < Duration::from_secs(1));
}

#[tokio::test]
async fn a_reused_connection_that_fails_is_not_sent_twice() {
    let server = Server::running(|peer| {
        peer.hear();
        peer.say(OK.as_bytes());
        peer.hear();
    });
    let egress = local();
    assert!(post(&egress, &server.url(), 2_000).await.outcome.is_ok());
    let exchange = post(&egress, &server.url(), 2_000).await;
    assert!(exchange.phases.reused);
    assert_eq!(exchange.outcome.unwrap_err(), SendError::Reset);
    assert_eq!((server.connections(), server.requests().len()), (1, 2));
}

#[tokio::test]
async fn nobody_listening_is_refused() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let exchange = post(&local(), &format!("http://{free}/"), 2_000).await;
    assert_eq!(exchange.outcome.unwrap_err(), SendError::Refused);
    assert!(exchange.phases.connect.is_none());
}

#[tokio::test]
async fn a_receiver_that_stops_reading_times_out_in_send() {
    let server = Server::running(|_| std::thread::sleep(Duration::from_secs(2)));
    let egress = local();
    let target = egress.vet(&server.url()).unwrap();
    let body = Bytes::from(vec![b'x'; 16 << 20]);
    let exchange = egress.send(&target, HeaderMap::new(), body, Duration::from_millis(300)).await;
    assert_eq!(exchange.outcome.unwrap_err(), SendError::Timeout(Phase::Send));
    assert!(exchange.phases.total < Duration::from_millis(800));
}

/// The large bodies are more than all buffers on the way hold, so the sender still writes when the
/// answer comes.
#[tokio::test]
async fn a_receiver_that_refuses_early_and_closes_is_heard() {
    for (status, header, length) in [
        (413, "", 16 << 20),
        (200, "", 16 << 20),
        (413, "connection: close\r\n", 16 << 20),
        (413, "connection: close\r\n", 240 << 10),
    ] {
        let server = Server::running(move |peer| {
            let mut start = [0; 64];
            std::io::Read::read_exact(&mut peer.stream, &mut start).unwrap();
            let head = format!("HTTP/1.1 {status} X\r\n{header}content-length: 2\r\n\r\nno");
            peer.say(head.as_bytes());
            // It is closed with our body unread, which resets the connection.
        });
        let egress = local();
        let target = egress.vet(&server.url()).unwrap();
        for round in 0..20 {
            let body = Bytes::from(vec![b'x'; length]);
            let exchange =
                egress.send(&target, HeaderMap::new(), body, Duration::from_secs(5)).await;
            let reply = exchange.outcome.unwrap_or_else(|error| {
                panic!("{status} after {length} bytes, round {round}: {error}")
            });
            assert_eq!(reply.status, status);
        }
        assert_eq!(server.connections(), 20, "a connection that was cut is not used again");
    }
}

#[tokio::test]
async fn a_reply_while_the_body_is_still_on_its_way_counts() {
    let server = Server::running(|peer| {
        let mut start = [0; 64];
        std::io::Read::read_exact(&mut peer.stream, &mut start).unwrap();
        peer.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno");
        std::thread::sleep(Duration::from_millis(100));
    });
    let egress = local();
    let target = egress.vet(&server.url()).unwrap();
    let body = Bytes::from(vec![b'x'; 16 << 20]);
    let exchange = egress.send(&target, HeaderMap::new(), body, Duration::from_secs(2)).await;
    let reply = exchange.outcome.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (413, &b"no"[..]));
    assert!(!post(&egress, &server.url(), 500).await.phases.reused, "it is still owed a body");
}

/// The dispatcher runs many of these on a runtime with threads.
#[test]
fn a_send_can_move_between_threads() {
    fn assert_send<T: Send>(_: &T) {}
    let egress = local();
    let target = egress.vet("http://127.0.0.1:8080/").unwrap();
    let send = egress.send(&target, HeaderMap::new(), Bytes::new(), Duration::from_secs(1));
    assert_send(&send);
    assert!(std::mem::size_of_val(&send) < 4096, "{}", std::mem::size_of_val(&send));
}

#[tokio::test]
async fn framing_headers_of_the_caller_are_dropped() {
    let server = Server::replying(OK);
    let egress = local();
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("other.example"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("1"));
    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert("x-own", HeaderValue::from_static("kept"));
    let target = egress.vet(&server.url()).unwrap();
    let body = Bytes::from_static(b"body");
    let exchange = egress.send(&target, headers, body, Duration::from_secs(2)).await;
    assert_eq!(exchange.outcome.unwrap().status, 200);
    let request = server.requests().remove(0);
    assert!(request.contains("x-own: kept\r\n") && request.contains("content-length: 4\r\n"));
    for absent in ["other.example", "chunked", "connection"] {
        assert!(!request.contains(absent), "{absent}");
    }
}

#[tokio::test]
async fn localhost_needs_no_resolver() {
    let server = Server::replying(OK);
    let url = format!("http://localhost:{}/", server.addr.port());
    let exchange = post(&local(), &url, 2_000).await;
    assert_eq!(exchange.outcome.unwrap().status, 200);
    assert!(exchange.phases.dns.is_none());
}

/// Nothing is dialled when one answer is bad, whatever the others are.
#[tokio::test]
async fn one_bad_address_refuses_the_name() {
    let bad = [
        &["93.184.216.34", "10.0.0.1"][..],
        &["169.254.169.254"],
        &["2606:4700::1", "::ffff:127.0.0.1"],
        &["127.0.0.1"],
        &["93.184.216.34", "2606:4700::1", "fd00:ec2::254"],
    ];
    for addresses in bad {
        let resolver = knowing("rebind.example", addresses);
        let options = Options { resolver, ..Options::default() };
        let egress = Egress::new(Policy::default(), options).unwrap();
        let exchange = post(&egress, "https://rebind.example/", 2_000).await;
        let error = exchange.outcome.unwrap_err();
        assert_eq!(error, SendError::BlockedAddress, "{addresses:?}");
        assert_eq!(error.class(), "blocked_address");
        assert!(exchange.phases.connect.is_none());
    }
}

#[tokio::test]
async fn names_resolve_or_fail_as_dns() {
    let server = Server::replying(OK);
    let policy = Policy { allow_loopback: true, https_only: false, ..Policy::default() };
    let resolver = knowing("two.example", &["127.0.0.2", "127.0.0.1"]);
    let egress = Egress::new(policy, Options { resolver, ..Options::default() }).unwrap();
    let port = server.addr.port();
    // The first address refuses; the second one is tried.
    let exchange = post(&egress, &format!("http://two.example:{port}/"), 2_000).await;
    assert_eq!(exchange.outcome.unwrap().status, 200);
    assert!(exchange.phases.dns.is_some());
    let exchange = post(&egress, "http://absent.example/", 2_000).await;
    assert_eq!(exchange.outcome.unwrap_err(), SendError::Dns);
}

/// A TLS server for `receiver.example` and `127.0.0.1`. Its key and certificate, and the authority
/// behind them, were made for these tests alone and open nothing.
fn tls_server() -> Server {
    let certificate = CertificateDer::from(&include_bytes!("fixtures/leaf.der")[..]);
    let key = PrivateKeyDer::try_from(&include_bytes!("fixtures/leaf-key.der")[..]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    Server::running(move |peer| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::Stream::new(&mut tls, &mut peer.stream);
        let mut bytes = [0; 4096];
        while matches!(std::io::Read::read(&mut stream, &mut bytes), Ok(1..)) {
            if std::io::Write::write_all(&mut stream, OK.as_bytes()).is_err() {
                return;
            }
        }
    })
}

fn with_roots(extra_roots: Vec<CertificateDer<'static>>) -> Result<Egress, SetupError> {
    let mut options = Options { extra_roots, ..Options::default() };
    options.resolver = knowing("receiver.example", &["127.0.0.1"]);
    if let ResolverChoice::Fixed(names) = &mut options.resolver {
        names.insert("other.example".to_owned(), vec!["127.0.0.1".parse().unwrap()]);
    }
    Egress::new(Policy { allow_loopback: true, ..Policy::default() }, options)
}

fn authority() -> CertificateDer<'static> {
    CertificateDer::from(&include_bytes!("fixtures/ca.der")[..])
}

#[tokio::test]
async fn tls_is_by_name_and_by_trusted_roots() {
    let server = tls_server();
    let port = server.addr.port();
    let trusting = with_roots(vec![authority()]).unwrap();
    for host in ["receiver.example", "127.0.0.1"] {
        let exchange = post(&trusting, &format!("https://{host}:{port}/"), 2_000).await;
        assert_eq!(exchange.outcome.unwrap().status, 200, "{host}");
        assert!(exchange.phases.tls.is_some() && !exchange.phases.reused);
    }
    let url = format!("https://receiver.example:{port}/");
    assert!(post(&trusting, &url, 2_000).await.phases.reused);

    let wrong_name = post(&trusting, &format!("https://other.example:{port}/"), 2_000).await;
    assert_eq!(wrong_name.outcome.unwrap_err(), SendError::Tls);
    let wary = with_roots(Vec::new()).unwrap();
    assert_eq!(post(&wary, &url, 2_000).await.outcome.unwrap_err(), SendError::Tls);
}

#[tokio::test]
async fn tls_with_a_plain_or_silent_peer_fails_in_time() {
    let plain = Server::running(|peer| {
        peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        peer.linger();
    });
    let url = format!("https://{}/", plain.addr);
    assert_eq!(post(&local(), &url, 2_000).await.outcome.unwrap_err(), SendError::Tls);

    let silent = Server::running(crate::scripted::Peer::linger);
    let timeouts = Timeouts { tls: Duration::from_millis(100), ..Timeouts::default() };
    let egress = local_with(Options { timeouts, ..Options::default() });
    let exchange = post(&egress, &format!("https://{}/", silent.addr), 2_000).await;
    assert_eq!(exchange.outcome.unwrap_err(), SendError::Timeout(Phase::Tls));
    assert!(exchange.phases.total < Duration::from_millis(600));
}

#[tokio::test]
async fn a_root_that_is_no_certificate_is_a_setup_error() {
    let garbage = CertificateDer::from(b"not a certificate".to_vec());
    assert!(matches!(with_roots(vec![garbage]), Err(SetupError::Tls(_))));
}
