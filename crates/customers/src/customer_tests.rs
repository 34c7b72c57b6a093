use tidings_events::customers::{CustomerTier, SuspensionReason};
use tidings_kernel::Uuid;

use super::*;
use crate::status::{Reason, Step};
use crate::validation::Faults;

fn ada() -> Customer {
    let id = CustomerId::from_uuid(Uuid::from_u128(0x9d2e_7a01));
    let profile = Profile {
        email: "ada@example.com".to_owned(),
        first_name: "Ada".to_owned(),
        last_name: "Lovelace".to_owned(),
        company_name: Some("Analytical  Engines".to_owned()),
        tax_id: Some("12-345".to_owned()),
        country: Some("GB".to_owned()),
        acquisition_date: Some("1970-01-01".to_owned()),
        ..Profile::default()
    };
    let new = NewCustomer {
        id,
        tenant_id: TenantId::from_uuid(Uuid::from_u128(2)),
        number: CustomerNumber::of(id, 0),
        status: CustomerStatus::Active,
        profile,
        source: CustomerSource::Api,
    };
    let change = Customer::create(new, &Actor::Operator, Timestamp::default());
    assert!(matches!(only(&change), CustomerEvent::CustomerCreated(_)));
    change.state().clone()
}

fn only(change: &Change<Customer>) -> &CustomerEvent {
    let events: Vec<_> = change.events().collect();
    assert_eq!(events.len(), 1, "{events:?}");
    events[0]
}

fn updated(change: &Change<Customer>) -> &CustomerUpdated {
    match change.events().next() {
        Some(CustomerEvent::CustomerUpdated(updated)) => updated,
        other => panic!("{other:?}"),
    }
}

const NOW: Timestamp = Timestamp::from_micros(412 * 24 * 3_600 * 1_000_000);

#[test]
fn no_change_is_no_event() {
    let profile = ada().profile;
    assert!(ada().update(profile, None, &Actor::System("job"), NOW).is_none());
    assert!(ada().assign(None, &Actor::Operator, NOW).is_none());
}

#[test]
fn one_change_tells_all_of_it_first_and_the_step_after() {
    let profile = Profile { tier: CustomerTier::Premium, ..ada().profile };
    let step = Move {
        to: CustomerStatus::Suspended,
        step: Step::Suspend,
        reason: Reason::Suspension(SuspensionReason::NonPayment),
        subscription_ids: vec!["sub_1".to_owned()],
    };
    let change = ada().update(profile, Some(&step), &Actor::Operator, NOW).unwrap();
    assert_eq!(updated(&change).changed_fields, ["status", "tier"]);
    assert_eq!(updated(&change).customer.status, CustomerStatus::Suspended);
    let Some(CustomerEvent::CustomerSuspended(suspended)) = change.events().nth(1) else {
        panic!("{change:?}")
    };
    assert_eq!(suspended.previous_status, CustomerStatus::Active);
    assert_eq!(suspended.reason, SuspensionReason::NonPayment);
    assert_eq!(suspended.suspended_by, "operator");
    assert_eq!((suspended.subscriptions_suspended, suspended.subscription_ids.len()), (1, 1));
}

#[test]
fn a_churned_customer_is_told_with_value_and_tenure() {
    let customer = ada().purchase((1_299, "JPY".to_owned()), None, NOW).unwrap().state().clone();
    let step = Move {
        to: CustomerStatus::Churned,
        step: Step::Churn,
        reason: Reason::Said(Some("moved away".to_owned())),
        subscription_ids: Vec::new(),
    };
    let profile = customer.profile.clone();
    let change = customer.update(profile, Some(&step), &Actor::Operator, NOW).unwrap();
    let Some(CustomerEvent::CustomerChurned(churned)) = change.events().nth(1) else {
        panic!("{change:?}")
    };
    assert_eq!((churned.lifetime_value, churned.currency_exponent), (1_299, Some(0)));
    assert_eq!((churned.tenure_days, churned.reason.as_deref()), (412, Some("moved away")));
}

#[test]
fn a_purchase_never_says_updated() {
    let change = ada().purchase((1, "EUR".to_owned()), None, NOW).unwrap();
    assert!(matches!(only(&change), CustomerEvent::CustomerPurchaseRecorded(_)));
    assert_eq!(change.state().updated_at, Timestamp::default());
}

#[test]
fn a_deletion_names_the_customer_and_one_for_good_does_not() {
    let soft = ada().delete(Some("asked".to_owned()), 2, &Actor::Operator, NOW);
    let CustomerEvent::CustomerDeleted(deleted) = only(&soft) else { panic!("{soft:?}") };
    assert_eq!(deleted.email.as_deref(), Some("ada@example.com"));
    assert_eq!((deleted.hard_delete, deleted.anonymized), (false, false));
    assert_eq!(deleted.erase_at, Some(NOW.after(RESTORABLE)));
    assert_eq!(soft.state().erase_at(), deleted.erase_at);

    let hard = ada().delete_for_good(None, 0, &Actor::Operator, NOW);
    let CustomerEvent::CustomerDeleted(deleted) = only(&hard) else { panic!("{hard:?}") };
    let named = [&deleted.email, &deleted.first_name, &deleted.last_name, &deleted.company_name];
    assert_eq!(named, [&None, &None, &None, &None]);
    assert_eq!((deleted.hard_delete, deleted.anonymized, deleted.erase_at), (true, true, None));
    assert_eq!(hard.state().presence, Presence::Erased);
    assert!(hard.state().metadata().is_none() && soft.state().metadata().is_some());

    let erased = soft.state().clone().erase();
    assert!(matches!(only(&erased), CustomerEvent::CustomerErased(_)), "deleted is told once");
}

#[test]
fn a_restored_customer_is_updated_and_one_who_is_there_is_not_restored() {
    let deleted = ada().delete(None, 0, &Actor::Operator, NOW).state().clone();
    let change = deleted.restore(&Actor::Operator, NOW).unwrap();
    assert_eq!(updated(&change).changed_fields, ["deleted_at"]);
    assert_eq!(change.state().presence, Presence::Kept);
    let refused = change.state().clone().restore(&Actor::Operator, NOW);
    assert!(matches!(refused, Err(CustomerError::NotDeleted)));
}

#[test]
fn an_anonymized_customer_tells_which_fields_went_and_none_of_their_values() {
    let change = ada().anonymize(&Actor::Operator, NOW).unwrap();
    let event = updated(&change);
    assert!(event.previous.is_empty());
    let fields: Vec<&str> = event.changed_fields.iter().map(String::as_str).collect();
    assert_eq!(
        fields,
        ["company_name", "email", "first_name", "last_name", "opt_in_updates", "tax_id"]
    );
    let anonymous = change.state().clone();
    assert!(anonymous.is_anonymous() && !ada().is_anonymous());
    assert_eq!(anonymous.profile.country.as_deref(), Some("GB"));
    assert!(anonymous.profile.clone().tidied(&mut Faults::default()) == anonymous.profile);
    assert!(anonymous.clone().anonymize(&Actor::Operator, NOW).is_none());

    let deleted = anonymous.delete(None, 0, &Actor::Operator, NOW);
    let CustomerEvent::CustomerDeleted(deleted) = only(&deleted) else { panic!("{deleted:?}") };
    assert_eq!((deleted.anonymized, &deleted.email), (true, &None));
}

#[test]
fn a_search_looks_through_what_people_ask_for_in_any_case() {
    let text = ada().search_text();
    assert_eq!(text, "cust-9d2e7a01 ada@example.com ada lovelace analytical engines");
}
