//! The ownership handshake of CloudEvents: an endpoint says that it wants to hear from us before it
//! does. A status code alone is never consent, for any server answers `OPTIONS` with one.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// The header in which we say who asks.
pub const ORIGIN_HEADER: &str = "webhook-request-origin";
/// The header in which the endpoint says whom it lets.
pub const ALLOWED_HEADER: &str = "webhook-allowed-origin";
/// The longest origin, in characters: that of a DNS name.
const ORIGIN_CHARS_MAX: usize = 253;

/// Why an endpoint has not consented.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unconsented {
    /// It could not be asked; the class of the failure.
    #[error("it could not be asked: {0}")]
    Unreachable(&'static str),
    /// It answered with a status that is no success.
    #[error("it answered OPTIONS with the status {0}")]
    Status(u16),
    /// It did not say whom it lets.
    #[error("its answer to OPTIONS has no WebHook-Allowed-Origin; a status alone is no consent")]
    Silent,
    /// It lets somebody else.
    #[error("its WebHook-Allowed-Origin is neither {0} nor *")]
    Another(String),
}

/// Whether a text is a DNS name, in which an installation can introduce itself.
pub fn is_origin(text: &str) -> bool {
    text.len() <= ORIGIN_CHARS_MAX
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// The headers of the question.
pub(crate) fn question(origin: &HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static(ORIGIN_HEADER), origin.clone());
    headers
}

/// What an answer to the question means.
pub fn judge(origin: &str, status: u16, headers: &HeaderMap) -> Result<(), Unconsented> {
    if !(200..300).contains(&status) {
        return Err(Unconsented::Status(status));
    }
    let mut allowed = headers.get_all(ALLOWED_HEADER).iter();
    match (allowed.next(), allowed.next()) {
        (Some(value), None) => {
            let value = value.to_str().unwrap_or_default().trim();
            if value == "*" || value.eq_ignore_ascii_case(origin) {
                Ok(())
            } else {
                Err(Unconsented::Another(origin.to_owned()))
            }
        }
        (Some(_), Some(_)) => Err(Unconsented::Another(origin.to_owned())),
        (None, _) => Err(Unconsented::Silent),
    }
}

#[cfg(test)]
mod tests {
    use http::header::ALLOW;

    use super::*;

    const ORIGIN: &str = "tidings.example";

    fn answer(status: u16, allowed: &[&'static str]) -> Result<(), Unconsented> {
        let mut headers = HeaderMap::new();
        headers.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        for value in allowed {
            headers.append(ALLOWED_HEADER, HeaderValue::from_static(value));
        }
        judge(ORIGIN, status, &headers)
    }

    #[test]
    fn only_the_header_is_consent() {
        let another = || Err(Unconsented::Another(ORIGIN.to_owned()));
        for (status, allowed, wanted) in [
            (200, vec!["tidings.example"], Ok(())),
            (200, vec!["*"], Ok(())),
            (204, vec![" Tidings.EXAMPLE "], Ok(())),
            (200, vec![], Err(Unconsented::Silent)),
            (204, vec![], Err(Unconsented::Silent)),
            (200, vec![""], another()),
            (200, vec!["example"], another()),
            (200, vec!["evil.tidings.example"], another()),
            (200, vec!["tidings.example, other.example"], another()),
            (200, vec!["tidings.example", "*"], another()),
            (302, vec!["*"], Err(Unconsented::Status(302))),
            (404, vec!["*"], Err(Unconsented::Status(404))),
            (405, vec![], Err(Unconsented::Status(405))),
            (500, vec!["tidings.example"], Err(Unconsented::Status(500))),
        ] {
            assert_eq!(answer(status, &allowed), wanted, "{status} {allowed:?}");
        }
    }

    #[test]
    fn an_origin_is_a_dns_name() {
        let long = "a".repeat(64);
        for (text, wanted) in [
            ("tidings.example", true),
            ("localhost", true),
            ("a-1.example", true),
            ("", false),
            (".", false),
            ("a..b", false),
            ("-a.example", false),
            ("a-.example", false),
            ("a_b.example", false),
            ("https://a.example", false),
            ("a.example:443", false),
            ("a.example\r\nx: y", false),
            ("zoë.example", false),
            (&long, false),
        ] {
            assert_eq!(is_origin(text), wanted, "{text:?}");
        }
    }
}
