//! What is kept of an attempt: of one that arrived very little, of one that failed what its owner
//! needs to find out why. Secrets are hidden before anything is written.

use bytes::Bytes;
use http::header::HeaderMap;
use serde_json::{Map, Value};
use tidings_egress::{Exchange, Reply};

use crate::headers::is_reserved;

/// What is kept of the body of an answer that was a success: enough for an id or an error text of
/// an application that answers 200 to everything.
pub(crate) const SUCCESS_BODY_BYTES_MAX: usize = 1_024;
/// The most headers of one message that are kept.
const HEADERS_MAX: usize = 50;
/// The longest value of a header that is kept, in characters.
const VALUE_CHARS_MAX: usize = 200;
/// What stands in place of a value that opens something.
const HIDDEN: &str = "(hidden)";
/// Parts of a header's name that say that its value opens something.
const SENSITIVE: &[&str] =
    &["auth", "cookie", "key", "password", "secret", "session", "signature", "token"];

/// What is kept of one attempt beside its outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The headers of a request that was in vain, as JSON.
    pub(crate) request_headers: Option<String>,
    /// The headers of an answer that was no success, as JSON.
    pub(crate) response_headers: Option<String>,
    /// The beginning of the answer's body.
    pub(crate) response_body: Option<Bytes>,
    /// Whether the body was longer.
    pub(crate) response_truncated: bool,
}

impl Kept {
    /// What is kept of an exchange. The headers of the request are asked for only where it failed.
    pub(crate) fn of(exchange: &Exchange, sent: impl FnOnce() -> HeaderMap) -> Self {
        match &exchange.outcome {
            Ok(reply) if (200..300).contains(&reply.status) => {
                Self::body(reply, SUCCESS_BODY_BYTES_MAX)
            }
            Ok(reply) => Self {
                request_headers: Some(request_headers(&sent())),
                response_headers: Some(response_headers(&reply.headers)),
                ..Self::body(reply, usize::MAX)
            },
            Err(_) => Self { request_headers: Some(request_headers(&sent())), ..Self::default() },
        }
    }

    /// At most so much of a body. What is cut off is copied, so that the rest is let go.
    fn body(reply: &Reply, bytes_max: usize) -> Self {
        let whole = &reply.body;
        let cut = whole.len() > bytes_max;
        let body = if cut { Bytes::copy_from_slice(&whole[..bytes_max]) } else { whole.clone() };
        Self {
            response_body: (!body.is_empty()).then_some(body),
            response_truncated: cut || reply.body_truncated,
            ..Self::default()
        }
    }
}

/// The headers of a request. What the subscription added may be a credential, whatever its name.
fn request_headers(headers: &HeaderMap) -> String {
    as_json(headers, |name| is_reserved(name) && !is_sensitive(name))
}

/// The headers of an answer.
fn response_headers(headers: &HeaderMap) -> String {
    as_json(headers, |name| !is_sensitive(name))
}

fn is_sensitive(name: &str) -> bool {
    // Names in a header map are in lower case.
    SENSITIVE.iter().any(|part| name.contains(part))
}

fn as_json(headers: &HeaderMap, is_shown: impl Fn(&str) -> bool) -> String {
    let mut kept: Map<String, Value> = Map::new();
    for name in headers.keys().take(HEADERS_MAX) {
        let text = if is_shown(name.as_str()) {
            let values: Vec<_> = headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            values.join(", ").chars().take(VALUE_CHARS_MAX).collect()
        } else {
            HIDDEN.to_owned()
        };
        kept.insert(name.as_str().to_owned(), Value::String(text));
    }
    Value::Object(kept).to_string()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;
    use tidings_egress::{Phases, SendError};

    use super::*;

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            map.append(HeaderName::from_static(name), value);
        }
        map
    }

    fn replied(status: u16, body: &[u8]) -> Exchange {
        let reply = Reply {
            status,
            headers: map(&[("server", "nginx"), ("set-cookie", "sid=1")]),
            body: Bytes::copy_from_slice(body),
            body_truncated: false,
            body_error: false,
        };
        Exchange { outcome: Ok(reply), phases: Phases::default() }
    }

    fn shown(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_request_shows_what_is_ours_and_hides_what_opens_something() {
        for (name, value, wanted) in [
            ("webhook-id", "evt_1", "evt_1"),
            ("webhook-timestamp", "1", "1"),
            ("webhook-signature", "v1,abc", HIDDEN),
            ("stripe-signature", "t=1,v1=ab", HIDDEN),
            ("x-hub-signature-256", "sha256=ab", HIDDEN),
            ("content-type", "application/json", "application/json"),
            ("user-agent", "Tidings/1", "Tidings/1"),
            ("ce-type", "a.b", "a.b"),
            ("authorization", "Bearer x", HIDDEN),
            ("x-tenant", "it may be a password", HIDDEN),
        ] {
            let kept = shown(&request_headers(&map(&[(name, value)])));
            assert_eq!(kept[name], wanted, "{name}");
        }
    }

    #[test]
    fn an_answer_shows_everything_but_what_opens_something() {
        let kept = shown(&response_headers(&map(&[
            ("set-cookie", "sid=1"),
            ("www-authenticate", "Basic realm=x"),
            ("x-api-key", "k"),
            ("x-request-id", "r-1"),
            ("vary", "a"),
            ("vary", "b"),
            ("x-bytes", "caf\u{e9}"),
        ])));
        assert_eq!(
            kept,
            serde_json::json!({"set-cookie": HIDDEN, "www-authenticate": HIDDEN,
                "x-api-key": HIDDEN, "x-request-id": "r-1", "vary": "a, b", "x-bytes": "café"})
        );
    }

    #[test]
    fn values_and_their_number_are_bounded() {
        let long = "x".repeat(5_000);
        let kept = shown(&response_headers(&map(&[("x-long", &long)])));
        assert_eq!(kept["x-long"].as_str().unwrap().len(), VALUE_CHARS_MAX);
        let mut many = HeaderMap::new();
        for number in 0..100 {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            many.insert(name, HeaderValue::from_static("1"));
        }
        assert_eq!(shown(&response_headers(&many)).as_object().unwrap().len(), HEADERS_MAX);
    }

    #[test]
    fn a_success_leaves_little_and_a_failure_what_explains_it() {
        let sent = || map(&[("webhook-id", "evt_1")]);
        let never = || -> HeaderMap { panic!("nobody asks for the headers of a success") };
        assert_eq!(Kept::of(&replied(204, b""), never), Kept::default());
        let long = Kept::of(&replied(200, &[b'x'; 3_000]), never);
        assert_eq!(long.response_body.unwrap().len(), SUCCESS_BODY_BYTES_MAX);
        assert!(long.response_truncated && long.response_headers.is_none());

        let failed = Kept::of(&replied(500, &[b'x'; 3_000]), sent);
        assert_eq!(failed.response_body.as_ref().unwrap().len(), 3_000);
        assert!(!failed.response_truncated);
        let headers = shown(failed.response_headers.as_deref().unwrap());
        assert_eq!((&headers["server"], &headers["set-cookie"]), (&"nginx".into(), &HIDDEN.into()));
        assert_eq!(shown(failed.request_headers.as_deref().unwrap())["webhook-id"], "evt_1");

        let lost = Exchange { outcome: Err(SendError::Reset), phases: Phases::default() };
        let lost = Kept::of(&lost, sent);
        assert!(lost.request_headers.is_some() && lost.response_headers.is_none());
    }
}
