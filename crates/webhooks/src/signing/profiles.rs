//! Signature profiles: other ways of signing, sent beside Standard Webhooks for receivers that know
//! those.
//!
//! A profile never weakens another. Each has headers of its own, and none shares a key with `v1`:
//! `v1` is keyed with the bytes of the secret, the others with its text (`whsec_…`, which is what
//! one pastes into those vendors' libraries), and `v1a` with a key pair. So no text that one of
//! them signs is a signature under another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use tidings_kernel::Timestamp;
use tidings_vault::{ED25519_PUBLIC_BYTES, Ed25519Key, MacKey, ed25519_fits};
use utoipa::ToSchema;

use super::{ID_HEADER, SIGNATURE_HEADER, Signer, SigningSecret, TIMESTAMP_HEADER};

/// What the text of a public key starts with.
pub const PUBLIC_KEY_PREFIX: &str = "whpk_";
/// The header of the Stripe-style profile.
pub const STRIPE_HEADER: &str = "stripe-signature";
/// The header of the GitHub-style profile.
pub const GITHUB_HEADER: &str = "x-hub-signature-256";
/// The headers of the original's profile.
pub const ORIGINAL_HEADERS: [&str; 4] =
    ["x-webhook-event-id", "x-webhook-event-type", "x-webhook-timestamp", "x-webhook-signature"];

/// The name of the asymmetric scheme of Standard Webhooks.
const ED25519_SCHEME: &str = "v1a";

/// A way of signing that an endpoint can add. Standard Webhooks `v1` is always sent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Standard Webhooks `v1a`: ed25519 with a key pair of the endpoint's own.
    Ed25519,
    /// `X-Webhook-Event-Id`, `-Event-Type`, `-Timestamp`, and `-Signature`: hex HMAC-SHA256 of the
    /// body.
    Original,
    /// `Stripe-Signature: t=…,v1=…`: hex HMAC-SHA256 of time and body.
    Stripe,
    /// `X-Hub-Signature-256: sha256=…`: hex HMAC-SHA256 of the body.
    Github,
}

/// A signature profile that an endpoint uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileUse {
    /// The profile.
    pub name: Profile,
    /// When it ends: from then on it is not sent any more. Without an end unless told.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
}

/// The text form of a public key, as receivers are given it.
pub fn public_key_text(key: &Ed25519Key) -> String {
    format!("{PUBLIC_KEY_PREFIX}{}", STANDARD.encode(key.public_key()))
}

/// Whether one of the entries of a `webhook-signature` is `v1a` by the holder of this public key.
pub fn verify_ed25519(
    public_key: &str,
    (id, timestamp): (&str, &str),
    signature_header: &str,
    body: &[u8],
) -> bool {
    let text = public_key.strip_prefix(PUBLIC_KEY_PREFIX).unwrap_or(public_key);
    let Ok(key) = STANDARD.decode(text) else { return false };
    if key.len() != ED25519_PUBLIC_BYTES || id.is_empty() || id.contains('.') {
        return false;
    }
    let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    signature_header.split(' ').take(super::SIGNATURES_MAX).any(|entry| {
        let signature = entry.split_once(',').filter(|(scheme, _)| *scheme == ED25519_SCHEME);
        let signature = signature.and_then(|(_, text)| STANDARD.decode(text).ok());
        signature.is_some_and(|signature| ed25519_fits(&key, &message, &signature))
    })
}

/// The keys of an endpoint.
#[derive(Debug)]
pub struct Keys<'a> {
    /// The secret.
    pub current: &'a SigningSecret,
    /// The one before it, and until when it signs too.
    pub previous: Option<(&'a SigningSecret, Timestamp)>,
    /// The key pair, where the endpoint has one.
    pub ed25519: Option<Ed25519Key>,
    /// The one before it, and until when it signs too.
    pub ed25519_before: Option<(Ed25519Key, Timestamp)>,
}

/// What is signed, with what some profiles say beside it.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The event's id.
    pub id: &'a str,
    /// The event's type.
    pub event_type: &'a str,
    /// The bytes as they are sent.
    pub body: &'a [u8],
}

/// Everything that one endpoint's requests are signed with, prepared for many messages.
#[derive(Debug)]
pub struct Signatures {
    during: Signer,
    after: Signer,
    overlap_until: Option<Timestamp>,
    text: MacKey,
    text_before: Option<MacKey>,
    ed25519: Option<Ed25519Key>,
    ed25519_before: Option<(Ed25519Key, Timestamp)>,
    profiles: Vec<ProfileUse>,
}

impl Signatures {
    /// Prepares the keys of an endpoint for its profiles.
    pub fn new(keys: Keys<'_>, profiles: Vec<ProfileUse>) -> Self {
        let Keys { current, previous, ed25519, ed25519_before } = keys;
        let text = |secret: &SigningSecret| MacKey::new(secret.to_text().as_bytes());
        Self {
            during: Signer::new(current, previous.map(|(secret, _)| secret)),
            after: Signer::new(current, None),
            overlap_until: previous.map(|(_, until)| until),
            text: text(current),
            text_before: previous.map(|(secret, _)| text(secret)),
            ed25519,
            ed25519_before,
            profiles,
        }
    }

    /// Signs a message for this instant, in every profile that has not ended.
    pub fn sign(&self, message: &Signed<'_>, now: Timestamp, headers: &mut HeaderMap) {
        let Signed { id, event_type, body } = *message;
        let seconds = now.unix_seconds();
        let overlaps = self.overlap_until.is_some_and(|until| now < until);
        let signer = if overlaps { &self.during } else { &self.after };
        let mut signature = signer.header(id, seconds, body);
        for used in self.profiles.iter().filter(|used| used.ends_at.is_none_or(|end| now < end)) {
            match used.name {
                Profile::Ed25519 => {
                    for key in self.ed25519_keys(now) {
                        signature.push(' ');
                        signature.push_str(&ed25519_entry(key, id, seconds, body));
                    }
                }
                Profile::Original => {
                    let mac = hex(&self.text.sign(&[body]));
                    let seconds = seconds.to_string();
                    let values = [id, event_type, &seconds, &mac];
                    for (name, value) in ORIGINAL_HEADERS.into_iter().zip(values) {
                        put(headers, name, value);
                    }
                }
                Profile::Stripe => {
                    let before = self.text_before.as_ref().filter(|_| overlaps);
                    put(headers, STRIPE_HEADER, &stripe(&self.text, before, seconds, body));
                }
                Profile::Github => put(headers, GITHUB_HEADER, &github(&self.text, body)),
            }
        }
        put(headers, ID_HEADER, id);
        put(headers, TIMESTAMP_HEADER, &seconds.to_string());
        put(headers, SIGNATURE_HEADER, &signature);
    }
}

impl Signatures {
    /// The key pairs that sign at an instant, the newest first.
    fn ed25519_keys(&self, now: Timestamp) -> impl Iterator<Item = &Ed25519Key> {
        let before = self.ed25519_before.as_ref().filter(|(_, until)| now < *until);
        self.ed25519.iter().chain(before.map(|(key, _)| key))
    }
}

/// Ids, names and signatures are visible ASCII, so none is ever left out.
fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn ed25519_entry(key: &Ed25519Key, id: &str, seconds: i64, body: &[u8]) -> String {
    let seconds = seconds.to_string();
    let signature = key.sign(&[id.as_bytes(), b".", seconds.as_bytes(), b".", body]);
    format!("{ED25519_SCHEME},{}", STANDARD.encode(signature))
}

fn stripe(key: &MacKey, before: Option<&MacKey>, seconds: i64, body: &[u8]) -> String {
    let seconds = seconds.to_string();
    let mut header = format!("t={seconds}");
    for key in std::iter::once(key).chain(before) {
        header.push_str(",v1=");
        header.push_str(&hex(&key.sign(&[seconds.as_bytes(), b".", body])));
    }
    header
}

fn github(key: &MacKey, body: &[u8]) -> String {
    format!("sha256={}", hex(&key.sign(&[body])))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;
