//! What a customer consented to, and the evidence of it: the consent log.
//!
//! The profile says what is allowed now, the log says since when and on whose word. Each change of an
//! opt-in writes an entry, whatever route it takes; what was never said is no entry.

use tidings_events::CustomerEvent;
use tidings_events::customers::{ConsentDecision, ConsentPurpose, CustomerConsentRecorded};
use tidings_kernel::{AnyId, Change, ConsentId, CustomerId, Entity, TenantId, Timestamp, Version};

use crate::profile::{CreateCustomer, Profile};

/// The source of an entry that an anonymization writes.
pub(crate) const ANONYMIZATION: &str = "anonymization";
/// The source of an entry where the caller names none.
pub(crate) const API: &str = "api";

/// An entry of the consent log. It is written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Its id.
    pub id: ConsentId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The customer.
    pub customer_id: CustomerId,
    /// What it is for.
    pub purpose: ConsentPurpose,
    /// What the customer decided.
    pub decision: ConsentDecision,
    /// Where the decision was made, and what is known of it.
    pub evidence: Evidence,
    /// When the customer decided.
    pub given_at: Timestamp,
    /// Who wrote it down.
    pub recorded_by: String,
    /// When it was written down.
    pub created_at: Timestamp,
    /// How many events it has had.
    pub version: Version,
}

/// What is known of a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Where it was made: a form, a call, an import.
    pub source: String,
    /// The words that the customer agreed to.
    pub wording: Option<String>,
    /// The version of these words.
    pub text_version: Option<String>,
    /// The address from which the customer decided.
    pub ip_address: Option<String>,
    /// The program with which the customer decided.
    pub user_agent: Option<String>,
}

impl Evidence {
    /// Where it was made, and nothing else.
    pub(crate) fn of_source(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }
}

impl Entity for Consent {
    type Event = CustomerEvent;
    const KIND: &'static str = "customer_consent";

    fn id(&self) -> AnyId {
        self.id.any()
    }

    fn version(&self) -> Version {
        self.version
    }

    fn set_version(&mut self, version: Version) {
        self.version = version;
    }
}

impl Consent {
    /// Records a decision that stands already. One that changes something is told by
    /// `customer.updated`, and goes without an event of its own.
    pub fn record(self) -> Change<Self> {
        let event = CustomerConsentRecorded {
            customer_id: self.customer_id,
            consent_id: self.id,
            purpose: self.purpose,
            decision: self.decision,
        };
        Change::new(self, event)
    }
}

/// A purpose with what was decided about it.
pub(crate) type Decided = (ConsentPurpose, ConsentDecision);

fn decision(allowed: bool) -> ConsentDecision {
    if allowed { ConsentDecision::Granted } else { ConsentDecision::Withdrawn }
}

fn allowed(profile: &Profile, purpose: ConsentPurpose) -> bool {
    match purpose {
        ConsentPurpose::Marketing => profile.opt_in_marketing,
        ConsentPurpose::Updates => profile.opt_in_updates,
    }
}

/// What a new customer has decided. The value that a field has from the start is nobody's word.
pub(crate) fn said(input: &CreateCustomer) -> Vec<Decided> {
    let said = |purpose| match purpose {
        ConsentPurpose::Marketing => input.opt_in_marketing,
        ConsentPurpose::Updates => input.opt_in_updates,
    };
    let all = ConsentPurpose::ALL.iter();
    all.filter_map(|purpose| said(*purpose).map(|allowed| (*purpose, decision(allowed)))).collect()
}

/// What a change of the profile decides.
pub(crate) fn decided(before: &Profile, after: &Profile) -> Vec<Decided> {
    let all = ConsentPurpose::ALL.iter().copied();
    all.filter(|purpose| allowed(before, *purpose) != allowed(after, *purpose))
        .map(|purpose| (purpose, decision(allowed(after, purpose))))
        .collect()
}

/// The profile after a decision.
pub(crate) fn after((purpose, decision): Decided, profile: Profile) -> Profile {
    let allowed = match decision {
        ConsentDecision::Granted => true,
        ConsentDecision::Withdrawn => false,
    };
    match purpose {
        ConsentPurpose::Marketing => Profile { opt_in_marketing: allowed, ..profile },
        ConsentPurpose::Updates => Profile { opt_in_updates: allowed, ..profile },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConsentDecision::{Granted, Withdrawn};
    use ConsentPurpose::{Marketing, Updates};

    #[test]
    fn only_what_was_said_is_a_decision_of_a_new_customer() {
        for (json, told) in [
            ("{}", vec![]),
            (r#"{"opt_in_marketing": null}"#, vec![]),
            (r#"{"opt_in_marketing": true}"#, vec![(Marketing, Granted)]),
            (
                r#"{"opt_in_marketing": false, "opt_in_updates": true}"#,
                vec![(Marketing, Withdrawn), (Updates, Granted)],
            ),
        ] {
            let input: CreateCustomer = serde_json::from_str(json).unwrap();
            assert_eq!(said(&input), told, "{json}");
        }
    }

    #[test]
    fn a_change_decides_what_differs_and_a_decision_makes_that_change() {
        let first = Profile::default();
        assert!(decided(&first, &first).is_empty());
        for one in [(Marketing, Granted), (Updates, Withdrawn)] {
            let next = after(one, first.clone());
            assert_eq!(decided(&first, &next), [one]);
            assert_eq!(after(one, next.clone()), next, "doing it again changes nothing");
        }
        let both = after((Updates, Withdrawn), after((Marketing, Granted), first.clone()));
        assert_eq!(decided(&both, &first), [(Marketing, Withdrawn), (Updates, Granted)]);
    }
}
