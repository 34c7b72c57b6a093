//! What is said about a customer: in its events, in a search, in the figures of its leaving.

use tidings_events::customers::{CustomerDeleted, CustomerFacts};
use tidings_kernel::{Actor, Timestamp};

use crate::criteria::fold;
use crate::customer::{Customer, Presence, who};
use crate::profile::Profile;

impl Customer {
    /// What a search looks through, folded.
    pub fn search_text(&self) -> String {
        let Profile { email, first_name, last_name, .. } = &self.profile;
        let Profile { display_name, company_name, phone, mobile, external_id, .. } = &self.profile;
        let needed = [self.number.as_str(), email, first_name, last_name].into_iter();
        let maybe = [display_name, company_name, phone, mobile, external_id].into_iter();
        let parts: Vec<&str> = needed.chain(maybe.flatten().map(String::as_str)).collect();
        fold(&parts.join(" "))
    }

    /// What every event says about the customer.
    pub fn facts(&self) -> CustomerFacts {
        let profile = self.profile.clone();
        CustomerFacts {
            customer_id: self.id,
            customer_number: self.number.as_str().to_owned(),
            email: profile.email,
            email_verified: profile.email_verified,
            first_name: profile.first_name,
            last_name: profile.last_name,
            display_name: profile.display_name,
            company_name: profile.company_name,
            customer_type: profile.customer_type,
            tier: profile.tier,
            status: self.status,
            phone: profile.phone,
            country: profile.country,
            timezone: profile.timezone,
            preferred_language: profile.preferred_language,
            tags: profile.tags,
            segment_id: profile.segment_id,
            assigned_to: profile.assigned_to,
            external_id: profile.external_id,
            source_system: profile.source_system,
            currency: profile.currency,
            created_at: self.created_at,
        }
    }

    /// Whole days since the customer was won.
    pub fn tenure_days(&self, now: Timestamp) -> i64 {
        let won = self.profile.acquisition_date.as_deref().and_then(Timestamp::of_day);
        let days = now.since(won.unwrap_or(self.created_at)).as_secs() / (24 * 3_600);
        i64::try_from(days).unwrap_or(i64::MAX)
    }

    /// The event that tells of a deletion. One for good names nobody.
    pub(crate) fn deleted(
        &self,
        reason: Option<String>,
        subscriptions_cancelled: u32,
        by: &Actor,
        now: Timestamp,
    ) -> CustomerDeleted {
        let (hard_delete, erase_at) = match self.presence {
            Presence::Kept | Presence::Erased => (true, None),
            Presence::Deleted { erase_at, .. } => (false, Some(erase_at)),
        };
        let anonymized = hard_delete || self.is_anonymous();
        let named = (!anonymized).then_some(&self.profile);
        CustomerDeleted {
            customer_id: self.id,
            customer_number: self.number.as_str().to_owned(),
            email: named.map(|profile| profile.email.clone()),
            first_name: named.map(|profile| profile.first_name.clone()),
            last_name: named.map(|profile| profile.last_name.clone()),
            company_name: named.and_then(|profile| profile.company_name.clone()),
            hard_delete,
            deleted_by: who(by),
            reason,
            anonymized,
            subscriptions_cancelled,
            deleted_at: now,
            erase_at,
        }
    }
}
