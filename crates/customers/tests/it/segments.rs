use std::time::Duration;

use tidings_customers::{CreateSegment, CustomerError, Segment, UpdateCustomer};
use tidings_db::work;

use crate::world::World;

const QUARTER: Duration = Duration::from_mins(15);

async fn segment(world: &World, json: &str) -> Result<Segment, CustomerError> {
    let input: CreateSegment = serde_json::from_str(json).unwrap();
    let customers = world.customers.clone();
    world.write(work!([customers, input], |work| customers.create_segment(work, input))).await
}

#[tokio::test]
async fn members_are_found_in_batches_and_each_move_is_told() {
    let world = World::new().await;
    for number in 0..230 {
        let country = if number < 205 { "GB" } else { "DE" };
        let rest = format!(r#", "country": "{country}""#);
        world.customer(&format!("c{number}@example.com"), &rest).await;
    }
    world.told();
    let british = segment(&world, r#"{"name": "British", "criteria": {"country": "GB"}}"#);
    let british = british.await.unwrap();
    let again = segment(&world, r#"{"name": "british", "criteria": {"country": "GB"}}"#).await;
    assert!(matches!(again, Err(CustomerError::DuplicateSegment)), "{again:?}");
    world.settle().await;
    let told = world.told();
    let count = |wanted: &str| told.iter().filter(|event| *event == wanted).count();
    assert_eq!(count("customer.updated segment_id"), 205);
    assert_eq!((count("customer.segment_recalculated"), told.len()), (1, 207));
    let counted = world.customers.get_segment(world.tenant_id, british.id).await.unwrap();
    assert_eq!((counted.member_count, counted.last_calculated_at), (205, Some(world.now())));

    world.later(QUARTER).await;
    assert!(world.told().is_empty(), "nobody moved");
    let counted = world.customers.get_segment(world.tenant_id, british.id).await.unwrap();
    assert_eq!(counted.last_calculated_at, Some(world.now()));
}

#[tokio::test]
async fn members_who_do_not_fit_any_more_leave_and_the_higher_priority_wins() {
    let world = World::new().await;
    let ada = world.customer("ada@example.com", r#", "country": "GB", "tier": "premium""#).await;
    let low = r#"{"name": "British", "criteria": {"country": "GB"}, "priority": 1}"#;
    let low = segment(&world, low).await.unwrap();
    world.settle().await;
    assert_eq!(world.get(ada.id).await.profile.segment_id, Some(low.id));
    let high = r#"{"name": "Premium", "criteria": {"tier": "premium"}, "priority": 2}"#;
    let high = segment(&world, high).await.unwrap();
    world.settle().await;
    assert_eq!(world.get(ada.id).await.profile.segment_id, Some(high.id));
    world.later(QUARTER).await;
    assert_eq!(world.get(ada.id).await.profile.segment_id, Some(high.id), "nobody takes it back");

    let (customers, id) = (world.customers.clone(), ada.id);
    let input: UpdateCustomer = serde_json::from_str(r#"{"tier": "free"}"#).unwrap();
    let free = work!([customers, input], |work| customers.update_customer(work, id, None, input));
    world.write(free).await.unwrap();
    world.later(QUARTER).await;
    world.later(QUARTER).await;
    assert_eq!(world.get(ada.id).await.profile.segment_id, Some(low.id));
}

#[tokio::test]
async fn a_segment_says_whom_it_is_for() {
    let world = World::new().await;
    let vague = segment(&world, r#"{"name": "Everybody"}"#).await;
    assert!(matches!(vague, Err(CustomerError::Input(_))));
    let id = "seg_01h455vb4pex5vsknk084sn02q";
    let nested = format!(r#"{{"name": "x", "criteria": {{"segment_id": "{id}"}}}}"#);
    let Err(CustomerError::Input(problem)) = segment(&world, &nested).await else {
        panic!("a segment asks for a segment")
    };
    assert_eq!(problem.errors[0].pointer, "/criteria/segment_id");
    let rest = format!(r#", "segment_id": "{id}""#);
    let json = format!(r#"{{"email": "a@b.co", "first_name": "A", "last_name": "B"{rest}}}"#);
    let Err(CustomerError::Input(problem)) = world.create(&json).await else {
        panic!("a customer is in a segment that is not there")
    };
    assert_eq!(problem.errors[0].pointer, "/segment_id");
}
