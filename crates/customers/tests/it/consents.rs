use std::time::Duration;

use tidings_customers::{Consent, CustomerError, DeleteCustomer, RecordConsent, UpdateCustomer};
use tidings_db::work;
use tidings_events::customers::ConsentDecision;
use tidings_kernel::{CustomerId, PageParams, Version};

use crate::world::World;

async fn record(
    world: &World,
    id: CustomerId,
    expected: Option<Version>,
    json: &str,
) -> Result<Consent, CustomerError> {
    // Entries of one instant have no order.
    world.later(Duration::from_secs(1)).await;
    let input: RecordConsent = serde_json::from_str(json).unwrap();
    let customers = world.customers.clone();
    let verb = work!([customers, input], |work| customers
        .record_customer_consent(work, id, expected, input));
    world.write(verb).await
}

/// The log, the newest entry first: what for, what was decided, from where.
async fn log(world: &World, id: CustomerId) -> Vec<String> {
    let (tenant_id, page) = (world.tenant_id, PageParams::default());
    let page = world.customers.list_customer_consents(tenant_id, (id, true), page).await.unwrap();
    let entry = |entry: Consent| {
        let (purpose, decision) = (entry.purpose.as_str(), entry.decision.as_str());
        format!("{purpose} {decision} {}", entry.evidence.source)
    };
    page.data.into_iter().map(entry).collect()
}

#[tokio::test]
async fn each_change_of_an_opt_in_is_an_entry_whatever_its_route() {
    let world = World::new().await;
    let silent = world.customer("silent@example.com", "").await;
    assert!(log(&world, silent.id).await.is_empty(), "nothing was said");
    let rest = r#", "opt_in_marketing": true, "source": "signup""#;
    let ada = world.customer("ada@example.com", rest).await;
    assert_eq!(log(&world, ada.id).await, ["marketing granted signup"]);
    world.told();

    world.later(Duration::from_secs(1)).await;
    let (customers, id) = (world.customers.clone(), ada.id);
    let input: UpdateCustomer =
        serde_json::from_str(r#"{"opt_in_marketing": false, "opt_in_updates": true}"#).unwrap();
    let verb = work!([customers, input], |work| customers.update_customer(work, id, None, input));
    world.write(verb).await.unwrap();
    assert_eq!(world.told(), ["customer.updated opt_in_marketing"]);
    let entries = ["marketing withdrawn api", "marketing granted signup"];
    assert_eq!(log(&world, id).await, entries);
}

#[tokio::test]
async fn a_decision_changes_the_customer_and_the_same_again_is_evidence() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", "").await;
    world.told();
    let yes = r#"{"purpose": "marketing", "decision": "granted", "source": "web_form",
        "wording": "I want to hear from you", "text_version": "3", "ip_address": "203.0.113.7",
        "user_agent": "Mozilla/5.0", "given_at": "2026-11-20T12:00:00Z"}"#;
    let stale = record(&world, ada.id, Some(7), yes).await;
    assert!(matches!(stale, Err(CustomerError::OtherVersion { is: 1, wanted: 7 })));
    let granted = record(&world, ada.id, Some(1), yes).await.unwrap();
    assert_eq!(world.told(), ["customer.updated opt_in_marketing"]);
    assert!(world.get(ada.id).await.profile.opt_in_marketing);
    assert_eq!(granted.decision, ConsentDecision::Granted);
    assert!(granted.given_at < granted.created_at);
    assert_eq!(granted.evidence.text_version.as_deref(), Some("3"));

    record(&world, ada.id, None, yes).await.unwrap();
    assert_eq!(world.told(), ["customer.consent_recorded"]);
    assert_eq!(world.get(ada.id).await.version, 2, "evidence leaves the customer as it is");
    let no = r#"{"purpose": "updates", "decision": "withdrawn"}"#;
    record(&world, ada.id, None, no).await.unwrap();
    assert_eq!(world.told(), ["customer.updated opt_in_updates"]);
    let entries =
        ["updates withdrawn api", "marketing granted web_form", "marketing granted web_form"];
    assert_eq!(log(&world, ada.id).await, entries);
}

#[tokio::test]
async fn the_log_goes_with_the_person() {
    let world = World::new().await;
    let rest = r#", "opt_in_marketing": true"#;
    let ada = world.customer("ada@example.com", rest).await;
    let (customers, id) = (world.customers.clone(), ada.id);
    let verb = work!([customers], |work| customers.anonymize_customer(work, id, None));
    world.write(verb).await.unwrap();
    let withdrawn = ["marketing withdrawn anonymization", "updates withdrawn anonymization"];
    let mut entries = log(&world, id).await;
    entries.sort_unstable();
    assert_eq!(entries, withdrawn, "what the person granted is not kept");

    let bob = world.customer("bob@example.com", rest).await.id;
    let input = DeleteCustomer { hard_delete: true, ..DeleteCustomer::default() };
    let customers = world.customers.clone();
    let verb = work!([customers, input], |work| customers.delete_customer(work, bob, None, input));
    world.write(verb).await.unwrap();
    assert_eq!(world.count("customer_consents").await, 2, "those of the other customer");
}
