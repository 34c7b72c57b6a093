//! What a subscription asks for beyond where and which: chosen by payload, signed in other ways,
//! laid out otherwise, and only with consent.

use serde::{Deserialize, Serialize};
use tidings_kernel::{FieldError, Timestamp};

use crate::cloudevents::Format;
use crate::payload_filter::{Clause, PayloadFilter};
use crate::redaction::Redaction;
use crate::signing::profiles::{Profile, ProfileUse};

/// A key pair that signs beside the next one for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousKey {
    /// Its seed, sealed, in base64.
    pub signing_key: String,
    /// Its public half, in text.
    pub public_key: String,
    /// Until when it signs too.
    pub valid_until: Timestamp,
}

/// The options of one subscription. Never queried, so they lie in one column.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Which events of the wanted types it gets.
    pub payload_filter: Option<Clause>,
    /// How its requests are signed beside `v1`.
    pub signature_profiles: Vec<ProfileUse>,
    /// The public half of its key pair, in text.
    pub public_key: Option<String>,
    /// The key pair before a rotation.
    pub previous_key: Option<PreviousKey>,
    /// How bodies are laid out.
    pub format: Format,
    /// Whether its endpoint must consent before anything is sent.
    pub handshake: bool,
    /// When the endpoint consented.
    pub consented_at: Option<Timestamp>,
    /// The origin that asked, and that it consented to.
    pub consented_to: Option<String>,
    /// Why it has not, when it was last asked.
    pub handshake_refusal: Option<String>,
    /// What it does not get of events, by when that was asked; the last holds now.
    pub redactions: Vec<Redaction>,
}

impl Options {
    /// Whether the endpoint has consented, or need not.
    pub fn may_send(&self) -> bool {
        !self.handshake || self.consented_at.is_some()
    }

    /// What it does not get of the events that happen now.
    pub fn redact(&self) -> &[String] {
        self.redactions.last().map_or(&[], |redaction| &redaction.pointers)
    }

    /// Whether a profile is among those that are used.
    pub fn uses(&self, profile: Profile) -> bool {
        self.signature_profiles.iter().any(|used| used.name == profile)
    }
}

/// Every fault of a payload filter.
pub(crate) fn check_filter(clause: Option<&Clause>, errors: &mut Vec<FieldError>) {
    if let Some(clause) = clause
        && let Err(faults) = PayloadFilter::compile(clause, "/payload_filter")
    {
        errors.extend(faults);
    }
}

/// Every fault of a list of profiles. An end that lies behind is a fault where it is new.
pub(crate) fn check_profiles(
    profiles: &[ProfileUse],
    known: &[ProfileUse],
    now: Timestamp,
    errors: &mut Vec<FieldError>,
) {
    for (place, used) in profiles.iter().enumerate() {
        if profiles[..place].iter().any(|other| other.name == used.name) {
            let pointer = format!("/signature_profiles/{place}/name");
            errors.push(FieldError::new(pointer, "duplicate", "each profile is there once"));
        }
        if used.ends_at.is_some_and(|end| end <= now) && !known.contains(used) {
            let pointer = format!("/signature_profiles/{place}/ends_at");
            errors.push(FieldError::new(pointer, "out_of_range", "an end lies in the future"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn options_of_before_there_were_any_are_the_defaults() {
        let read: Options = serde_json::from_str("{}").unwrap();
        assert_eq!(read, Options::default());
        assert!(read.may_send());
    }

    #[test]
    fn a_profile_is_there_once_and_ends_later() {
        let used = |name, end: Option<i64>| ProfileUse { name, ends_at: end.map(at) };
        let codes = |profiles: &[ProfileUse], known: &[ProfileUse]| -> Vec<String> {
            let mut errors = Vec::new();
            check_profiles(profiles, known, at(100), &mut errors);
            errors.into_iter().map(|error| format!("{} {}", error.pointer, error.code)).collect()
        };
        let past = used(Profile::Github, Some(100));
        assert!(
            codes(&[used(Profile::Github, Some(101)), used(Profile::Stripe, None)], &[]).is_empty()
        );
        assert_eq!(codes(&[past], &[]), ["/signature_profiles/0/ends_at out_of_range"]);
        assert!(codes(&[past], &[past]).is_empty(), "what has ended may be sent back unchanged");
        assert_eq!(
            codes(&[used(Profile::Github, None), used(Profile::Github, Some(200))], &[]),
            ["/signature_profiles/1/name duplicate"]
        );
    }

    #[test]
    fn nothing_is_sent_before_consent() {
        let asked = Options { handshake: true, ..Options::default() };
        assert!(!asked.may_send());
        assert!(Options { consented_at: Some(at(1)), ..asked }.may_send());
    }
}
