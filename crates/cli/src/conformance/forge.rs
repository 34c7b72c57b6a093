//! Genuine webhooks, and forged ones.

use http::Method;
use serde_json::{Value, json};
use tidings_events::{EventType, example_envelope};
use tidings_kernel::{EventId, Uuid};
use tidings_webhooks::signing::{ID_HEADER, SIGNATURE_HEADER, SigningSecret, TIMESTAMP_HEADER};

use crate::sign::signature;

/// The size of the large webhook: as large as event data may be.
const LARGE_BYTES: usize = 256 * 1024;

/// Makes messages as of one instant.
pub(super) struct Forge<'a> {
    secret: &'a SigningSecret,
    /// Nobody's secret: made for this one check.
    other: SigningSecret,
    now: i64,
}

/// What a webhook says, before it is signed.
#[derive(Clone, Copy)]
enum Body {
    Example,
    Raw,
    UnknownType,
    Large,
}

/// A webhook that can be signed in several ways.
pub(super) struct Message<'a> {
    forge: &'a Forge<'a>,
    id: String,
    timestamp: i64,
    body: String,
}

/// A request as it is sent.
#[derive(Debug)]
pub(super) struct Forged {
    pub(super) method: Method,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl<'a> Forge<'a> {
    pub(super) fn new(secret: &'a SigningSecret, now: i64) -> Self {
        let bytes: [u8; 32] = tidings_vault::system_random();
        let other = SigningSecret::new(tidings_vault::Secret::new(bytes.to_vec()));
        let Ok(other) = other else { unreachable!("32 bytes are a secret") };
        Self { secret, other, now }
    }

    fn message_with(&'a self, body: Body, seconds: i64) -> Message<'a> {
        let id = fresh_event_id();
        let body = written(body, &id);
        Message { forge: self, id, timestamp: self.now.saturating_add(seconds), body }
    }

    pub(super) fn message(&'a self) -> Message<'a> {
        self.message_with(Body::Example, 0)
    }

    pub(super) fn message_at(&'a self, seconds: i64) -> Message<'a> {
        self.message_with(Body::Example, seconds)
    }

    pub(super) fn message_of_unknown_type(&'a self) -> Message<'a> {
        self.message_with(Body::UnknownType, 0)
    }

    pub(super) fn large_message(&'a self) -> Message<'a> {
        self.message_with(Body::Large, 0)
    }
}

fn fresh_event_id() -> String {
    let bytes: [u8; 16] = tidings_vault::system_random();
    EventId::from_uuid(Uuid::from_bytes(bytes)).to_string()
}

fn written(body: Body, id: &str) -> String {
    let mut event = example_envelope(EventType::CustomerCreated);
    event["id"] = json!(id);
    match body {
        Body::Example => event.to_string(),
        Body::Raw => {
            let text = event.to_string();
            let inner = text.strip_prefix('{').unwrap_or(&text);
            format!("{{ \"custom_number\" :1.10,\t\"custom_text\": \"caf\\u00e9 \\/\",\n{inner}\n")
        }
        Body::UnknownType => {
            event["type"] = json!("custom.conformance.unknown_type");
            event["data"] = json!({"note": "a type that no receiver knows"});
            event.to_string()
        }
        Body::Large => {
            event["data"]["padding"] = json!("");
            let missing = LARGE_BYTES.saturating_sub(event.to_string().len());
            event["data"]["padding"] = Value::String("x".repeat(missing));
            event.to_string()
        }
    }
}

impl Message<'_> {
    /// The signature by the receiver's secret.
    pub(super) fn good(&self) -> String {
        self.signature(self.forge.secret)
    }

    /// A signature by nobody's secret.
    pub(super) fn wrong(&self) -> String {
        self.signature(&self.forge.other)
    }

    fn signature(&self, secret: &SigningSecret) -> String {
        signature(std::slice::from_ref(secret), &self.id, self.timestamp, self.body.as_bytes())
    }

    /// As it would really be sent.
    pub(super) fn signed(&self) -> Forged {
        self.with_signature(self.good())
    }

    pub(super) fn with_signature(&self, signature: String) -> Forged {
        self.with_headers(self.timestamp.to_string(), signature)
    }

    fn with_headers(&self, timestamp: String, signature: String) -> Forged {
        Forged {
            method: Method::POST,
            headers: vec![
                ("content-type", "application/json".to_owned()),
                (
                    "user-agent",
                    concat!("tidings-conformance/", env!("CARGO_PKG_VERSION")).to_owned(),
                ),
                (ID_HEADER, self.id.clone()),
                (TIMESTAMP_HEADER, timestamp),
                (SIGNATURE_HEADER, signature),
            ],
            body: self.body.clone(),
        }
    }

    /// With a body that no JSON library writes back as it was.
    pub(super) fn with_raw_bytes(self) -> Self {
        Self { body: written(Body::Raw, &self.id), ..self }
    }

    /// The same webhook, sent again.
    pub(super) fn a_second_later(&self) -> Self {
        Self {
            forge: self.forge,
            id: self.id.clone(),
            timestamp: self.timestamp.saturating_add(1),
            body: self.body.clone(),
        }
    }

    pub(super) fn with_another_id(self) -> Self {
        Self { id: fresh_event_id(), ..self }
    }

    pub(super) fn with_another_body(self) -> Self {
        Self { body: self.body.replace("ada@example.com", "eve@example.com"), ..self }
    }

    /// A word in place of the timestamp, under a signature of exactly that.
    pub(super) fn with_unreadable_timestamp(&self) -> Forged {
        let key = tidings_vault::MacKey::new(self.forge.secret.bytes());
        let parts: [&[u8]; 3] = [self.id.as_bytes(), b".yesterday.", self.body.as_bytes()];
        let signature = format!("v1,{}", base64(&key.sign(&parts)));
        self.with_headers("yesterday".to_owned(), signature)
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

impl Forged {
    /// A request that is no webhook at all.
    pub(super) fn bare(method: Method) -> Self {
        Self { method, headers: Vec::new(), body: String::new() }
    }

    pub(super) fn without(mut self, header: &str) -> Self {
        self.headers.retain(|(name, _)| *name != header);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::CHECKS;
    use super::*;
    use tidings_kernel::Timestamp;
    use tidings_webhooks::signing::{TOLERANCE, verify_request};

    const NOW: i64 = 1_795_435_200;

    fn secret() -> SigningSecret {
        SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
    }

    /// Our own verifier is a receiver: each check finds in it what it should.
    #[test]
    fn what_is_to_be_accepted_verifies_and_nothing_else_does() {
        let secret = secret();
        for check in CHECKS.iter().filter(|check| check.required) {
            for forged in (check.requests)(&Forge::new(&secret, NOW)) {
                let mut headers = http::HeaderMap::new();
                for (name, value) in forged.headers {
                    headers.insert(name, value.parse().unwrap());
                }
                let now = Timestamp::from_micros(NOW * 1_000_000);
                let secrets = std::slice::from_ref(&secret);
                let verdict =
                    verify_request(secrets, &headers, forged.body.as_bytes(), now, TOLERANCE);
                let should = check.expects == super::super::checks::Expectation::Accepted;
                assert_eq!(verdict.is_ok(), should, "{}: {verdict:?}", check.name);
            }
        }
    }

    #[test]
    fn every_accepted_body_is_json_and_the_large_one_is_large() {
        let secret = secret();
        let forge = Forge::new(&secret, NOW);
        let raw = forge.message().with_raw_bytes().body;
        assert_ne!(serde_json::from_str::<Value>(&raw).unwrap().to_string(), raw.trim());
        assert_eq!(forge.large_message().body.len(), LARGE_BYTES);
        assert_ne!(forge.message().with_another_body().body.find("eve@"), None);
    }
}
