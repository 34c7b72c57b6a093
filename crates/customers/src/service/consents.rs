//! The consent log: decisions that callers record, and those that a change makes.

use tidings_db::{DbError, Silent, UnitOfWork};
use tidings_kernel::CustomerId;
use tidings_kernel::Version;

use crate::commands::RecordConsent;
use crate::consent::{self, Consent, Decided, Evidence};
use crate::customer::who;
use crate::error::CustomerError;
use crate::service::history::{self, Line};
use crate::service::{Customers, get_for_change};
use crate::store::consents;

impl Customers {
    /// Records what a customer decided, with the evidence. A decision that changes an opt-in is
    /// told by `customer.updated`; one that stands already changes nothing, and is evidence.
    pub async fn record_customer_consent(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
        expected: Option<Version>,
        input: RecordConsent,
    ) -> Result<Consent, CustomerError> {
        let input = input.checked(work.now())?;
        let before = get_for_change(work, id, expected).await?;
        let RecordConsent { purpose, decision, given_at, .. } = input;
        let decided = (purpose, decision);
        let mut consent = entry(work, id, decided, input.evidence());
        consent.given_at = given_at.unwrap_or(consent.given_at);
        let profile = consent::after(decided, before.profile.clone());
        let (by, now) = (work.ctx().actor.clone(), work.now());
        let Some(change) = before.clone().update(profile, None, &by, now) else {
            return Ok(work.apply(consent.record()).await?);
        };
        let customer = work.apply(change).await?;
        let line = Line::updated(id, &customer.changed_fields(&before));
        history::write(work, vec![line]).await?;
        let mut writer = work.silent(Silent::History);
        consents::append(&mut writer, std::slice::from_ref(&consent)).await?;
        Ok(consent)
    }
}

/// Writes an entry for each decision, in the unit of work of the change that makes it.
pub(super) async fn write(
    work: &mut UnitOfWork,
    customer_id: CustomerId,
    decided: Vec<Decided>,
    source: &str,
) -> Result<(), DbError> {
    let entries: Vec<Consent> = decided
        .into_iter()
        .map(|one| entry(work, customer_id, one, Evidence::of_source(source)))
        .collect();
    consents::append(&mut work.silent(Silent::History), &entries).await
}

fn entry(
    work: &mut UnitOfWork,
    customer_id: CustomerId,
    (purpose, decision): Decided,
    evidence: Evidence,
) -> Consent {
    Consent {
        id: work.mint(),
        tenant_id: work.ctx().tenant_id,
        customer_id,
        purpose,
        decision,
        evidence,
        given_at: work.now(),
        recorded_by: who(&work.ctx().actor),
        created_at: work.now(),
        version: 0,
    }
}
