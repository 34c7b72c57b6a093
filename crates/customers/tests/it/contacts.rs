use tidings_customers::{AddContact, Contact, CustomerError};
use tidings_db::work;
use tidings_events::customers::ContactRole;
use tidings_kernel::{ContactId, CustomerId, PageParams, limits};

use crate::world::World;

async fn add(world: &World, id: CustomerId, name: &str) -> Result<Contact, CustomerError> {
    let (role, name) = (ContactRole::Billing, name.to_owned());
    let input = AddContact { role, name, email: None, phone: None };
    let customers = world.customers.clone();
    world
        .write(work!([customers, input], |work| customers.add_customer_contact(work, id, input)))
        .await
}

async fn remove(world: &World, id: ContactId) -> Result<(), CustomerError> {
    let customers = world.customers.clone();
    world.write(work!([customers], |work| customers.remove_customer_contact(work, id))).await
}

#[tokio::test]
async fn a_contact_comes_and_goes_and_the_customer_stays_as_it_is() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", "").await;
    world.told();
    let grace = add(&world, ada.id, "Grace").await.unwrap();
    add(&world, ada.id, "Edsger").await.unwrap();
    remove(&world, grace.id).await.unwrap();
    assert!(matches!(remove(&world, grace.id).await, Err(CustomerError::NotFound)));
    let told = ["customer.contact_added", "customer.contact_added", "customer.contact_removed"];
    assert_eq!(world.told(), told);
    let (of, page) = ((ada.id, false), PageParams::default());
    let left = world.customers.list_customer_contacts(world.tenant_id, of, page).await.unwrap();
    let names: Vec<_> = left.data.iter().map(|contact| contact.name.as_str()).collect();
    assert_eq!(names, ["Edsger"]);
    assert_eq!(world.get(ada.id).await.version, 1);
}

#[tokio::test]
async fn contacts_are_bounded_and_go_with_the_person() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", "").await;
    for number in 0..limits::CONTACTS_MAX {
        add(&world, ada.id, &format!("Contact {number}")).await.unwrap();
    }
    let refused = add(&world, ada.id, "One more").await;
    assert!(matches!(refused, Err(CustomerError::TooManyContacts)), "{refused:?}");
    let (customers, id) = (world.customers.clone(), ada.id);
    let verb = work!([customers], |work| customers.anonymize_customer(work, id, None));
    world.write(verb).await.unwrap();
    assert_eq!(world.count("customer_contacts").await, 0);
}
