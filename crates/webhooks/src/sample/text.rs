//! Texts of a format, a length, a pattern.

use serde_json::{Map, Value};

use super::pattern;
use super::{Made, Place};

/// The longest text.
const CHARS_MAX: u64 = 10_000;

/// A text. The first is the one that people know.
pub(super) fn text(fields: &Map<String, Value>, attempt: usize, place: &Place) -> Made {
    let bound = |name: &str| fields.get(name).and_then(Value::as_u64);
    let least = bound("minLength").unwrap_or(0);
    if least > CHARS_MAX {
        return Err(place.cannot(format!("{least} characters are more than an example has")));
    }
    if let Some(pattern) = fields.get("pattern").and_then(Value::as_str) {
        let made = pattern::example(pattern, attempt, place.nth);
        return made.map(Value::String).map_err(|reason| place.cannot(reason));
    }
    let mut made = of_format(fields.get("format").and_then(Value::as_str), place.nth);
    let mut missing = usize::try_from(least).unwrap_or(0).saturating_sub(made.chars().count());
    while missing > 0 {
        made.push('x');
        missing -= 1;
    }
    let most = usize::try_from(bound("maxLength").unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let excess = made.chars().count().saturating_sub(most);
    // What tells several apart stands at the end.
    Ok(Value::String(made.chars().skip(excess).collect()))
}

fn of_format(format: Option<&str>, nth: usize) -> String {
    let numbered = |text: &str| if nth == 0 { text.to_owned() } else { format!("{text}{nth}") };
    match format {
        Some("date-time") => format!("2026-11-23T12:30:{:02}Z", (4 + nth) % 60),
        Some("date") => format!("2026-11-{:02}", 1 + (22 + nth) % 30),
        Some("time") => format!("12:30:{:02}Z", (4 + nth) % 60),
        Some("duration") => format!("PT{}H", nth + 1),
        Some("email" | "idn-email") => format!("{}@example.com", numbered("ada")),
        Some("hostname" | "idn-hostname") => format!("{}.example.com", numbered("www")),
        Some("ipv4") => format!("192.0.2.{}", 1 + nth % 254),
        Some("ipv6") => format!("2001:db8::{:x}", 1 + nth % 0xffff),
        Some("uri" | "iri" | "uri-reference" | "iri-reference") => numbered("https://example.com/"),
        Some("uuid") => format!("0190a5c7-9d2e-7000-8000-{:012x}", nth + 1),
        Some(_) | None => numbered("text"),
    }
}
