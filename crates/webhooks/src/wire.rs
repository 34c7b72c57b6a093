//! What goes over the wire for one attempt: headers and bytes, in the endpoint's format, signed in
//! its profiles. Pure, so that the same event comes out as the same bytes on every attempt.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use tidings_events::EventType;
use tidings_kernel::Timestamp;

use crate::cloudevents::{Format, Head};
use crate::handshake::ORIGIN_HEADER;
use crate::redaction::Redactions;
use crate::signing::profiles::{Signatures, Signed};

/// The header of what somebody asked to be sent as a test.
pub(crate) const TEST_HEADER: &str = "webhook-test";
/// The header of what is sent once more because somebody asked for it: the id of the replay, or
/// `manual` for one delivery.
pub(crate) const REPLAY_HEADER: &str = "webhook-replay";

/// How one endpoint wants its requests.
#[derive(Debug)]
pub(crate) struct Wire {
    /// The headers that every request has.
    pub(crate) headers: HeaderMap,
    pub(crate) format: Format,
    /// What it does not get of events; most get everything.
    pub(crate) redactions: Option<Redactions>,
    pub(crate) signatures: Signatures,
    /// By which name the endpoint consented to hear from us.
    pub(crate) origin: Option<HeaderValue>,
}

/// An event as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredEvent<'a> {
    pub(crate) id: &'a str,
    /// Its type in the log.
    pub(crate) name: &'a str,
    pub(crate) body: &'a Bytes,
    /// Why it is sent once more.
    pub(crate) again: Option<&'a str>,
}

/// One request, ready to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Wire {
    /// The request for an event at this instant. What is signed is what is sent.
    pub(crate) fn outgoing(&self, event: StoredEvent<'_>, now: Timestamp) -> Outgoing {
        let mut headers = self.headers.clone();
        let is_test = event.name == EventType::WebhookTest.name();
        if is_test {
            headers.insert(HeaderName::from_static(TEST_HEADER), HeaderValue::from_static("true"));
        }
        if let Some(Ok(again)) = event.again.map(HeaderValue::from_str) {
            headers.insert(HeaderName::from_static(REPLAY_HEADER), again);
        }
        if let Some(origin) = &self.origin {
            headers.insert(HeaderName::from_static(ORIGIN_HEADER), origin.clone());
        }
        // A test may show another type in its body than the log does.
        let head = (is_test || self.format != Format::Standard).then(|| Head::of(event.body));
        let head = head.flatten();
        let stored = match &self.redactions {
            Some(redactions) => Bytes::from(redactions.apply(event.body).into_owned()),
            None => event.body.clone(),
        };
        let body = match (self.format, &head) {
            (Format::CloudeventsBinary, Some(head)) => {
                head.binary(&mut headers);
                stored
            }
            (Format::CloudeventsStructured, Some(head)) => {
                // Every stored body is an envelope, so there is always a head around it.
                head.structured(&stored, &mut headers).unwrap_or(stored)
            }
            (Format::Standard | Format::CloudeventsBinary | Format::CloudeventsStructured, _) => {
                stored
            }
        };
        let event_type = head.as_ref().map_or(event.name, |head| &head.event_type);
        let message = Signed { id: event.id, event_type, body: &body };
        self.signatures.sign(&message, now, &mut headers);
        Outgoing { headers, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::profiles::Keys;
    use crate::signing::{SigningSecret, TOLERANCE, verify};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn wire(format: Format) -> Wire {
        let secret = SigningSecret::parse(SECRET).unwrap();
        let keys = Keys { current: &secret, previous: None, ed25519: None, ed25519_before: None };
        let signatures = Signatures::new(keys, Vec::new());
        Wire { headers: HeaderMap::new(), format, redactions: None, signatures, origin: None }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn in_every_format_what_is_signed_is_what_is_sent_and_each_attempt_sends_the_same() {
        let body = Bytes::from_static(
            br#"{"id":"evt_1","type":"a.b","timestamp":"2026-11-23T12:30:04.123456Z","tenant_id":"ten_1","subject":{"id":"cus_1"},"data":{"n":1.10}}"#,
        );
        for format in [Format::Standard, Format::CloudeventsBinary, Format::CloudeventsStructured] {
            let wire = wire(format);
            let event = StoredEvent { id: "evt_1", name: "a.b", body: &body, again: None };
            let (first, later) = (wire.outgoing(event, at(100)), wire.outgoing(event, at(90_000)));
            assert_eq!(first.body, later.body, "{format:?}");
            for (sent, seconds) in [(&first, 100), (&later, 90_000)] {
                let text = |name: &str| sent.headers[name].to_str().unwrap();
                let secret = SigningSecret::parse(SECRET).unwrap();
                let verdict = verify(
                    &[secret],
                    text("webhook-id"),
                    text("webhook-timestamp"),
                    text("webhook-signature"),
                    &sent.body,
                    at(seconds),
                    TOLERANCE,
                );
                assert_eq!(verdict, Ok(()), "{format:?}");
            }
            let stored = first.body == body;
            assert_eq!(stored, format != Format::CloudeventsStructured, "{format:?}");
        }
    }

    #[test]
    fn a_test_says_so_and_shows_the_type_of_its_body() {
        let body = Bytes::from_static(
            br#"{"id":"evt_1","type":"a.b","timestamp":"t","tenant_id":"ten_1","subject":{"id":"x"}}"#,
        );
        let event = StoredEvent { id: "evt_1", name: "webhook.test", body: &body, again: None };
        let sent = wire(Format::CloudeventsBinary).outgoing(event, at(1));
        assert_eq!(
            (&sent.headers["webhook-test"], &sent.headers["ce-type"]),
            (&HeaderValue::from_static("true"), &HeaderValue::from_static("a.b"))
        );
        let real = StoredEvent { name: "a.b", ..event };
        assert!(!wire(Format::Standard).outgoing(real, at(1)).headers.contains_key("webhook-test"));
    }

    #[test]
    fn what_is_sent_once_more_says_so_and_is_otherwise_the_same() {
        let body = Bytes::from_static(br#"{"id":"evt_1"}"#);
        let event = StoredEvent { id: "evt_1", name: "a.b", body: &body, again: None };
        let mut first = wire(Format::Standard).outgoing(event, at(1));
        assert!(!first.headers.contains_key("webhook-replay"));
        for again in ["manual", "rpl_01h455vb4pex5vsknk084sn02q"] {
            let event = StoredEvent { again: Some(again), ..event };
            let sent = wire(Format::Standard).outgoing(event, at(1));
            assert_eq!(sent.headers["webhook-replay"], again);
            first.headers.insert("webhook-replay", sent.headers["webhook-replay"].clone());
            assert_eq!((&sent.headers, &sent.body), (&first.headers, &first.body));
        }
    }
}
