//! A customer and its changes. Each consumes the state and gives the next one with its events.

use std::time::Duration;

use tidings_events::customers::{
    CustomerAnonymized, CustomerCreated, CustomerErased, CustomerPurchaseRecorded, CustomerSource,
    CustomerStatus, CustomerUpdated,
};
use tidings_events::{CustomerEvent, Diff, Previous};
use tidings_kernel::{
    Actor, AnyId, Change, CustomerId, Entity, Metadata, SegmentId, TenantId, Timestamp, Version,
};

use crate::error::CustomerError;
use crate::figures::Figures;
use crate::number::CustomerNumber;
use crate::profile::Profile;
use crate::status::Move;
use crate::validation::exponent_of;

/// How long a deleted customer can be restored.
pub(crate) const RESTORABLE: Duration = Duration::from_hours(30 * 24);

/// Whether the record is there. This is no status: a deleted customer stands where it stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is there.
    Kept,
    /// It is deleted, and can be restored until it is erased.
    Deleted {
        /// When it was deleted.
        deleted_at: Timestamp,
        /// When it will be erased.
        erase_at: Timestamp,
    },
    /// It is erased: nothing of it is stored.
    Erased,
}

/// Somebody whom the tenant does business with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The number that people use.
    pub number: CustomerNumber,
    /// Where the customer stands.
    pub status: CustomerStatus,
    /// What callers say about it.
    pub profile: Profile,
    /// What is computed about it.
    pub figures: Figures,
    /// When somebody was last in touch with it; kept by the history.
    pub last_contact_at: Option<Timestamp>,
    /// Whether the record is there.
    pub presence: Presence,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who last changed it.
    pub updated_by: String,
    /// How many events it has had.
    pub version: Version,
}

/// Who is written down for an actor: the id, or `operator`.
pub(crate) fn who(actor: &Actor) -> String {
    actor.id().unwrap_or_else(|| actor.kind().to_owned())
}

impl Entity for Customer {
    type Event = CustomerEvent;
    const KIND: &'static str = "customer";

    fn id(&self) -> AnyId {
        self.id.any()
    }

    fn version(&self) -> Version {
        self.version
    }

    fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    fn metadata(&self) -> Option<&Metadata> {
        // It may name the person, whom the last event of an erased record must not.
        (self.presence != Presence::Erased).then_some(&self.profile.metadata)
    }
}

/// A customer that is about to be made.
#[derive(Debug, Clone)]
pub struct NewCustomer {
    /// Its id.
    pub id: CustomerId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The number that people will use.
    pub number: CustomerNumber,
    /// Where it stands at first.
    pub status: CustomerStatus,
    /// What the caller says about it.
    pub profile: Profile,
    /// Where the record comes from.
    pub source: CustomerSource,
}

impl Customer {
    /// Makes a customer.
    pub fn create(new: NewCustomer, by: &Actor, now: Timestamp) -> Change<Self> {
        let NewCustomer { id, tenant_id, number, status, profile, source } = new;
        let customer = Self {
            id,
            tenant_id,
            number,
            status,
            profile,
            figures: Figures::default(),
            last_contact_at: None,
            presence: Presence::Kept,
            created_at: now,
            created_by: who(by),
            updated_at: now,
            updated_by: who(by),
            version: 0,
        };
        let event = CustomerCreated { customer: customer.facts(), source };
        Change::new(customer, event)
    }

    /// Takes a profile and a step; `None` where that changes nothing. First `customer.updated`
    /// tells all of it, then the step's own event tells the step.
    pub fn update(
        self,
        profile: Profile,
        step: Option<&Move>,
        by: &Actor,
        now: Timestamp,
    ) -> Option<Change<Self>> {
        let before = self.clone();
        let status = step.map_or(self.status, |step| step.to);
        let next = Self { profile, status, updated_at: now, updated_by: who(by), ..self };
        let diff = next.diff(&before);
        if diff.is_empty() {
            return None;
        }
        let told = step.and_then(|step| step.event(&before, &next, by, now));
        let change = next.updated(&diff, diff.previous());
        Some(match told {
            Some(event) => change.and(event),
            None => change,
        })
    }

    /// Puts the customer in a segment, or in none; `None` where it is there already.
    pub fn assign(
        self,
        segment_id: Option<SegmentId>,
        by: &Actor,
        now: Timestamp,
    ) -> Option<Change<Self>> {
        let profile = Profile { segment_id, ..self.profile.clone() };
        self.update(profile, None, by, now)
    }

    /// Takes the person out of the record, which stays. No old value is told; `None` where the
    /// person is out already.
    pub fn anonymize(self, by: &Actor, now: Timestamp) -> Option<Change<Self>> {
        let before = self.clone();
        let profile = self.anonymous_profile();
        let next = Self { profile, updated_at: now, updated_by: who(by), ..self };
        let diff = next.diff(&before);
        let event = CustomerAnonymized {
            customer_id: next.id,
            customer_number: next.number.as_str().to_owned(),
        };
        (!diff.is_empty()).then(|| next.updated(&diff, Previous::new()).and(event))
    }

    /// The profile without the person.
    fn anonymous_profile(&self) -> Profile {
        Profile {
            // Nobody can have an address under .invalid (RFC 2606), and the id makes it unique.
            email: format!("{}@anonymized.invalid", self.id),
            first_name: "Anonymized".to_owned(),
            last_name: "Customer".to_owned(),
            opt_in_updates: false,
            ..self.profile.clone().without_person()
        }
    }

    /// Whether the person is out of the record.
    pub fn is_anonymous(&self) -> bool {
        self.profile == self.anonymous_profile()
    }

    /// Deletes the customer. It can be restored until it is erased.
    pub fn delete(
        self,
        reason: Option<String>,
        subscriptions_cancelled: u32,
        by: &Actor,
        now: Timestamp,
    ) -> Change<Self> {
        let presence = Presence::Deleted { deleted_at: now, erase_at: now.after(RESTORABLE) };
        let next = Self { presence, updated_at: now, updated_by: who(by), ..self };
        let event = next.deleted(reason, subscriptions_cancelled, by, now);
        Change::new(next, event)
    }

    /// Deletes the customer for good. The event names nobody.
    pub fn delete_for_good(
        self,
        reason: Option<String>,
        subscriptions_cancelled: u32,
        by: &Actor,
        now: Timestamp,
    ) -> Change<Self> {
        let next = Self { presence: Presence::Erased, ..self };
        let event = next.deleted(reason, subscriptions_cancelled, by, now);
        Change::new(next, event)
    }

    /// Erases a deleted customer whose time is up. `customer.deleted` told of it when it was
    /// deleted, and named this instant; this is for the audit trail only.
    pub fn erase(self) -> Change<Self> {
        let event = CustomerErased {
            customer_id: self.id,
            customer_number: self.number.as_str().to_owned(),
        };
        Change::new(Self { presence: Presence::Erased, ..self }, event)
    }

    /// Brings a deleted customer back.
    pub fn restore(self, by: &Actor, now: Timestamp) -> Result<Change<Self>, CustomerError> {
        match self.presence {
            Presence::Deleted { .. } => {
                let before = self.clone();
                let presence = Presence::Kept;
                let next = Self { presence, updated_at: now, updated_by: who(by), ..self };
                let diff = next.diff(&before);
                let previous = diff.previous();
                Ok(next.updated(&diff, previous))
            }
            Presence::Kept | Presence::Erased => Err(CustomerError::NotDeleted),
        }
    }

    /// Adds a purchase to the figures.
    pub fn purchase(
        self,
        (amount, currency): (i64, String),
        order_id: Option<String>,
        now: Timestamp,
    ) -> Result<Change<Self>, CustomerError> {
        let figures = self.figures.with_purchase(amount, &currency, now)?;
        let event = CustomerPurchaseRecorded {
            customer_id: self.id,
            amount,
            currency_exponent: exponent_of(&currency).unwrap_or_default(),
            currency,
            order_id,
        };
        Ok(Change::new(Self { figures, ..self }, event))
    }

    /// The currency of a purchase whose own is not told.
    pub fn purchase_currency(&self) -> Option<String> {
        self.figures.currency.clone().or_else(|| self.profile.currency.clone())
    }

    /// The fields whose value differs from `before`, sorted.
    pub fn changed_fields(&self, before: &Self) -> Vec<String> {
        self.diff(before).changed_fields()
    }

    fn diff(&self, before: &Self) -> Diff {
        let diff = Diff::new().field("status", &before.status, &self.status).field(
            "deleted_at",
            &before.deleted_at(),
            &self.deleted_at(),
        );
        self.profile.diff(&before.profile, diff)
    }

    #[track_caller]
    fn updated(self, diff: &Diff, previous: Previous) -> Change<Self> {
        let event = CustomerUpdated {
            customer: self.facts(),
            changed_fields: diff.changed_fields(),
            previous,
            updated_at: self.updated_at,
        };
        Change::new(self, event)
    }

    /// When the record was deleted, if it is.
    pub fn deleted_at(&self) -> Option<Timestamp> {
        match self.presence {
            Presence::Deleted { deleted_at, .. } => Some(deleted_at),
            Presence::Kept | Presence::Erased => None,
        }
    }

    /// When the record will be erased, if it will.
    pub fn erase_at(&self) -> Option<Timestamp> {
        match self.presence {
            Presence::Deleted { erase_at, .. } => Some(erase_at),
            Presence::Kept | Presence::Erased => None,
        }
    }
}

#[cfg(test)]
#[path = "customer_tests.rs"]
mod tests;
