//! What tenants write: filters, names, schemas, places in lists.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;
use tidings_events::CustomName;
use tidings_kernel::{Cursor, CustomerId, TenantId, Timestamp, Uuid};
use tidings_vault::Vault;
use tidings_web::parsers::cursors;
use tidings_webhooks::matching::EventFilter;
use tidings_webhooks::parsers;
use tidings_webhooks::payload_filter::{Clause, PayloadFilter, ReadBody};

use super::bodies::is_refusal;

static VAULT: LazyLock<Vault> = LazyLock::new(|| Vault::seeded(7));
static REGISTERED: LazyLock<BTreeSet<CustomName>> = LazyLock::new(|| {
    ["custom.order.shipped", "custom.order.paid", "custom.x"]
        .iter()
        .map(|name| name.parse().unwrap())
        .collect()
});

/// Whatever is laid over a genuine cursor, only the genuine one opens.
pub(super) fn cursor(input: &[u8]) {
    let now = Timestamp::from_micros(1_795_437_004_000_000);
    let tenant_id = TenantId::from_uuid(Uuid::from_u128(1));
    let cursors = cursors(&VAULT, tenant_id, "listCustomers|[]|[]|", now);
    let genuine = Cursor { sort: -5, id: Uuid::from_u128(9) };
    let sealed = cursors.seal(genuine);
    assert_eq!(cursors.open(&sealed), Ok(genuine));
    if let Ok(text) = std::str::from_utf8(input) {
        assert_eq!(cursors.open(text).is_ok(), text == sealed, "{text:?}");
    }
    // The same bits over the genuine text: what changes it, closes it.
    let laid: Vec<u8> = sealed
        .bytes()
        .zip(input.iter().copied().chain(std::iter::repeat(0)))
        .map(|(byte, mask)| byte ^ (mask & 0x7f))
        .collect();
    if let Ok(text) = String::from_utf8(laid) {
        assert_eq!(cursors.open(&text).is_ok(), text == sealed, "{text:?}");
    }
}

/// A filter that is read says what was written, and is read again.
pub(super) fn event_filter(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match EventFilter::parse(text, &REGISTERED) {
        Ok(filter) => assert_eq!(filter.to_string(), text),
        Err(error) => {
            assert!(error.text.chars().count() <= CustomName::CHARS_MAX, "{error:?}");
            if let Some(nearest) = &error.nearest {
                assert!(EventFilter::parse(nearest, &REGISTERED).is_ok(), "{nearest}");
            }
        }
    }
}

/// Names, ids, instants: what is read is written as it is read again.
pub(super) fn names(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(name) = text.parse::<CustomName>() {
        assert_eq!(name.as_str(), text);
        assert!(text.starts_with("custom.") && text.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    if let Ok(id) = text.parse::<CustomerId>() {
        assert_eq!(id.to_string(), text, "there is one spelling of an id");
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        assert_eq!(instant.to_string().parse(), Ok(instant));
    }
}

/// The first line is a clause, the rest a webhook's body. Its explanation says what it does.
pub(super) fn payload_filter(input: &[u8]) {
    let (clause, body) = halves(input);
    let Ok(clause) = tidings_web::parse_json::<Clause>(clause) else { return };
    match PayloadFilter::compile(&clause, "/payload_filter") {
        Ok(filter) => {
            let body = ReadBody::of(body);
            let explained = filter.explain(&body);
            assert_eq!(explained.matches, filter.matches(&body), "{explained:?}");
            let stored = serde_json::to_vec(&clause).unwrap();
            let again: Clause = serde_json::from_slice(&stored).unwrap();
            let again = PayloadFilter::stored(&again).unwrap();
            assert_eq!(again.matches(&body), filter.matches(&body));
        }
        Err(faults) => {
            assert!((1..=10).contains(&faults.len()), "{faults:?}");
            assert!(faults.iter().all(|fault| fault.pointer.starts_with("/payload_filter")));
        }
    }
}

/// The first line is a schema, the rest data. An example that is made fits.
pub(super) fn schema(input: &[u8]) {
    let (schema, data) = halves(input);
    let Ok(schema) = tidings_web::parse_json::<Value>(schema) else { return };
    let data = tidings_web::parse_json::<Value>(data).unwrap_or_default();
    match parsers::faults(&schema, &data) {
        Ok(faults) => assert!(faults.len() <= 10),
        Err(problem) => return is_refusal(&problem),
    }
    if let Ok(example) = parsers::sample(&schema) {
        let faults = parsers::faults(&schema, &example).unwrap();
        assert!(faults.is_empty(), "{example} has {faults:?}");
    }
    assert_eq!(parsers::changes(&schema, &schema), 0, "a schema does not differ from itself");
    parsers::changes(&schema, &data);
    parsers::changes(&data, &schema);
}

/// What stands before the first line end, and what stands after it.
fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (first, rest) = input.split_at(end);
    (first, rest.get(1..).unwrap_or_default())
}
