use std::time::Duration;

use tidings_customers::{AddNote, Customer, CustomerError, DeleteCustomer, Presence};
use tidings_db::work;
use tidings_kernel::{CustomerId, PageParams};

use crate::world::World;

const DAY: Duration = Duration::from_hours(24);

async fn delete(world: &World, id: CustomerId, hard_delete: bool) -> Result<(), CustomerError> {
    let input = DeleteCustomer { hard_delete, cancel_subscriptions: false, reason: None };
    let customers = world.customers.clone();
    world
        .write(work!([customers, input], |work| customers.delete_customer(work, id, None, input)))
        .await
}

async fn restore(world: &World, id: CustomerId) -> Result<Customer, CustomerError> {
    let customers = world.customers.clone();
    world.write(work!([customers], |work| customers.restore_customer(work, id, None))).await
}

async fn is_gone(world: &World, id: CustomerId) -> bool {
    world.customers.get_customer(world.tenant_id, id, true).await.is_err()
}

#[tokio::test]
async fn a_deletion_is_told_once_and_erased_after_thirty_days() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", r#", "tags": ["vip"]"#).await;
    world.told();
    delete(&world, ada.id, false).await.unwrap();
    assert_eq!(world.told(), ["customer.deleted"]);
    assert!(matches!(delete(&world, ada.id, true).await, Err(CustomerError::NotFound)));
    let hidden = world.customers.get_customer(world.tenant_id, ada.id, false).await;
    assert!(matches!(hidden, Err(CustomerError::NotFound)));

    world.later(29 * DAY).await;
    assert!(!is_gone(&world, ada.id).await);
    world.later(DAY).await;
    assert!(is_gone(&world, ada.id).await);
    assert_eq!(world.told(), ["customer.erased"], "and not customer.deleted again");
    world.later(30 * DAY).await;
    assert!(world.told().is_empty());
}

#[tokio::test]
async fn a_restored_customer_is_not_erased() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", "").await;
    let not_deleted = restore(&world, ada.id).await;
    assert!(matches!(not_deleted, Err(CustomerError::NotDeleted)));
    delete(&world, ada.id, false).await.unwrap();
    world.told();
    assert_eq!(restore(&world, ada.id).await.unwrap().presence, Presence::Kept);
    assert_eq!(world.told(), ["customer.updated deleted_at"]);
    world.later(31 * DAY).await;
    assert!(!is_gone(&world, ada.id).await);
    assert!(world.told().is_empty());
}

#[tokio::test]
async fn a_restoration_is_refused_when_somebody_has_the_address() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", "").await;
    delete(&world, ada.id, false).await.unwrap();
    world.customer("ADA@example.com", "").await;
    let refused = restore(&world, ada.id).await;
    assert!(matches!(refused, Err(CustomerError::DuplicateEmail)), "{refused:?}");
}

#[tokio::test]
async fn a_deletion_for_good_leaves_nothing() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", "").await;
    world.told();
    delete(&world, ada.id, true).await.unwrap();
    assert_eq!(world.told(), ["customer.deleted"]);
    assert!(is_gone(&world, ada.id).await);
    assert!(matches!(restore(&world, ada.id).await, Err(CustomerError::NotFound)));
}

#[tokio::test]
async fn anonymizing_takes_the_person_out_and_does_so_once() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", r#", "tags": ["vip"], "country": "GB""#).await;
    let (customers, id) = (world.customers.clone(), ada.id);
    let input = AddNote { subject: None, content: "likes tea".to_owned(), is_internal: true };
    let note = work!([customers, input], |work| customers.add_customer_note(work, id, input));
    world.write(note).await.unwrap();
    world.told();
    let anonymize = work!([customers], |work| customers.anonymize_customer(work, id, None));
    let anonymous = world.write(anonymize).await.unwrap();
    assert!(anonymous.is_anonymous());
    let told = "customer.updated email,first_name,last_name,opt_in_updates,tags";
    assert_eq!(world.told(), [told]);
    let anonymize = work!([customers], |work| customers.anonymize_customer(work, id, None));
    assert_eq!(world.write(anonymize).await.unwrap().version, anonymous.version);
    assert!(world.told().is_empty());
    let (tenant_id, page) = (world.tenant_id, PageParams::default());
    let of = (id, false);
    let notes = world.customers.list_customer_notes(tenant_id, of, page).await.unwrap();
    let lines = world.customers.list_customer_activities(tenant_id, of, page).await.unwrap();
    assert_eq!((notes.data.len(), lines.data.len()), (0, 1));
}
