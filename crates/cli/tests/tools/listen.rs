//! `tidings listen --forward`: what arrives, and what the sender gets.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::Full;
use serde_json::Value;
use tidings_testkit::Client;

use super::{OTHER, SECRET, run, served, tidings};

/// What came to the application.
type Arrivals = Arc<Mutex<Vec<(Uri, HeaderMap, Bytes)>>>;

async fn application() -> (String, Arrivals) {
    let arrivals: Arrivals = Arc::default();
    let router = Router::new().fallback(take).with_state(Arc::clone(&arrivals));
    (format!("http://{}", served(router).await), arrivals)
}

async fn take(
    State(arrivals): State<Arrivals>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    arrivals.lock().unwrap().push((uri, headers, body));
    (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7"), ("x-app", "mine")], "not now")
}

/// A listener, ended with the test.
pub(crate) struct Listening {
    child: Child,
    pub(crate) url: String,
    lines: BufReader<ChildStdout>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Listening {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = tidings(&["listen", "--json", "--listen", "127.0.0.1:0"]);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let mut so_far = Vec::new();
        for line in said.lines() {
            let line = line.unwrap();
            let Some((_, rest)) = line.split_once("listening on ") else {
                so_far.push(line);
                continue;
            };
            let url = rest.split(' ').next().unwrap().to_owned();
            let lines = BufReader::new(child.stdout.take().unwrap());
            return Self { child, url, lines };
        }
        panic!("it does not listen: {so_far:?}");
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// Sends a body with the headers that `tidings sign` makes for it.
async fn send(url: &str, secret: &str, body: &'static str) -> tidings_client::Answer {
    let signed = run(&mut tidings(&["sign", "--secret", secret]), body.as_bytes());
    let mut request = Request::post(url).header("x-custom", "kept").header("te", "trailers");
    for line in String::from_utf8(signed.stdout).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    Client::new(url).exchange(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_gets_what_came_and_the_sender_its_answer() {
    let (application, arrivals) = application().await;
    let target = format!("{application}/hook?a=b");
    let mut listening = Listening::start(&["--secret", SECRET, "--forward", &target]);
    let body = "{ \"type\":\"customer.created\", \"n\":1.10, \"s\":\"\\u00e9\" }\n";
    let answer = send(&format!("{}some/path", listening.url), SECRET, body).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        (&answer.headers["retry-after"], &answer.headers["x-app"]),
        (&"7".parse().unwrap(), &"mine".parse().unwrap())
    );
    assert_eq!(answer.bytes, "not now");

    let (uri, headers, bytes) = arrivals.lock().unwrap()[0].clone();
    assert_eq!((uri.path(), uri.query()), ("/hook", Some("a=b")));
    assert_eq!(bytes, body, "byte for byte");
    assert_eq!(headers["x-custom"], "kept");
    assert!(!headers.contains_key("te"), "what belongs to a connection stays behind");
    assert_eq!(format!("http://{}", headers["host"].to_str().unwrap()), application);
    standardwebhooks::Webhook::new(SECRET).unwrap().verify(&bytes, &headers).unwrap();

    let line = listening.line();
    assert_eq!(
        (&line["type"], &line["verdict"]),
        (&"customer.created".into(), &"signature ok".into())
    );
    assert_eq!(line["forwarded"]["status"], 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_genuine_is_not_handed_on() {
    let (application, arrivals) = application().await;
    let mut listening = Listening::start(&["--secret", SECRET, "--forward", &application]);
    let answer = send(&listening.url, OTHER, "{}").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(arrivals.lock().unwrap().is_empty());
    let line = listening.line();
    assert_eq!((&line["verdict"], &line["forwarded"]), (&"refused".into(), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_application_the_sender_is_told_to_try_again() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = format!("http://{free}/");
    let mut listening = Listening::start(&["--secret", SECRET, "--forward", &target]);
    let answer = send(&listening.url, SECRET, "not JSON").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    let line = listening.line();
    assert_eq!(line["event"], "not JSON");
    assert!(line["forwarded"]["failure"].as_str().unwrap().contains(&target), "{line}");
}

#[test]
fn what_cannot_be_forwarded_to_is_refused_at_once() {
    let done = run(&mut tidings(&["listen", "--forward", "localhost:3000"]), b"");
    assert_eq!(done.status.code(), Some(2));
}
