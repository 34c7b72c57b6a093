use proptest::prelude::*;
use tidings_kernel::{Uuid, WebhookSubscriptionId};

use super::*;

fn registered() -> BTreeSet<CustomName> {
    ["custom.order.shipped", "custom.order.line.added", "custom.orders", "custom.ping"]
        .map(|name| name.parse().unwrap())
        .into()
}

fn name(text: &str) -> EventName {
    match EventType::find(text) {
        Some(event_type) => EventName::Catalog(event_type),
        None => EventName::Custom(text.parse().unwrap()),
    }
}

fn every_name() -> Vec<EventName> {
    let custom = registered().into_iter().map(EventName::Custom);
    EventType::ALL.iter().copied().map(EventName::Catalog).chain(custom).collect()
}

fn filters(texts: &[&str]) -> Filters {
    Filters::parse(texts, &registered()).unwrap()
}

fn refused(text: &str) -> FilterError {
    EventFilter::parse(text, &registered()).unwrap_err()
}

#[test]
fn each_filter_matches_what_it_says_and_nothing_else() {
    type Wants = fn(&str) -> bool;
    let table: &[(&[&str], Wants)] = &[
        (&["customer.created"], |name| name == "customer.created"),
        (&["customer.*"], |name| name.starts_with("customer.")),
        (&["webhook.*"], |name| name.starts_with("webhook.")),
        (&["webhook.subscription.*"], |name| name == "webhook.subscription.disabled"),
        (&["webhook.delivery.*"], |name| name == "webhook.delivery.exhausted"),
        (&["*"], |_| true),
        (&["custom.*"], |name| name.starts_with("custom.")),
        (&["custom.order.*"], |name| name.starts_with("custom.order.")),
        (&["custom.order.shipped"], |name| name == "custom.order.shipped"),
        (&["custom.none.*"], |_| false),
        (&["custom.ping.*"], |_| false),
        (&["customer.churned", "custom.ping"], |name| {
            name == "customer.churned" || name == "custom.ping"
        }),
        (&["*", "customer.*", "customer.created", "custom.ping"], |_| true),
    ];
    for (texts, wants) in table {
        let filters = filters(texts);
        for name in every_name() {
            // Whatever is asked for, types that stay inside and tests are never matched.
            let possible = match name {
                EventName::Catalog(EventType::WebhookTest) => false,
                EventName::Catalog(event_type) => event_type.visibility() == Visibility::Public,
                EventName::Custom(_) => true,
            };
            let wanted = possible && wants(name.as_str());
            assert_eq!(filters.matches(&name), wanted, "{texts:?} {name}");
        }
    }
}

#[test]
fn a_wildcard_matches_custom_types_that_come_later() {
    assert!(filters(&["custom.order.*"]).matches(&name("custom.order.lost")));
    assert!(!filters(&["custom.order.*"]).matches(&name("custom.order")));
    assert!(filters(&["*"]).matches(&name("custom.new")));
}

#[test]
fn what_is_no_filter_is_refused_with_what_may_have_been_meant() {
    use FilterFault::{Asterisk, Targeted, Unknown, Unmatched};
    for (text, fault, nearest) in [
        ("customer.create", Unknown, Some("customer.created")),
        ("Customer.Created", Unknown, Some("customer.created")),
        ("customer_created", Unknown, Some("customer.created")),
        (" customer.created", Unknown, Some("customer.created")),
        ("customers.*", Unmatched, Some("customer.*")),
        ("customer", Unknown, Some("customer.*")),
        ("custom.order.shiped", Unknown, Some("custom.order.shipped")),
        ("webhook.test", Targeted, None),
        ("webhook.subscription.created", Unknown, None),
        ("webhook.event_type.*", Unmatched, None),
        ("api_key.*", Unmatched, None),
        ("quite.another_thing", Unknown, None),
        ("custom.", Unknown, None),
        ("", Unknown, None),
        (".*", Unmatched, None),
        ("..*", Unmatched, None),
        ("custom..*", Unmatched, None),
        ("custom.order..*", Unmatched, None),
        ("custom.Ordnung.*", Unmatched, None),
        ("custom.order.ö.*", Unmatched, None),
        ("**", Asterisk, None),
        ("*.created", Asterisk, None),
        ("*.*", Asterisk, None),
        ("customer*", Asterisk, Some("customer.*")),
        ("customer.c*", Asterisk, Some("customer.*")),
        ("custom.*.shipped", Asterisk, None),
    ] {
        let error = refused(text);
        assert_eq!((error.text.as_str(), error.fault), (text, fault));
        // For what is far from everything, a guess is neither promised nor forbidden.
        if nearest.is_some() {
            assert_eq!(error.nearest.as_deref(), nearest, "{text:?}");
        }
    }
    for &event_type in EventType::ALL {
        let taken = EventFilter::parse(event_type.name(), &registered()).is_ok();
        assert_eq!(taken, subscribable(event_type), "{event_type}");
    }
}

#[test]
fn the_refusal_reads_as_a_sentence() {
    for (text, wanted) in [
        (
            "customer.create",
            "there is no event type \"customer.create\"; did you mean customer.created?",
        ),
        ("customers.*", "no event type matches \"customers.*\"; did you mean customer.*?"),
        ("quite.another_thing", "there is no event type \"quite.another_thing\""),
    ] {
        assert_eq!(refused(text).to_string(), wanted);
    }
    let long = "x".repeat(1_000_000);
    assert_eq!(refused(&long).text.len(), CustomName::CHARS_MAX);
}

#[test]
fn a_list_is_checked_as_a_whole() {
    let pointers = |texts: &[&str]| -> Vec<String> {
        let faults = Filters::parse(texts, &registered()).unwrap_err();
        faults.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    };
    assert_eq!(pointers(&[]), ["/events required"]);
    assert_eq!(pointers(&["*"; FILTERS_MAX + 1]), ["/events too_many"]);
    assert_eq!(
        pointers(&["nothing", "customer.created", "custom.nothing"]),
        ["/events/0 unknown_event_type", "/events/2 unknown_event_type"]
    );
    assert_eq!(pointers(&["nothing"; FILTERS_MAX]).len(), FAULTS_MAX);
}

#[test]
fn filters_are_kept_as_given_and_read_back() {
    let texts = ["customer.*", "customer.created", "custom.order.*", "custom.ping", "*"];
    let given = filters(&[texts.as_slice(), &texts].concat());
    let kept: Vec<String> = given.given().iter().map(ToString::to_string).collect();
    assert_eq!(kept, texts);
    assert_eq!(Filters::stored(texts), given);

    let with_what_left = Filters::stored(["customer.beamed", "beam.*", "custom.not_registered"]);
    assert_eq!(with_what_left.given().len(), 1);
    assert!(with_what_left.matches(&name("custom.not_registered")));
}

fn subscription(number: usize) -> WebhookSubscriptionId {
    WebhookSubscriptionId::from_uuid(Uuid::from_u128(number as u128))
}

const POOL: &[&str] = &[
    "*",
    "customer.*",
    "customer.created",
    "customer.churned",
    "webhook.*",
    "webhook.subscription.*",
    "webhook.delivery.exhausted",
    "custom.*",
    "custom.order.*",
    "custom.order.line.*",
    "custom.order.shipped",
    "custom.order.line.added",
    "custom.orders",
    "custom.ping",
];

proptest! {
    #[test]
    fn the_index_names_each_subscription_that_matches_once(
        picks in proptest::collection::vec(
            proptest::sample::subsequence(POOL, 0..=POOL.len()), 0..20,
        ),
    ) {
        let all: Vec<Filters> = picks.into_iter().map(Filters::stored).collect();
        let index = Index::build(all.iter().enumerate().map(|(i, f)| (subscription(i), f)));
        for name in every_name() {
            let mut found: Vec<_> = index.matching(&name).collect();
            found.sort_unstable();
            let wanted: Vec<_> = all.iter().enumerate()
                .filter(|(_, filters)| filters.matches(&name))
                .map(|(i, _)| subscription(i))
                .collect();
            prop_assert_eq!(found, wanted, "{}", name);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z.*_é]{0,120}") {
        if let Ok(filter) = EventFilter::parse(&text, &registered()) {
            prop_assert_eq!(filter.to_string(), text);
        }
    }
}
