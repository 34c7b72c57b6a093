//! An HTTP client for the public API, for the command line and the tests.
//!
//! It speaks to a server that its user names, over keep-alive connections, and hands answers back as
//! they are: the status, the headers, the JSON.

mod events;
mod tls;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

pub use events::{Events, Message, Parser};

/// The largest body of an answer, in bytes: above every page of the API, and an end to one that
/// has none.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address or a header cannot be written into a request.
    #[error("this cannot be sent: {0}")]
    Request(String),
    /// The server could not be reached, or the connection broke.
    #[error("no answer from {0}; is the server running?")]
    NoAnswer(String, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The bytes of the body.
    pub bytes: Bytes,
}

impl Answer {
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// A text in the body, by JSON pointer; empty where there is none.
    pub fn text(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The kind of a problem: the last part of its `type`.
    pub fn problem(&self) -> String {
        self.text("/type").rsplit('/').next().unwrap_or_default().to_owned()
    }
}

/// A client with one credential.
#[derive(Debug, Clone)]
pub struct Client {
    http: Hyper<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    key: Option<String>,
    headers: HeaderMap,
}

impl Client {
    /// A client without a credential. `base` is `http://host:port` or `https://host`.
    pub fn new(base: impl Into<String>) -> Self {
        let base = base.into().trim_end_matches('/').to_owned();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector = HttpsConnector::from((connector, tls::config(&base)));
        let http = Hyper::builder(TokioExecutor::new()).build(connector);
        Self { http, base, key: None, headers: HeaderMap::new() }
    }

    /// The same with a credential, over the same connections.
    #[must_use]
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self.clone() }
    }

    /// The same with a header in every request.
    #[must_use]
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
        Self { headers, ..self.clone() }
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The credential.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Sends bytes as they are.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Answer, ClientError> {
        self.exchange(self.request(method, path, body.into())?).await
    }

    /// A request with the credential and the headers of this client.
    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let mut request = request
            .body(Full::new(body))
            .map_err(|error| ClientError::Request(error.to_string()))?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }

    /// Sends a request as it is, to its own address: without credential and without headers but its
    /// own. Redirects are answers like others.
    pub async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let (parts, body) = self.answer(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| ClientError::NoAnswer(self.base.clone(), error))?;
        Ok(Answer { status: parts.status, headers: parts.headers, bytes: body.to_bytes() })
    }

    /// The head of the answer to a request, with the body to be read.
    async fn answer(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<http::Response<hyper::body::Incoming>, ClientError> {
        let answer = self.http.request(request).await;
        answer.map_err(|error| ClientError::NoAnswer(self.base.clone(), error.into()))
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.send(Method::POST, path, body.to_string()).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.send(Method::PATCH, path, body.to_string()).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::DELETE, path, Bytes::new()).await
    }
}
