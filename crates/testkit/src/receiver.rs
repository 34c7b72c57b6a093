//! An endpoint with scripted answers that checks every signature with the official library.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the receiver answers once.
#[derive(Debug, Clone)]
pub struct Script {
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: &'static str,
    /// Whether it never answers.
    pub hangs: bool,
}

impl Script {
    /// Answers with a status.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: "", hangs: false }
    }

    /// Never answers.
    pub fn hang() -> Self {
        Self { hangs: true, ..Self::status(200) }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: &'static str) -> Self {
        self.body = body;
        self
    }
}

/// One request that arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, byte for byte.
    pub body: Bytes,
}

impl Arrival {
    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    }

    /// `webhook-id`.
    pub fn id(&self) -> String {
        self.header("webhook-id")
    }

    /// The envelope.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The type in the envelope.
    pub fn name(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }

    /// Checks the signature with the official Standard Webhooks library: what it signs for the same
    /// id, instant and bytes must be among what was sent. (Its own check of the age reads the
    /// machine's clock; the test's stands elsewhere.)
    pub fn verify(&self, secret: &str) -> Result<(), String> {
        let webhook = standardwebhooks::Webhook::new(secret).map_err(|e| e.to_string())?;
        let seconds: i64 = self.header("webhook-timestamp").parse().map_err(|_| "timestamp")?;
        let signed = webhook.sign(&self.id(), seconds, &self.body).map_err(|e| e.to_string())?;
        let sent = self.header("webhook-signature");
        if sent.split(' ').any(|entry| entry == signed) {
            Ok(())
        } else {
            Err(format!("{signed} is not among {sent}"))
        }
    }
}

#[derive(Default)]
struct Inner {
    arrivals: Mutex<Vec<Arrival>>,
    /// What asked for consent with `OPTIONS`.
    questions: Mutex<Vec<Arrival>>,
    consent: Mutex<Option<Script>>,
    script: Mutex<VecDeque<Script>>,
    always: Mutex<Option<Script>>,
}

/// An endpoint with scripted answers.
pub struct Receiver {
    address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
    /// The id of the subscription.
    pub subscription_id: String,
    /// The subscription's secret.
    pub secret: String,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// A receiver that nothing is subscribed to yet; it answers 200.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner: Arc<Inner> = Arc::default();
        let router = Router::new().fallback(receive).with_state(Arc::clone(&inner));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        let (subscription_id, secret) = (String::new(), String::new());
        Self { address, inner, task, subscription_id, secret }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Answers like this once, after what is scripted already.
    pub fn then(&self, script: Script) -> &Self {
        self.inner.script.lock().unwrap_or_else(PoisonError::into_inner).push_back(script);
        self
    }

    /// Answers like this whenever nothing else is scripted.
    pub fn always(&self, script: Script) -> &Self {
        *self.inner.always.lock().unwrap_or_else(PoisonError::into_inner) = Some(script);
        self
    }

    /// Answers `OPTIONS` like this; 200 and no word of consent unless told.
    pub fn on_options(&self, script: Script) -> &Self {
        *self.inner.consent.lock().unwrap_or_else(PoisonError::into_inner) = Some(script);
        self
    }

    /// The questions for consent that have arrived.
    pub fn questions(&self) -> Vec<Arrival> {
        self.inner.questions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What has arrived.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inner.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many have arrived.
    pub fn count(&self) -> usize {
        self.inner.arrivals.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What has arrived; every signature is checked.
    pub fn verified(&self) -> Vec<Arrival> {
        let arrivals = self.arrivals();
        for arrival in &arrivals {
            arrival.verify(&self.secret).unwrap();
        }
        arrivals
    }

    /// The types that have arrived, in order.
    pub fn names(&self) -> Vec<String> {
        self.arrivals().iter().map(Arrival::name).collect()
    }

    /// Waits until so many have arrived, twenty seconds at most; for what `settle` cannot wait for.
    pub async fn wait_for(&self, count: usize) {
        let enough = async {
            while self.arrivals().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), enough).await;
        assert!(waited.is_ok(), "{} of {count} have arrived", self.arrivals().len());
    }
}

async fn receive(
    State(inner): State<Arc<Inner>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method == Method::OPTIONS {
        let question = Arrival { headers, body };
        inner.questions.lock().unwrap_or_else(PoisonError::into_inner).push(question);
        let answer = inner.consent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        return answer_with(answer.unwrap_or_else(|| Script::status(200))).await;
    }
    inner.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(Arrival { headers, body });
    let next = inner.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let next = next
        .or_else(|| inner.always.lock().unwrap_or_else(PoisonError::into_inner).clone())
        .unwrap_or_else(|| Script::status(200));
    answer_with(next).await
}

async fn answer_with(next: Script) -> Response {
    if next.hangs {
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(next.status).unwrap();
    let mut response = (status, next.body).into_response();
    for (name, value) in next.headers {
        let value = HeaderValue::from_str(&value).unwrap();
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}
