//! A decision about a consent, with what is known of it.

use serde::Deserialize;
use tidings_events::customers::{ConsentDecision, ConsentPurpose};
use tidings_kernel::{Problem, Timestamp};
use utoipa::ToSchema;

use crate::consent::{API, Evidence};
use crate::validation::{Faults, read_address};

/// The longest source, in characters.
const SOURCE_CHARS_MAX: usize = 100;
/// The longest wording, in characters.
const WORDING_CHARS_MAX: usize = 5_000;
/// The longest name of a version, in characters.
const TEXT_VERSION_CHARS_MAX: usize = 100;
/// The longest name of a program, in characters.
pub(crate) const USER_AGENT_CHARS_MAX: usize = 500;
/// What is told where an address cannot be read.
pub(crate) const ADDRESS: &str = "an IPv4 or IPv6 address, as in 203.0.113.7";

/// Records what a customer decided.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordConsent {
    /// What it is for.
    pub purpose: ConsentPurpose,
    /// What the customer decided.
    pub decision: ConsentDecision,
    /// Where it was decided, as in `web_form` or `call`, at most 100 characters; `api` unless told.
    pub source: Option<String>,
    /// The words that the customer agreed to, at most 5,000 characters.
    pub wording: Option<String>,
    /// The version of these words, at most 100 characters.
    pub text_version: Option<String>,
    /// The IP address from which the customer decided: the customer's, not that of this call.
    pub ip_address: Option<String>,
    /// The program with which the customer decided, at most 500 characters.
    pub user_agent: Option<String>,
    /// When the customer decided, which cannot lie ahead; now unless told.
    pub given_at: Option<Timestamp>,
}

impl RecordConsent {
    /// The same, tidied; or everything that is wrong with it.
    pub fn checked(mut self, now: Timestamp) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        faults.optional("source", &mut self.source, SOURCE_CHARS_MAX);
        faults.optional_lines("wording", &mut self.wording, WORDING_CHARS_MAX);
        faults.optional("text_version", &mut self.text_version, TEXT_VERSION_CHARS_MAX);
        faults.replace("ip_address", &mut self.ip_address, read_address, ADDRESS);
        faults.optional("user_agent", &mut self.user_agent, USER_AGENT_CHARS_MAX);
        if self.given_at.is_some_and(|given_at| given_at > now) {
            let message = "nobody has decided yet what lies ahead; send an instant that has passed";
            faults.push("/given_at".to_owned(), "out_of_range", message);
        }
        faults.or(self)
    }

    /// What is known of the decision.
    pub(crate) fn evidence(self) -> Evidence {
        Evidence {
            source: self.source.unwrap_or_else(|| API.to_owned()),
            wording: self.wording,
            text_version: self.text_version,
            ip_address: self.ip_address,
            user_agent: self.user_agent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str) -> RecordConsent {
        let json = format!(r#"{{"purpose": "marketing", "decision": "granted"{rest}}}"#);
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn each_field_has_its_bound() {
        let long = |chars: usize| "x".repeat(chars);
        let now = Timestamp::of_day("2026-11-23").unwrap();
        for (rest, pointer, code) in [
            (format!(r#", "source": "{}""#, long(101)), "/source", "too_long"),
            (format!(r#", "wording": "{}""#, long(5_001)), "/wording", "too_long"),
            (format!(r#", "text_version": "{}""#, long(101)), "/text_version", "too_long"),
            (format!(r#", "user_agent": "{}""#, long(501)), "/user_agent", "too_long"),
            (r#", "user_agent": "a\u0000b""#.to_owned(), "/user_agent", "invalid"),
            (r#", "ip_address": "localhost""#.to_owned(), "/ip_address", "invalid"),
            (r#", "ip_address": "203.0.113.256""#.to_owned(), "/ip_address", "invalid"),
            (r#", "given_at": "2026-11-24T00:00:00Z""#.to_owned(), "/given_at", "out_of_range"),
        ] {
            let problem = read(&rest).checked(now).unwrap_err();
            let told: Vec<_> = problem.errors.iter().map(|e| (&*e.pointer, &*e.code)).collect();
            assert_eq!(told, [(pointer, code)], "{rest}");
        }
    }

    #[test]
    fn what_is_fine_is_tidied() {
        let rest = r#", "source": " ", "ip_address": " 2001:DB8::0:1 ", "wording": " yes "#;
        let checked = read(&format!("{rest}\"")).checked(Timestamp::default()).unwrap();
        let evidence = checked.evidence();
        assert_eq!(evidence.source, "api");
        assert_eq!(evidence.ip_address.as_deref(), Some("2001:db8::1"));
        assert_eq!(evidence.wording.as_deref(), Some("yes"));
    }
}
