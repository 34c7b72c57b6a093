//! Hostile and honest replies, byte by byte.

use std::time::Duration;

use tidings_egress::{Exchange, Phase, Reply, SendError};

use crate::scripted::{Server, local, post};

async fn reply_to(bytes: impl Into<Vec<u8>>) -> Exchange {
    let server = Server::closing_after(bytes);
    post(&local(), &server.url(), 2_000).await
}

async fn good(bytes: impl Into<Vec<u8>>) -> Reply {
    reply_to(bytes).await.outcome.unwrap()
}

#[tokio::test]
async fn a_request_says_what_it_should() {
    let server = Server::replying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: b\r\n\r\nok");
    let exchange = post(&local(), &server.url(), 2_000).await;
    let reply = exchange.outcome.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (200, &b"ok"[..]));
    assert_eq!(reply.headers["x-a"], "b");
    assert!(!reply.body_truncated && !reply.body_error);
    let phases = exchange.phases;
    assert!(phases.connect.is_some() && phases.first_byte.is_some());
    assert!(phases.dns.is_none() && phases.tls.is_none() && !phases.reused);
    assert!(phases.body.is_some());
    assert!(phases.total >= phases.first_byte.unwrap());

    let request = server.requests().remove(0);
    let mut lines: Vec<_> = request.lines().collect();
    assert_eq!(lines.remove(0), "POST /hook?a=b HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {}", server.addr);
    let expected =
        ["", "accept-encoding: identity", "content-length: 7", host.as_str(), "{\"n\":1}"];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn every_status_is_a_reply() {
    let plain = [
        200, 201, 202, 203, 204, 205, 206, 226, 299, 300, 301, 302, 303, 304, 305, 307, 308, 400,
        401, 403, 404, 405, 408, 409, 410, 411, 413, 418, 421, 422, 425, 429, 451, 499, 500, 502,
        503, 504, 599, 600, 999,
    ];
    for status in plain {
        let head = format!(
            "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\n\r\n"
        );
        let reply = good(head).await;
        assert_eq!(reply.status, status);
        assert!(reply.body.is_empty() && !reply.body_error);
    }
}

#[tokio::test]
async fn odd_but_legal_heads_are_read() {
    let legal: [&[u8]; 8] = [
        b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nx: caf\xe9 \xff\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nbad",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nx-trailer: 1\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ];
    for head in legal {
        let reply = good(head).await;
        assert!(!reply.body_error, "{}", String::from_utf8_lossy(head));
    }
}

/// Whatever a reply calls its body, the bytes are kept as they came, and unpacked by nobody.
#[tokio::test]
async fn no_word_about_a_body_changes_it() {
    let nested = format!("content-encoding: {}", ["gzip"; 50].join(", "));
    let cookies = "set-cookie: a=b; path=/\r\n".repeat(20) + "x: y";
    for header in [
        "content-encoding: gzip",
        "content-encoding: br",
        "content-encoding: zstd",
        "content-encoding: nonsense",
        nested.as_str(),
        "content-type: \u{e4}\u{f6}; charset=\"",
        "content-type: text/html; charset=utf-7",
        "content-type: ",
        "content-disposition: attachment; filename=\"../../x\"",
        "refresh: 0; url=http://127.0.0.1/",
        "location: http://169.254.169.254/",
        "alt-svc: h2=\"127.0.0.1:1\"",
        "strict-transport-security: max-age=-1",
        cookies.as_str(),
    ] {
        let body = b"\x1f\x8b\x00<script>\xff\r\n\0";
        let head = format!("HTTP/1.1 200 OK\r\n{header}\r\ncontent-length: {}\r\n\r\n", body.len());
        let reply = good([head.as_bytes(), body].concat()).await;
        assert_eq!((reply.status, &reply.body[..]), (200, &body[..]), "{header}");
        assert!(!reply.body_error && !reply.body_truncated, "{header}");
    }
}

/// A location may be as long as a head, and no longer; it is never gone to.
#[tokio::test]
async fn a_long_location_is_a_header_like_any_other() {
    for (length, outcome) in [(10_000, Ok(302)), (10 << 20, Err(SendError::Protocol))] {
        let location = "a".repeat(length);
        let server = Server::running(move |peer| {
            peer.hear();
            peer.say(format!("HTTP/1.1 302 Found\r\nlocation: /{location}\r\n\r\n").as_bytes());
            peer.linger();
        });
        let exchange = post(&local(), &server.url(), 2_000).await;
        let status = exchange.outcome.map(|reply| reply.status);
        // Without a length the body of a redirect lasts until the deadline; the status stands.
        assert_eq!(status, outcome, "{length}");
        assert_eq!(server.connections(), 1);
    }
}

/// A reply whose framing is said twice is read in one way, and its connection serves nobody else.
#[tokio::test]
async fn a_length_beside_chunks_does_not_smuggle_a_reply() {
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
    ] {
        let hidden = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhidden";
        let server =
            Server::replying(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n0\r\n\r\n{hidden}"));
        let egress = local();
        for _ in 0..2 {
            let exchange = post(&egress, &server.url(), 2_000).await;
            assert!(!exchange.phases.reused, "{headers}");
            if let Ok(reply) = exchange.outcome {
                assert!(!reply.body.starts_with(b"hidden"), "{headers}");
            }
        }
    }
}

#[tokio::test]
async fn words_about_a_chunk_have_a_bound() {
    let server = Server::running(|peer| {
        peer.hear();
        peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;");
        while peer.say(&[b'a'; 4_096]) {}
    });
    let exchange = post(&local(), &server.url(), 2_000).await;
    let reply = exchange.outcome.unwrap();
    assert!(reply.body_error && reply.body.is_empty() && reply.status == 200);
    assert!(exchange.phases.total < Duration::from_secs(1), "not waited for until the deadline");
}

#[tokio::test]
async fn garbage_is_a_protocol_error() {
    let long_reason = format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(1 << 20));
    let long_value = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let flood = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(100_000));
    let just_too_many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101));
    let interim_flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100_000);
    let garbage: [&[u8]; 18] = [
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/3.7 200 OK\r\n\r\n",
        b"<html>hello</html>\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 -1 OK\r\n\r\n",
        b"HTTP/1.1 20a OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        long_reason.as_bytes(),
        long_value.as_bytes(),
        flood.as_bytes(),
        just_too_many.as_bytes(),
        interim_flood.as_bytes(),
    ];
    for bytes in garbage {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let server = Server::running({
            let bytes = bytes.to_vec();
            move |peer| {
                peer.hear();
                peer.say(&bytes);
                peer.linger();
            }
        });
        let exchange = post(&local(), &server.url(), 2_000).await;
        assert_eq!(exchange.outcome.unwrap_err(), SendError::Protocol, "{text:?}");
    }
}

#[tokio::test]
async fn one_hundred_headers_are_still_fine() {
    let headers = "h: v\r\n".repeat(99);
    let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n");
    assert_eq!(good(head).await.headers.len(), 100);
}

#[tokio::test]
async fn a_connection_that_ends_early_is_reset() {
    for bytes in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 100 Continue\r\n\r\n"] {
        let error = reply_to(bytes).await.outcome.unwrap_err();
        assert_eq!(error, SendError::Reset, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(error.class(), "reset");
    }
    // Closed without reading the request: the kernel sends a reset.
    let server = Server::running(|_| std::thread::sleep(Duration::from_millis(20)));
    let exchange = post(&local(), &server.url(), 2_000).await;
    assert_eq!(exchange.outcome.unwrap_err(), SendError::Reset);
}

#[tokio::test]
async fn a_broken_body_does_not_take_the_status_back() {
    let broken: [&[u8]; 5] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nFFFFFFFFFFFFFFFF\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nFFFFFFFFFFFFFFFFFF\r\n",
    ];
    for bytes in broken {
        let reply = good(bytes).await;
        let text = String::from_utf8_lossy(bytes);
        assert_eq!((reply.status, &reply.body[..]), (200, &b"abc"[..]), "{text}");
        assert!(reply.body_error, "{text}");
    }
}

#[tokio::test]
async fn an_endless_body_is_cut() {
    let heads = [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    ];
    for head in heads {
        let server = Server::running(move |peer| {
            peer.hear();
            peer.say(head.as_bytes());
            let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
            while peer.say(chunk.as_bytes()) {}
        });
        let egress = local();
        let exchange = post(&egress, &server.url(), 2_000).await;
        let reply = exchange.outcome.unwrap();
        assert_eq!((reply.status, reply.body.len()), (200, 16 * 1024), "{head}");
        assert!(reply.body_truncated && !reply.body_error, "{head}");
        assert!(!post(&egress, &server.url(), 2_000).await.phases.reused, "the link is gone");
    }
}

#[tokio::test]
async fn a_long_body_is_read_to_its_end_and_the_start_is_kept() {
    let server = Server::replying(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n{}",
        "y".repeat(60_000)
    ));
    let egress = local();
    let reply = post(&egress, &server.url(), 2_000).await.outcome.unwrap();
    assert_eq!(reply.body.len(), 16 * 1024);
    assert!(reply.body_truncated && !reply.body_error);
    assert!(post(&egress, &server.url(), 2_000).await.phases.reused);
}

#[tokio::test]
async fn slow_peers_end_at_the_deadline() {
    let silent = Server::running(|peer| {
        peer.hear();
        peer.linger();
    });
    let dripping_head = Server::running(|peer| {
        peer.hear();
        peer.say(b"HTTP/1.1 200 OK\r\nx: ");
        while peer.say(b"y") {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    for server in [silent, dripping_head] {
        let exchange = post(&local(), &server.url(), 300).await;
        let error = exchange.outcome.unwrap_err();
        assert_eq!(error, SendError::Timeout(Phase::Head));
        assert_eq!(error.class(), "timeout.head");
        assert!(exchange.phases.total >= Duration::from_millis(300));
        assert!(exchange.phases.total < Duration::from_millis(800));
    }
}

#[tokio::test]
async fn a_body_that_drips_is_success_without_its_end() {
    let server = Server::running(|peer| {
        peer.hear();
        peer.say(b"HTTP/1.1 204 OK\r\n\r\n");
        peer.hear();
        peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n");
        while peer.say(b"y") {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let egress = local();
    assert_eq!(post(&egress, &server.url(), 2_000).await.outcome.unwrap().status, 204);
    let exchange = post(&egress, &server.url(), 300).await;
    let reply = exchange.outcome.unwrap();
    assert!(exchange.phases.reused && reply.body_error && !reply.body_truncated);
    assert!(reply.body.starts_with(b"yy"));
    assert!(exchange.phases.total < Duration::from_millis(800));
}
