//! CloudEvents 1.0 over HTTP: the attributes of an event beside its body, or around it.
//!
//! In both formats `data` is the webhook's body, byte for byte: in binary mode it is sent as it is
//! stored, in structured mode it is put verbatim into an object whose other parts come from it too.
//! So the bytes that are sent are the same on every attempt, and they are what is signed.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The media type of the structured format.
pub const STRUCTURED_TYPE: &str = "application/cloudevents+json";
/// The version of CloudEvents.
const SPEC_VERSION: &str = "1.0";
/// The media type of `data`.
const DATA_TYPE: &str = "application/json";

/// How a webhook's body is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The envelope, as it is stored.
    #[default]
    Standard,
    /// The same, with CloudEvents attributes in `ce-…` headers.
    CloudeventsBinary,
    /// A CloudEvents object with the envelope as its `data`.
    CloudeventsStructured,
}

/// What of a stored envelope its attributes are made of.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Head {
    id: String,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    timestamp: String,
    tenant_id: String,
    subject: HeadSubject,
}

#[derive(Debug, Clone, Deserialize)]
struct HeadSubject {
    id: String,
}

/// The attributes of an event, in the order of the specification.
#[derive(Debug, Serialize)]
struct Attributes<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    subject: &'a str,
    time: &'a str,
}

#[derive(Serialize)]
struct Structured<'a> {
    #[serde(flatten)]
    attributes: Attributes<'a>,
    datacontenttype: &'static str,
    data: &'a RawValue,
}

impl Head {
    /// Reads the head of a stored envelope.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            specversion: SPEC_VERSION,
            id: &self.id,
            source: format!("/tenants/{}", self.tenant_id),
            event_type: &self.event_type,
            subject: &self.subject.id,
            time: &self.timestamp,
        }
    }

    /// Puts the attributes beside the body.
    pub(crate) fn binary(&self, headers: &mut HeaderMap) {
        let Attributes { specversion, id, source, event_type, subject, time } = self.attributes();
        for (name, value) in [
            ("ce-specversion", specversion),
            ("ce-id", id),
            ("ce-source", &source),
            ("ce-type", event_type),
            ("ce-subject", subject),
            ("ce-time", time),
        ] {
            // What is percent-encoded is visible ASCII.
            if let Ok(value) = HeaderValue::from_str(&encode(value)) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(DATA_TYPE));
    }

    /// Puts the attributes around the body. None where the body is not JSON.
    pub(crate) fn structured(&self, body: &[u8], headers: &mut HeaderMap) -> Option<Bytes> {
        let structured = Structured {
            attributes: self.attributes(),
            datacontenttype: DATA_TYPE,
            data: serde_json::from_slice(body).ok()?,
        };
        let bytes = serde_json::to_vec(&structured).ok()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(STRUCTURED_TYPE));
        Some(bytes.into())
    }
}

/// The value of a `ce-…` header: a space, `"`, `%` and everything outside of U+0021 to U+007E are
/// percent-encoded, as UTF-8 and in upper-case hex; nothing else is.
pub fn encode(value: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'%') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1","type":"customer.created","schema_version":1,"timestamp":"2026-11-23T12:30:04.123456Z","tenant_id":"ten_1","subject":{"type":"customer","id":"cus_1","version":1},"data":{"weight":1.10}}"#;

    #[test]
    fn header_values_are_percent_encoded_as_the_specification_has_it() {
        for (value, wanted) in [
            ("", ""),
            ("customer.created", "customer.created"),
            ("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
            ("a b", "a%20b"),
            ("\"quoted\"", "%22quoted%22"),
            ("100%", "100%25"),
            ("%41", "%2541"),
            ("a\r\nHost: evil", "a%0D%0AHost:%20evil"),
            ("\u{0}\t\u{7f}", "%00%09%7F"),
            ("!#$&'()*+,-./:;<=>?@[\\]^_`{|}~", "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"),
            ("Zoë", "Zo%C3%AB"),
        ] {
            assert_eq!(encode(value), wanted, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_a_header(value in ".*") {
            prop_assert!(HeaderValue::from_str(&encode(&value)).is_ok());
        }
    }

    #[test]
    fn binary_mode_says_everything_in_headers() {
        let mut headers = HeaderMap::new();
        Head::of(BODY).unwrap().binary(&mut headers);
        let shown: Vec<(String, &str)> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap()))
            .collect();
        let wanted = [
            ("ce-specversion", "1.0"),
            ("ce-id", "evt_1"),
            ("ce-source", "/tenants/ten_1"),
            ("ce-type", "customer.created"),
            ("ce-subject", "cus_1"),
            ("ce-time", "2026-11-23T12:30:04.123456Z"),
            ("content-type", "application/json"),
        ];
        let mut shown: Vec<(&str, &str)> = shown.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        let mut wanted = wanted.to_vec();
        shown.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(shown, wanted);
    }

    #[test]
    fn structured_mode_holds_the_stored_bytes_verbatim() {
        let mut headers = HeaderMap::new();
        let bytes = Head::of(BODY).unwrap().structured(BODY, &mut headers).unwrap();
        let body = std::str::from_utf8(BODY).unwrap();
        let wanted = format!(
            "{{\"specversion\":\"1.0\",\"id\":\"evt_1\",\"source\":\"/tenants/ten_1\",\
             \"type\":\"customer.created\",\"subject\":\"cus_1\",\
             \"time\":\"2026-11-23T12:30:04.123456Z\",\"datacontenttype\":\"application/json\",\
             \"data\":{body}}}"
        );
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), wanted);
        assert_eq!(headers[CONTENT_TYPE], STRUCTURED_TYPE);
        let again = Head::of(BODY).unwrap().structured(BODY, &mut headers).unwrap();
        assert_eq!(again, bytes, "the same on every attempt");
    }
}
