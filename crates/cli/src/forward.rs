//! Hands what arrives to an application on this machine, as it came.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use http_body_util::Full;
use tidings_client::{Answer, Client};
use url::Url;

use crate::Failure;
use crate::failure::misused;

/// How long the application may take: the longest that a subscription waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// Headers of one connection, which say nothing about the next. The length is counted again.
const OF_THE_CONNECTION: [HeaderName; 11] = [
    CONNECTION,
    CONTENT_LENGTH,
    HOST,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Where to, and over which connections.
#[derive(Debug, Clone)]
pub(crate) struct Forward {
    url: Url,
    client: Client,
}

/// What the application said, or why it said nothing, and after how long.
#[derive(Debug)]
pub(crate) struct Forwarded {
    /// The answer for the sender.
    pub(crate) answer: Answer,
    /// Why there was none of the application's.
    pub(crate) failure: Option<String>,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Forward {
    /// Forwards to a URL, whatever path the webhook came to.
    pub(crate) fn to(text: &str) -> Result<Self, Failure> {
        let url = web_url(text)?;
        Ok(Self { client: Client::new(url.as_str()), url })
    }

    /// Where to.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Sends the same bytes with the same headers, and gives the application's answer. Where there
    /// is none, the sender gets 502 or 504, so that it tries again.
    pub(crate) async fn send(&self, headers: &HeaderMap, body: Bytes) -> Forwarded {
        let began = Instant::now();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.headers_mut() = end_to_end(headers);
        if let Ok(uri) = self.url.as_str().parse() {
            *request.uri_mut() = uri;
        }
        let answer = tokio::time::timeout(PATIENCE, self.client.exchange(request)).await;
        let took = began.elapsed();
        let none = |status, failure: String| Forwarded {
            answer: Answer {
                status,
                headers: HeaderMap::new(),
                bytes: Bytes::from(format!("{failure}\n")),
            },
            failure: Some(failure),
            took,
        };
        match answer {
            Ok(Ok(mut answer)) => {
                answer.headers = end_to_end(&answer.headers);
                Forwarded { answer, failure: None, took }
            }
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let cause = cause.unwrap_or_else(|| "the connection broke".to_owned());
                none(StatusCode::BAD_GATEWAY, format!("no answer from {}: {cause}", self.url))
            }
            Err(_) => none(
                StatusCode::GATEWAY_TIMEOUT,
                format!("no answer from {} within {} s", self.url, PATIENCE.as_secs()),
            ),
        }
    }
}

/// A URL of the web, without what does not travel: a fragment, a password.
pub(crate) fn web_url(text: &str) -> Result<Url, Failure> {
    let refused =
        |why: &str| misused(format!("{text:?} {why}; write it as http://localhost:3000/hook"));
    let mut url = Url::parse(text).map_err(|error| refused(&format!("is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refused("is not a URL of the web"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("holds a password, which is never sent that way; use a header"));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Without what belongs to one connection.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !OF_THE_CONNECTION.contains(name) && !named.contains(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_connection_stays_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", "evt_1"),
            ("x-twice", "a"),
            ("x-twice", "b"),
            ("host", "127.0.0.1:4400"),
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("content-length", "2"),
            ("transfer-encoding", "chunked"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let kept = end_to_end(&headers);
        let text = |(name, value): (_, &http::HeaderValue)| {
            let name: &HeaderName = name;
            (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
        };
        let names: Vec<(String, String)> = kept.iter().map(text).collect();
        let wanted = [("webhook-id", "evt_1"), ("x-twice", "a"), ("x-twice", "b")];
        assert_eq!(names, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn only_urls_of_the_web_are_taken() {
        assert_eq!(
            web_url("http://localhost:3000/hook?a=b#c").unwrap().as_str(),
            "http://localhost:3000/hook?a=b"
        );
        for wrong in ["localhost:3000", "ftp://a/", "/hook", "", "http://a:b@c/", "http://"] {
            assert!(web_url(wrong).is_err(), "{wrong}");
        }
    }
}
