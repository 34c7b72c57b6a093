//! The lines that the service itself writes into a customer's history.

use tidings_db::{DbError, Silent, UnitOfWork};
use tidings_events::customers::CustomerActivityType;
use tidings_kernel::CustomerId;

use crate::activity::Activity;
use crate::customer::{Customer, who};
use crate::store::activities;

/// The longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 2_000;

/// A line, before it has an id.
pub(super) struct Line {
    pub(super) customer_id: CustomerId,
    pub(super) activity_type: CustomerActivityType,
    pub(super) title: &'static str,
    pub(super) description: Option<String>,
}

impl Line {
    /// A line that names the fields that changed, and none of their values.
    pub(super) fn updated(customer_id: CustomerId, changed_fields: &[String]) -> Self {
        Self {
            customer_id,
            activity_type: CustomerActivityType::Updated,
            title: "Customer updated",
            description: Some(changed_fields.join(", ")),
        }
    }

    /// A line for each label that came or went.
    pub(super) fn tags_changed(before: &Customer, after: &Customer) -> Vec<Self> {
        let (old, new) = (&before.profile.tags, &after.profile.tags);
        let line = |activity_type, title, tag: &String| Self {
            customer_id: after.id,
            activity_type,
            title,
            description: Some(tag.clone()),
        };
        let added = new.iter().filter(|tag| !old.contains(tag));
        let removed = old.iter().filter(|tag| !new.contains(tag));
        added
            .map(|tag| line(CustomerActivityType::TagAdded, "Tag added", tag))
            .chain(removed.map(|tag| line(CustomerActivityType::TagRemoved, "Tag removed", tag)))
            .collect()
    }

    /// A line that says that something was bought, and in which order.
    pub(super) fn purchase(customer_id: CustomerId, order_id: Option<String>) -> Self {
        Self {
            customer_id,
            activity_type: CustomerActivityType::Purchase,
            title: "Purchase recorded",
            description: order_id.map(|order_id| format!("order: {order_id}")),
        }
    }

    /// A line that says where the customer stood and stands.
    pub(super) fn status_changed(before: &Customer, after: &Customer, why: Option<&str>) -> Self {
        let (from, to) = (before.status.as_str(), after.status.as_str());
        let description = match why {
            Some(why) => format!("{from} to {to}: {why}"),
            None => format!("{from} to {to}"),
        };
        Self {
            customer_id: after.id,
            activity_type: CustomerActivityType::StatusChanged,
            title: "Status changed",
            description: Some(description),
        }
    }
}

/// Writes lines in the unit of work of the change that they repeat.
pub(super) async fn write(work: &mut UnitOfWork, lines: Vec<Line>) -> Result<(), DbError> {
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    let performed_by = who(&work.ctx().actor);
    let mut activities = Vec::with_capacity(lines.len());
    for Line { customer_id, activity_type, title, description } in lines {
        activities.push(Activity {
            id: work.mint(),
            tenant_id,
            customer_id,
            activity_type,
            title: title.to_owned(),
            description: description.map(|text| text.chars().take(DESCRIPTION_CHARS_MAX).collect()),
            performed_by: performed_by.clone(),
            ip_address: None,
            user_agent: None,
            created_at: now,
            version: 0,
        });
    }
    activities::append(&mut work.silent(Silent::History), &activities).await
}
