//! Where a customer stands, and the steps from there: the one table that every route goes through.

use tidings_events::CustomerEvent;
use tidings_events::customers::{
    CustomerChurned, CustomerReactivated, CustomerStatus, CustomerSuspended, SuspensionReason,
};
use tidings_kernel::{Actor, Problem, Timestamp};

use crate::customer::{Customer, who};
use crate::error::CustomerError;
use crate::ports::count;
use crate::validation::exponent_of;

/// A step from one status to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A prospect becomes a customer.
    Activate,
    /// A customer falls asleep.
    Deactivate,
    /// A customer is stopped; its subscriptions pause.
    Suspend,
    /// A customer who was asleep, stopped or gone is back; what the suspension paused goes on.
    Reactivate,
    /// A customer leaves; its subscriptions end with their periods.
    Churn,
    /// A customer who does no business is put away.
    Archive,
    /// A customer who was put away is taken out again; what a suspension paused goes on.
    Unarchive,
}

/// The steps that each status allows. This is the whole table.
pub(crate) const fn steps_from(status: CustomerStatus) -> &'static [(CustomerStatus, Step)] {
    use CustomerStatus::{Active, Archived, Churned, Inactive, Prospect, Suspended};
    match status {
        Prospect => &[(Active, Step::Activate)],
        Active => {
            &[(Inactive, Step::Deactivate), (Suspended, Step::Suspend), (Churned, Step::Churn)]
        }
        Inactive | Churned => &[(Active, Step::Reactivate), (Archived, Step::Archive)],
        Suspended => {
            &[(Active, Step::Reactivate), (Churned, Step::Churn), (Archived, Step::Archive)]
        }
        Archived => &[(Active, Step::Unarchive)],
    }
}

/// The step from one status to another; none where the customer stands there already.
pub(crate) fn step(
    from: CustomerStatus,
    to: CustomerStatus,
) -> Result<Option<Step>, CustomerError> {
    if from == to {
        return Ok(None);
    }
    let found = steps_from(from).iter().find(|(next, _)| *next == to);
    found.map(|(_, step)| Some(*step)).ok_or(CustomerError::NoStep { from, to })
}

/// Why a step is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A suspension has one of the known reasons.
    Suspension(SuspensionReason),
    /// Any other step has what the caller said, if anything.
    Said(Option<String>),
}

impl Reason {
    /// Reads what the caller said about a step.
    pub fn read(step: Step, said: Option<String>) -> Result<Self, Problem> {
        match (step, said) {
            (Step::Suspend, None) => Ok(Self::Suspension(SuspensionReason::Manual)),
            (Step::Suspend, Some(word)) => {
                SuspensionReason::find(&word).map(Self::Suspension).ok_or_else(|| {
                    let known = SuspensionReason::ALL.iter().map(|one| one.as_str());
                    let known = known.collect::<Vec<_>>().join(", ");
                    Problem::invalid_field(
                        "/reason",
                        "unknown_value",
                        format!("a suspension has one of these reasons: {known}"),
                    )
                })
            }
            (_, said) => Ok(Self::Said(said)),
        }
    }

    /// The reason in words, for the history.
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Suspension(reason) => Some(reason.as_str()),
            Self::Said(said) => said.as_deref(),
        }
    }
}

/// A step that is about to be taken, with what its event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Where to.
    pub to: CustomerStatus,
    /// By which step.
    pub step: Step,
    /// Why.
    pub reason: Reason,
    /// The subscriptions that the step touched.
    pub subscription_ids: Vec<String>,
}

impl Move {
    /// The event that tells of the step, besides `customer.updated`, which tells of every change.
    pub fn event(
        &self,
        before: &Customer,
        after: &Customer,
        by: &Actor,
        now: Timestamp,
    ) -> Option<CustomerEvent> {
        let customer = after.facts();
        let previous_status = before.status;
        let subscription_ids = self.subscription_ids.clone();
        match (self.step, &self.reason) {
            (Step::Activate | Step::Deactivate | Step::Archive | Step::Unarchive, _) => None,
            (Step::Suspend, reason) => Some(CustomerEvent::from(CustomerSuspended {
                customer,
                suspended_at: now,
                reason: match reason {
                    Reason::Suspension(reason) => *reason,
                    Reason::Said(_) => SuspensionReason::Manual,
                },
                suspended_by: who(by),
                previous_status,
                subscriptions_suspended: count(&subscription_ids),
                subscription_ids,
            })),
            (Step::Reactivate, _) => Some(CustomerEvent::from(CustomerReactivated {
                customer,
                reactivated_at: now,
                previous_status,
                subscriptions_reactivated: count(&subscription_ids),
                subscription_ids,
            })),
            (Step::Churn, reason) => Some(CustomerEvent::from(CustomerChurned {
                customer,
                churned_at: now,
                previous_status,
                new_status: after.status,
                reason: reason.words().map(str::to_owned),
                subscriptions_canceled: count(&subscription_ids),
                lifetime_value: after.figures.lifetime_value,
                currency_exponent: after.figures.currency.as_deref().and_then(exponent_of),
                lifetime_value_currency: after.figures.currency.clone(),
                tenure_days: after.tenure_days(now),
            })),
        }
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
