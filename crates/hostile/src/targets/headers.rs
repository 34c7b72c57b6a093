//! Headers of requests, and headers that a subscription sends along.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, IF_MATCH};
use tidings_web::parsers;
use tidings_webhooks::headers::{check, is_reserved};

use super::bodies::is_refusal;

/// What passes can be sent as it is, once, and under no name of ours. A line is `name: value`.
pub(super) fn custom(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Lines end in U+0003, so that a value may hold every kind of line end.
    let pairs = text.split('\u{3}').map(|line| line.split_once(": ").unwrap_or((line, "")));
    let pairs: Vec<(&str, &str)> = pairs.collect();
    let faults = check(pairs.iter().copied());
    assert!(faults.iter().all(|fault| fault.pointer.starts_with("/headers")), "{faults:?}");
    if !faults.is_empty() {
        return;
    }
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        assert!(!is_reserved(name), "{name}");
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        assert!(headers.insert(name, HeaderValue::from_str(value).unwrap()).is_none());
    }
}

/// A credential that is taken is one text out of the one header that was sent.
pub(super) fn authorization(input: &[u8]) {
    let mut headers = HeaderMap::new();
    // Each line is a header: alternately `Authorization` and `X-API-Key`.
    for (line, nth) in input.split(|byte| *byte == b'\n').zip(0_u8..4) {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        let api_key = HeaderName::from_static("x-api-key");
        headers.append(if nth % 2 == 0 { AUTHORIZATION } else { api_key }, value);
    }
    match parsers::credential(&headers) {
        Ok(credential) => {
            assert!((1..=512).contains(&credential.len()), "{credential:?}");
            assert!(headers.len() <= 2, "two headers of one kind are not one credential");
            assert_eq!(credential, credential.trim());
        }
        Err(problem) => assert_eq!(problem.kind.status(), 401),
    }
}

/// A key is visible ASCII of a bounded length.
pub(super) fn idempotency_key(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match parsers::idempotency_key(text) {
        Ok(key) => {
            assert!((1..=255).contains(&key.len()) && text.contains(&key), "{key:?}");
            assert!(key.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{key:?}");
        }
        Err(problem) => is_refusal(&problem),
    }
}

/// A version is a number, and says the same in quotes.
pub(super) fn if_match(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    let read = |value| parsers::if_match(&HeaderMap::from_iter([(IF_MATCH, value)]));
    match read(value) {
        Ok(version) => {
            let version = version.unwrap();
            let quoted = HeaderValue::from_str(&format!("\"{version}\"")).unwrap();
            assert_eq!(read(quoted), Ok(Some(version)));
        }
        Err(problem) => is_refusal(&problem),
    }
}
