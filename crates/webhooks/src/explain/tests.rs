//! Each verdict, from the facts that lead to it.

use bytes::Bytes;
use serde_json::json;
use tidings_events::EventType;
use tidings_kernel::{DeliveryId, Metadata, TenantId, Uuid, WebhookSubscriptionId};

use super::*;
use crate::options::Options;
use crate::plan::RetryPolicy;
use crate::subscription::{Disabled, Sealed};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn subscription() -> Subscription {
    Subscription {
        id: WebhookSubscriptionId::from_uuid(Uuid::from_u128(1)),
        tenant_id: TenantId::from_uuid(Uuid::from_u128(2)),
        url: "https://hooks.example/".to_owned(),
        events: vec!["customer.*".to_owned()],
        description: None,
        headers: Sealed(Bytes::new()),
        header_names: Vec::new(),
        retry_policy: RetryPolicy::Standard,
        timeout_seconds: 15,
        rate_per_second: None,
        ordering: DeliveryOrder::None,
        is_active: true,
        disabled: None,
        secret: Sealed(Bytes::new()),
        previous: None,
        signing_key: None,
        options: Options::default(),
        custom_metadata: Metadata::default(),
        created_at: at(10),
        updated_at: at(20),
        deleted_at: None,
        version: 1,
    }
}

fn event(event_type: EventType) -> EventFacts {
    EventFacts {
        name: Some(EventName::Catalog(event_type)),
        text: event_type.name().to_owned(),
        is_public: true,
        occurred_at: at(15),
        body: Some(ReadBody::of_value(json!({"data": {"tier": "free"}}))),
        is_undispatched: false,
        deliveries_since: at(0),
    }
}

fn delivery(status: DeliveryStatus, attempts: u32, due: Option<i64>) -> Delivery {
    Delivery {
        replay_id: None,
        id: DeliveryId::from_uuid(Uuid::from_u128(3)),
        event_id: EventId::from_uuid(Uuid::from_u128(4)),
        subscription_id: WebhookSubscriptionId::from_uuid(Uuid::from_u128(1)),
        origin: "event".to_owned(),
        event_name: "customer.created".to_owned(),
        status,
        attempts,
        next_attempt_at: due.map(at),
        last_status: (attempts > 0).then_some(500),
        last_error: (attempts > 0).then(|| "http".to_owned()),
        reason: None,
        created_at: at(15),
        updated_at: at(30),
    }
}

fn pair(delivery: Delivery) -> PairFacts {
    PairFacts { delivery: Some(delivery), ..PairFacts::default() }
}

#[test]
fn what_has_a_delivery_is_told_by_its_state() {
    use DeliveryStatus::{Delivered, Discarded, Exhausted, Pending, Waiting};
    let plain = subscription;
    let rated = || Subscription { rate_per_second: Some(5), ..subscription() };
    let ordered = || Subscription { ordering: DeliveryOrder::PerObject, ..subscription() };
    let earlier = EventId::from_uuid(Uuid::from_u128(9));
    let waits = |delivery| PairFacts { waits_for: Some(earlier), ..pair(delivery) };
    let alone = |delivery| PairFacts { left_alone_until: Some(at(60)), ..pair(delivery) };
    for (facts, subscription, verdict, when) in [
        (pair(delivery(Delivered, 2, None)), plain(), Verdict::Delivered, Some(30)),
        (pair(delivery(Exhausted, 10, None)), plain(), Verdict::Exhausted, Some(30)),
        (pair(delivery(Discarded, 1, None)), plain(), Verdict::Discarded, Some(30)),
        (pair(delivery(Waiting, 1, Some(50))), plain(), Verdict::WaitingForRetry, Some(50)),
        (pair(delivery(Waiting, 1, Some(40))), plain(), Verdict::Due, Some(40)),
        (pair(delivery(Pending, 0, Some(40))), plain(), Verdict::Due, Some(40)),
        (pair(delivery(Pending, 0, Some(50))), plain(), Verdict::LeftAlone, Some(50)),
        (pair(delivery(Pending, 0, Some(50))), rated(), Verdict::HeldByRate, Some(50)),
        (alone(delivery(Waiting, 1, Some(50))), plain(), Verdict::LeftAlone, Some(60)),
        (alone(delivery(Waiting, 1, Some(70))), plain(), Verdict::LeftAlone, Some(70)),
        (
            waits(delivery(Pending, 0, Some(40))),
            ordered(),
            Verdict::WaitingForEarlierEvent,
            Some(40),
        ),
        (waits(delivery(Pending, 0, Some(40))), plain(), Verdict::Due, Some(40)),
        (
            pair(delivery(Waiting, 1, Some(50))),
            Subscription { is_active: false, ..plain() },
            Verdict::Paused,
            Some(20),
        ),
    ] {
        let told = explain(&event(EventType::CustomerCreated), &subscription, &facts, at(40));
        assert_eq!((told.verdict, told.at), (verdict, when.map(at)), "{facts:?}");
        assert!(!told.reason.is_empty());
    }
}

#[test]
fn what_has_none_is_told_by_the_first_reason_that_decides() {
    let created = || event(EventType::CustomerCreated);
    let filter = serde_json::from_value(json!({"all": [
        {"field": "/type", "exists": false}, {"field": "/data/tier", "equals": "premium"}]}));
    let filtered = Options { payload_filter: Some(filter.unwrap()), ..Options::default() };
    let asked = Options { handshake: true, ..Options::default() };
    let disabled = Some(Disabled { at: at(18), reason: "gone".to_owned() });
    let sub = subscription;
    for (event, subscription, verdict, when) in [
        (EventFacts { is_public: false, ..created() }, sub(), Verdict::InternalEvent, None),
        (EventFacts { name: None, ..created() }, sub(), Verdict::TypeGone, None),
        (event(EventType::WebhookTest), sub(), Verdict::SentToOneEndpoint, None),
        (event(EventType::WebhookDeliveryExhausted), sub(), Verdict::TypeNotSubscribed, None),
        (
            created(),
            Subscription { options: filtered.clone(), ..sub() },
            Verdict::FilteredOut,
            None,
        ),
        (
            EventFacts { body: None, ..created() },
            Subscription { options: filtered, ..sub() },
            Verdict::PayloadGone,
            None,
        ),
        (created(), Subscription { deleted_at: Some(at(17)), ..sub() }, Verdict::Deleted, Some(17)),
        (created(), Subscription { disabled, ..sub() }, Verdict::Disabled, Some(18)),
        (created(), Subscription { is_active: false, ..sub() }, Verdict::Paused, Some(20)),
        (created(), Subscription { options: asked, ..sub() }, Verdict::AwaitingConsent, None),
        (
            EventFacts { is_undispatched: true, ..created() },
            sub(),
            Verdict::PendingDispatch,
            Some(15),
        ),
        (created(), sub(), Verdict::ChangedSince, Some(20)),
    ] {
        let told = explain(&event, &subscription, &PairFacts::default(), at(40));
        assert_eq!((told.verdict, told.at), (verdict, when.map(at)), "{event:?}");
        assert_eq!(told.clause.is_some(), verdict == Verdict::FilteredOut);
    }
}

#[test]
fn what_was_made_later_gets_nothing_whatever_it_wants() {
    let later = PairFacts { made_later: true, ..PairFacts::default() };
    let deaf = Subscription { events: vec!["custom.*".to_owned()], ..subscription() };
    for subscription in [subscription(), deaf] {
        let told = explain(&event(EventType::CustomerCreated), &subscription, &later, at(40));
        assert_eq!((told.verdict, told.at), (Verdict::CreatedLater, Some(at(10))));
    }
}

#[test]
fn the_clause_and_the_nearest_line_are_named() {
    let filter = serde_json::from_value(json!({"all": [
        {"field": "/data", "exists": true}, {"field": "/data/tier", "equals": "premium"}]}));
    let options = Options { payload_filter: Some(filter.unwrap()), ..Options::default() };
    let filtered = Subscription { options, ..subscription() };
    let told =
        explain(&event(EventType::CustomerCreated), &filtered, &PairFacts::default(), at(40));
    assert_eq!(told.clause.as_deref(), Some("/all/1"));

    for (name, lines, wanted) in [
        ("customer.created", vec!["custom.order", "customer.updated"], Some("customer.updated")),
        ("customer.created", vec!["custom.order", "webhook.*"], Some("custom.order")),
        ("invoice.paid", vec!["customer.*"], None),
    ] {
        let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
        assert_eq!(nearest(name, &lines).as_deref(), wanted, "{name} {lines:?}");
    }
}

#[test]
fn what_is_older_than_the_deliveries_that_are_kept_is_told_of_no_more() {
    let event = |is_undispatched, since| EventFacts {
        is_undispatched,
        deliveries_since: at(since),
        ..event(EventType::CustomerCreated)
    };
    let paused = || Subscription { is_active: false, ..subscription() };
    let unwanting = || Subscription { events: vec!["invoice.*".to_owned()], ..subscription() };
    for (event, subscription, pair, verdict) in [
        (event(false, 16), subscription(), PairFacts::default(), Verdict::LogGone),
        (event(false, 15), subscription(), PairFacts::default(), Verdict::ChangedSince),
        (event(false, 16), paused(), PairFacts::default(), Verdict::LogGone),
        (event(false, 16), unwanting(), PairFacts::default(), Verdict::LogGone),
        (event(true, 16), subscription(), PairFacts::default(), Verdict::PendingDispatch),
        (
            event(false, 16),
            subscription(),
            PairFacts { made_later: true, ..PairFacts::default() },
            Verdict::CreatedLater,
        ),
        (
            event(false, 16),
            subscription(),
            pair(delivery(DeliveryStatus::Delivered, 1, None)),
            Verdict::Delivered,
        ),
    ] {
        assert_eq!(explain(&event, &subscription, &pair, at(40)).verdict, verdict);
    }
}

#[test]
fn each_way_to_be_discarded_has_its_sentence() {
    let sentences = ["gone", "erased", "not_sending", "cancelled", "payload_gone"].map(|reason| {
        let delivery = Delivery {
            reason: Some(reason.to_owned()),
            ..delivery(DeliveryStatus::Discarded, 1, None)
        };
        let event = event(EventType::CustomerCreated);
        explain(&event, &subscription(), &pair(delivery), at(40)).reason
    });
    let different: std::collections::BTreeSet<&String> = sentences.iter().collect();
    assert_eq!(different.len(), sentences.len(), "{sentences:?}");
    assert!(!sentences.contains(&"there was no use in trying".to_owned()), "{sentences:?}");
}

#[test]
fn one_that_arrived_decides_and_then_one_that_is_under_way() {
    use DeliveryStatus::{Delivered, Discarded, Exhausted, Pending};
    let made = |status, seconds| Delivery { created_at: at(seconds), ..delivery(status, 1, None) };
    for (deliveries, decides) in [
        (vec![], None),
        (vec![made(Delivered, 15), made(Discarded, 40)], Some((Delivered, 15))),
        (vec![made(Delivered, 15), made(Delivered, 40)], Some((Delivered, 40))),
        (vec![made(Delivered, 15), made(Pending, 40)], Some((Delivered, 15))),
        (vec![made(Exhausted, 15), made(Pending, 30), made(Discarded, 40)], Some((Pending, 30))),
        (vec![made(Exhausted, 15), made(Discarded, 40)], Some((Discarded, 40))),
    ] {
        let found = deciding(deliveries).map(|one| (one.status, one.created_at));
        assert_eq!(found, decides.map(|(status, seconds)| (status, at(seconds))));
    }
}
