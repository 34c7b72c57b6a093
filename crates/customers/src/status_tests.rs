use tidings_kernel::{CustomerId, TenantId, Uuid};

use super::*;
use crate::customer::NewCustomer;
use crate::number::CustomerNumber;
use crate::profile::Profile;
use tidings_events::{Event, EventName};

fn standing(status: CustomerStatus) -> Customer {
    let id = CustomerId::from_uuid(Uuid::from_u128(1));
    let new = NewCustomer {
        id,
        tenant_id: TenantId::from_uuid(Uuid::from_u128(2)),
        number: CustomerNumber::of(id, 0),
        status,
        profile: Profile::default(),
        source: tidings_events::customers::CustomerSource::Api,
    };
    Customer::create(new, &Actor::Operator, Timestamp::default()).state().clone()
}

/// The events of going from one status to another, or why there are none.
fn told(from: CustomerStatus, to: CustomerStatus) -> String {
    let customer = standing(from);
    let step = match step(from, to) {
        Ok(Some(step)) => step,
        Ok(None) => return "nothing".to_owned(),
        Err(_) => return "refused".to_owned(),
    };
    let reason = Reason::read(step, None).unwrap();
    let moved = Move { to, step, reason, subscription_ids: Vec::new() };
    let profile = customer.profile.clone();
    let change = customer.update(profile, Some(&moved), &Actor::Operator, Timestamp::default());
    let change = change.unwrap();
    assert_eq!(change.state().status, to);
    let names = change.events().map(|event| match Event::from(event.clone()).name {
        EventName::Catalog(event_type) => {
            event_type.name().strip_prefix("customer.").unwrap().to_owned()
        }
        EventName::Custom(name) => panic!("{name:?} is not of the catalog"),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The table of the README: every status, and what going to every other tells.
fn table() -> String {
    let words: Vec<&str> = CustomerStatus::ALL.iter().map(|status| status.as_str()).collect();
    let mut lines = vec![format!("| from \\ to | {} |", words.join(" | "))];
    lines.push(format!("|---|{}", "---|".repeat(words.len())));
    for from in CustomerStatus::ALL {
        let cells: Vec<_> = CustomerStatus::ALL.iter().map(|to| told(*from, *to)).collect();
        lines.push(format!("| **{}** | {} |", from.as_str(), cells.join(" | ")));
    }
    lines.join("\n")
}

#[test]
fn the_readme_shows_what_every_step_from_every_status_tells() {
    let table = table();
    let readme = include_str!("../README.md");
    assert!(readme.contains(&table), "put this into the README:\n\n{table}\n");
}

#[test]
fn a_suspension_has_a_known_reason_and_other_steps_what_was_said() {
    let fraud = Reason::read(Step::Suspend, Some("fraud".to_owned())).unwrap();
    assert_eq!(fraud, Reason::Suspension(SuspensionReason::Fraud));
    let unsaid = Reason::read(Step::Suspend, None).unwrap();
    assert_eq!(unsaid, Reason::Suspension(SuspensionReason::Manual));
    let refused = Reason::read(Step::Suspend, Some("bored".to_owned())).unwrap_err();
    assert_eq!(refused.errors[0].pointer, "/reason");
    let said = Reason::read(Step::Churn, Some("moved away".to_owned())).unwrap();
    assert_eq!(said.words(), Some("moved away"));
}
