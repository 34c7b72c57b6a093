//! Changes what a customer is and where it stands: one path for both routes.

use tidings_db::UnitOfWork;
use tidings_kernel::{Actor, Ctx, CustomerId, Permission, Version};

use crate::commands::{SetStatus, check_reason};
use crate::consent;
use crate::customer::Customer;
use crate::error::CustomerError;
use crate::ports::Touched;
use crate::profile::{Profile, UpdateCustomer};
use crate::service::history::{self, Line};
use crate::service::{Customers, check_segment, consents, get_for_change};
use crate::status::{self, Move, Reason, Step};

impl Customers {
    /// Changes a customer. What changes nothing tells nothing, and gives the customer as it is.
    pub async fn update_customer(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
        expected: Option<Version>,
        input: UpdateCustomer,
    ) -> Result<Customer, CustomerError> {
        let customer = get_for_change(work, id, expected).await?;
        let (profile, wanted) = input.checked(customer.profile.clone())?;
        let step = match wanted {
            Some(wanted) => self.take_step(work, &customer, wanted).await?,
            None => None,
        };
        if profile.segment_id != customer.profile.segment_id {
            check_segment(work, profile.segment_id).await?;
        }
        change(work, customer, profile, step).await
    }

    /// Changes where a customer stands. Where it stands there already, nothing changes.
    pub async fn set_customer_status(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
        expected: Option<Version>,
        input: SetStatus,
    ) -> Result<Customer, CustomerError> {
        let SetStatus { status, reason } = input;
        let reason = check_reason(reason, "/reason")?;
        let customer = get_for_change(work, id, expected).await?;
        let step = self.take_step(work, &customer, SetStatus { status, reason }).await?;
        let profile = customer.profile.clone();
        change(work, customer, profile, step).await
    }

    /// Finds the step, and lets its consequences happen: their events come first.
    async fn take_step(
        &self,
        work: &mut UnitOfWork,
        customer: &Customer,
        SetStatus { status: to, reason }: SetStatus,
    ) -> Result<Option<Move>, CustomerError> {
        let Some(step) = status::step(customer.status, to)? else { return Ok(None) };
        if !may_change_status(work.ctx()) {
            return Err(CustomerError::StatusNotYours);
        }
        let reason = Reason::read(step, reason)?;
        let subscriptions = &self.subscriptions;
        let touched = match step {
            Step::Suspend => subscriptions.pause_for(work, customer.id).await?,
            Step::Reactivate | Step::Unarchive => {
                subscriptions.resume_for(work, customer.id).await?
            }
            Step::Churn => subscriptions.cancel_at_period_end_for(work, customer.id).await?,
            Step::Activate | Step::Deactivate | Step::Archive => Touched::default(),
        };
        let Touched { subscription_ids } = touched;
        Ok(Some(Move { to, step, reason, subscription_ids }))
    }
}

/// Jobs and reactions of the system's own act without a credential.
fn may_change_status(ctx: &Ctx) -> bool {
    matches!(ctx.actor, Actor::System(_)) || ctx.grants.allow(Permission::CustomersManageStatus)
}

async fn change(
    work: &mut UnitOfWork,
    customer: Customer,
    profile: Profile,
    step: Option<Move>,
) -> Result<Customer, CustomerError> {
    let before = customer.clone();
    let (by, now) = (work.ctx().actor.clone(), work.now());
    let Some(change) = customer.update(profile, step.as_ref(), &by, now) else {
        return Ok(before);
    };
    let after = work.apply(change).await?;
    let mut lines = Vec::new();
    let mut changed_fields = after.changed_fields(&before);
    changed_fields.retain(|field| field != "status");
    if !changed_fields.is_empty() {
        lines.push(Line::updated(after.id, &changed_fields));
    }
    if let Some(step) = step {
        lines.push(Line::status_changed(&before, &after, step.reason.words()));
    }
    lines.extend(Line::tags_changed(&before, &after));
    history::write(work, lines).await?;
    let decided = consent::decided(&before.profile, &after.profile);
    consents::write(work, after.id, decided, consent::API).await?;
    Ok(after)
}
