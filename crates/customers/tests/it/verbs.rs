use tidings_customers::{
    AddNote, Criteria, Customer, CustomerError, RecordActivity, RecordPurchase, SetStatus,
    UpdateCustomer,
};
use tidings_db::work;
use tidings_events::customers::{CustomerActivityType, CustomerStatus};
use tidings_kernel::{CustomerId, PageParams, TenantId, Uuid, Version};

use crate::world::World;

async fn update(
    world: &World,
    id: CustomerId,
    expected: Option<Version>,
    json: &str,
) -> Result<Customer, CustomerError> {
    let input: UpdateCustomer = serde_json::from_str(json).unwrap();
    let customers = world.customers.clone();
    let verb =
        work!([customers, input], |work| customers.update_customer(work, id, expected, input));
    world.write(verb).await
}

async fn status(
    world: &World,
    id: CustomerId,
    status: CustomerStatus,
) -> Result<Customer, CustomerError> {
    let input = SetStatus { status, reason: None };
    let customers = world.customers.clone();
    let verb =
        work!([customers, input], |work| customers.set_customer_status(work, id, None, input));
    world.write(verb).await
}

async fn found(world: &World, criteria: &str) -> Vec<String> {
    let criteria: Criteria = serde_json::from_str(criteria).unwrap();
    let page = PageParams::default();
    let page = world.customers.list_customers(world.tenant_id, criteria, page).await.unwrap();
    page.data.into_iter().map(|customer| customer.profile.email).collect()
}

#[tokio::test]
async fn a_customer_is_made_once_for_each_address() {
    let world = World::new().await;
    let ada = world.customer("Ada@example.com", r#", "external_id": "1""#).await;
    assert_eq!((ada.version, world.told()), (1, vec!["customer.created".to_owned()]));
    let again =
        world.create(r#"{"email": "ada@EXAMPLE.com", "first_name": "A", "last_name": "B"}"#).await;
    assert!(matches!(again, Err(CustomerError::DuplicateEmail)), "{again:?}");
    let again =
        r#"{"email": "b@example.com", "first_name": "A", "last_name": "B", "external_id": "1"}"#;
    let again = world.create(again).await;
    assert!(matches!(again, Err(CustomerError::DuplicateExternalId)), "{again:?}");
    assert!(world.told().is_empty());
    let tenant_id = world.tenant_id;
    let by_number =
        world.customers.get_customer_by_number(tenant_id, &ada.number, false).await.unwrap();
    assert_eq!(by_number, ada);
    let elsewhere = TenantId::from_uuid(Uuid::from_u128(8));
    let foreign = world.customers.get_customer(elsewhere, ada.id, true).await;
    assert!(matches!(foreign, Err(CustomerError::NotFound)));
}

#[tokio::test]
async fn what_changes_nothing_tells_nothing() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", r#", "tags": ["a", "b"]"#).await;
    world.told();
    let same = update(&world, ada.id, Some(1), r#"{"tags": ["b", "a", "b"], "phone": null}"#).await;
    assert_eq!(same.unwrap(), ada);
    assert!(world.told().is_empty());
    let changed = update(&world, ada.id, Some(1), r#"{"tags": ["b", "c"]}"#).await.unwrap();
    assert_eq!(changed.version, 2);
    assert_eq!(world.told(), ["customer.updated tags"]);
    assert_eq!(found(&world, r#"{"tags": ["a"]}"#).await, Vec::<String>::new());
    assert_eq!(found(&world, r#"{"tags": ["a", "c"]}"#).await, ["ada@example.com"]);
    let stale = update(&world, ada.id, Some(1), "{}").await;
    assert!(matches!(stale, Err(CustomerError::OtherVersion { is: 2, wanted: 1 })));
}

#[tokio::test]
async fn both_routes_to_a_status_take_the_same_step() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", r#", "status": "active""#).await;
    world.told();
    let input = r#"{"status": "suspended", "reason": "fraud", "tier": "basic"}"#;
    let suspended = update(&world, ada.id, None, input).await.unwrap();
    assert_eq!(suspended.version, 3);
    assert_eq!(world.told(), ["customer.updated status,tier", "customer.suspended"]);
    let again = status(&world, ada.id, CustomerStatus::Suspended).await.unwrap();
    assert_eq!((again.version, world.told().len()), (3, 0));
    status(&world, ada.id, CustomerStatus::Active).await.unwrap();
    assert_eq!(world.told(), ["customer.updated status", "customer.reactivated"]);
    let refused = status(&world, ada.id, CustomerStatus::Archived).await;
    assert!(matches!(refused, Err(CustomerError::NoStep { .. })));
    status(&world, ada.id, CustomerStatus::Churned).await.unwrap();
    assert_eq!(world.told(), ["customer.updated status", "customer.churned"]);
    let (tenant_id, page) = (world.tenant_id, PageParams::default());
    let history =
        world.customers.list_customer_activities(tenant_id, (ada.id, false), page).await.unwrap();
    let lines: Vec<_> = history.data.iter().map(|line| line.activity_type.as_str()).collect();
    assert_eq!(lines.iter().filter(|line| **line == "status_changed").count(), 3, "{lines:?}");
}

#[tokio::test]
async fn notes_and_activities_leave_the_customer_as_it_is() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", "").await;
    world.told();
    let (customers, id) = (world.customers.clone(), ada.id);
    let input = AddNote { subject: None, content: "likes tea".to_owned(), is_internal: true };
    let note = work!([customers, input], |work| customers.add_customer_note(work, id, input));
    world.write(note).await.unwrap();
    let input = RecordActivity {
        activity_type: CustomerActivityType::ContactMade,
        title: "Called".to_owned(),
        description: None,
        ip_address: None,
        user_agent: None,
    };
    let line =
        work!([customers, input], |work| customers.record_customer_activity(work, id, input));
    world.write(line).await.unwrap();
    assert_eq!(world.told(), ["customer.note_added", "customer.activity_recorded"]);
    let after = world.get(id).await;
    assert_eq!((after.version, after.last_contact_at), (1, Some(world.now())));
}

#[tokio::test]
async fn an_order_counts_once() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", "").await;
    world.told();
    let (customers, id) = (world.customers.clone(), ada.id);
    let buy = async |amount: i64, currency: &str| {
        let order_id = Some("o-1".to_owned());
        let currency = Some(currency.to_owned()).filter(|code| !code.is_empty());
        let input = RecordPurchase { amount, currency, order_id };
        let customers = customers.clone();
        world
            .write(
                work!([customers, input], |work| customers.record_purchase(work, id, None, input))
            )
            .await
    };
    let bare = buy(1_299, "").await;
    assert!(matches!(bare, Err(CustomerError::NoCurrency)), "{bare:?}");
    assert_eq!(buy(1_299, "eur").await.unwrap().figures.lifetime_value, 1_299);
    assert_eq!(buy(1_299, "EUR").await.unwrap().figures.lifetime_value, 1_299);
    assert_eq!(buy(1_299, "").await.unwrap().figures.lifetime_value, 1_299);
    assert!(matches!(buy(1_300, "EUR").await, Err(CustomerError::OtherOrder)));
    assert_eq!(world.told(), ["customer.purchase_recorded"]);
    assert_eq!(found(&world, r#"{"lifetime_value_min": 1299}"#).await.len(), 1);
    assert_eq!(found(&world, r#"{"lifetime_value_min": 1300}"#).await.len(), 0);
    let overview = world.customers.customers_overview(world.tenant_id).await.unwrap();
    assert_eq!(overview.lifetime_values, [("EUR".to_owned(), 1, 1_299)]);
}

#[tokio::test]
async fn a_list_has_those_who_fit_the_newest_first() {
    let world = World::new().await;
    for (email, rest) in [
        ("ada@example.com", r#", "country": "GB", "company_name": "Analytical 50% Engines""#),
        ("bob@example.com", r#", "country": "DE", "tier": "premium", "tags": ["vip"]"#),
        ("eve@example.com", r#", "country": "DE", "customer_type": "vendor""#),
    ] {
        world.customer(email, rest).await;
        world.later(std::time::Duration::from_secs(1)).await;
    }
    for (criteria, fitting) in [
        ("{}", "eve bob ada"),
        (r#"{"country": "de"}"#, "eve bob"),
        (r#"{"country": "DE", "tier": "premium"}"#, "bob"),
        (r#"{"type": "vendor"}"#, "eve"),
        (r#"{"tags": ["vip", "none"]}"#, "bob"),
        (r#"{"query": "ANALYTICAL 50%"}"#, "ada"),
        (r#"{"query": "l%c"}"#, ""),
        (r#"{"email": "EVE@example.com"}"#, "eve"),
        (r#"{"status": "prospect"}"#, "eve bob ada"),
        (r#"{"status": "active"}"#, ""),
        (r#"{"created_from": "2026-11-23T12:30:05Z"}"#, "eve bob"),
        (r#"{"created_to": "2026-11-23T12:30:05Z"}"#, "ada"),
    ] {
        let found = found(&world, criteria).await;
        let names: Vec<_> = found.iter().filter_map(|email| email.split('@').next()).collect();
        assert_eq!(names.join(" "), fitting, "{criteria}");
    }
    let (tenant_id, mut page) = (world.tenant_id, PageParams { limit: 2, after: None });
    let first = world.customers.list_customers(tenant_id, Criteria::default(), page).await.unwrap();
    page.after = first.next;
    let rest = world.customers.list_customers(tenant_id, Criteria::default(), page).await.unwrap();
    assert_eq!((first.data.len(), rest.data.len(), rest.next), (2, 1, None));
}
