//! Payload redaction: what one subscription does not get of an event.
//!
//! A redacted value is `null` on the wire; everything else stays byte for byte as it is stored. What
//! is sent depends on the stored bytes and on what the subscription asked for when the event
//! happened, and on nothing else: so a retry, a repetition and a replay send the same bytes.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_kernel::{FieldError, Timestamp};

/// Pointers of one subscription.
const POINTERS_MAX: usize = 50;
/// Characters of a pointer.
const POINTER_CHARS_MAX: usize = 300;
/// Names in a pointer.
const DEPTH_MAX: usize = 16;
/// Earlier redactions that are remembered: with more, the oldest events get the oldest one kept.
const REMEMBERED_MAX: usize = 50;
/// The only parts of an envelope in which anything can be redacted: the rest is what a receiver
/// sorts, deduplicates and correlates by.
const REDACTABLE: [&str; 2] = ["data", "custom_metadata"];

/// What a subscription asked to be left out, from an instant on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// It holds for events from this instant on; the first one also for all before.
    pub since: Timestamp,
    /// JSON pointers into the envelope; `*` stands for every name and every place in a list.
    pub pointers: Vec<String>,
}

/// What a subscription asks for now, after what it asked for before. Where nothing differs, nothing
/// is added.
pub(crate) fn asked(before: &[Redaction], pointers: &[String], now: Timestamp) -> Vec<Redaction> {
    let mut asked = before.to_vec();
    let current = before.last().map_or(&[][..], |redaction| &redaction.pointers);
    if current == pointers {
        return asked;
    }
    if asked.is_empty() {
        // What happened before anything was asked for goes out whole, also when it is sent again.
        asked.push(Redaction { since: Timestamp::default(), pointers: Vec::new() });
    }
    asked.push(Redaction { since: now, pointers: pointers.to_vec() });
    let excess = asked.len().saturating_sub(REMEMBERED_MAX);
    asked.drain(..excess);
    asked
}

/// Every fault of a list of pointers.
pub(crate) fn check(pointers: &[String], errors: &mut Vec<FieldError>) {
    if pointers.len() > POINTERS_MAX {
        let message = format!("at most {POINTERS_MAX} pointers; `*` stands for many names");
        errors.push(FieldError::new("/redact", "too_many", message));
    }
    for (place, pointer) in pointers.iter().enumerate().take(POINTERS_MAX) {
        let at = format!("/redact/{place}");
        if let Err((code, message)) = fault_of(pointer) {
            errors.push(FieldError::new(at, code, message));
        } else if pointers[..place].contains(pointer) {
            errors.push(FieldError::new(at, "duplicate", "each pointer is there once"));
        }
    }
}

fn fault_of(pointer: &str) -> Result<(), (&'static str, String)> {
    if pointer.chars().count() > POINTER_CHARS_MAX {
        return Err(("too_long", format!("a pointer has at most {POINTER_CHARS_MAX} characters")));
    }
    let names = Names::parse(pointer).ok_or_else(|| {
        let message = "a JSON pointer such as /data/email or /data/lines/*/name; ~ is written ~0, \
                       and / inside a name ~1";
        ("invalid", message.to_owned())
    })?;
    match names.0.as_slice() {
        [first, _, ..] if REDACTABLE.contains(&first.as_str()) => {}
        _ => {
            let message = "only what lies below /data or /custom_metadata is redacted; ids, type \
                           and time of the envelope stay";
            return Err(("not_redactable", message.to_owned()));
        }
    }
    if names.0.len() > DEPTH_MAX {
        return Err(("too_deep", format!("a pointer has at most {DEPTH_MAX} names")));
    }
    Ok(())
}

/// The names of a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Names(Vec<String>);

impl Names {
    fn parse(pointer: &str) -> Option<Self> {
        let rest = pointer.strip_prefix('/')?;
        rest.split('/').map(unescape).collect::<Option<Vec<String>>>().map(Self)
    }
}

/// A name without its escapes; none where a `~` escapes nothing.
fn unescape(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '~' => match letters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

/// The redactions of a subscription, compiled.
#[derive(Debug)]
pub(crate) struct Redactions(Vec<(Timestamp, Vec<Names>)>);

/// What of a stored envelope tells which redaction holds.
#[derive(Deserialize)]
struct Instant {
    timestamp: Timestamp,
}

impl Redactions {
    /// None where the subscription never asked for any: its bodies are not looked into.
    pub(crate) fn compile(asked: &[Redaction]) -> Option<Self> {
        let compiled: Vec<(Timestamp, Vec<Names>)> = asked
            .iter()
            .map(|Redaction { since, pointers }| {
                // They were checked when they were stored.
                (*since, pointers.iter().filter_map(|pointer| Names::parse(pointer)).collect())
            })
            .collect();
        compiled.iter().any(|(_, pointers)| !pointers.is_empty()).then_some(Self(compiled))
    }

    /// The body as this subscription gets it. What cannot be read is not sent: it is `null`.
    pub(crate) fn apply<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        let Ok(text) = std::str::from_utf8(body) else { return Cow::Borrowed(b"null") };
        let Ok(Instant { timestamp }) = serde_json::from_str(text) else {
            return Cow::Borrowed(b"null");
        };
        let held = self.0.iter().rev().find(|(since, _)| *since <= timestamp);
        let Some((_, pointers)) = held.or(self.0.first()) else { return Cow::Borrowed(body) };
        let mut ranges = Vec::new();
        let tails: Vec<&[String]> = pointers.iter().map(|names| names.0.as_slice()).collect();
        find(text, 0, &tails, &mut ranges);
        if ranges.is_empty() { Cow::Borrowed(body) } else { Cow::Owned(nulled(body, ranges)) }
    }
}

/// Puts `null` in place of each range. Ranges do not overlap: what is found is not looked into.
fn nulled(body: &[u8], mut ranges: Vec<Range<usize>>) -> Vec<u8> {
    ranges.sort_by_key(|range| range.start);
    let mut out = Vec::with_capacity(body.len());
    let mut kept_from = 0;
    for Range { start, end } in ranges {
        out.extend_from_slice(&body[kept_from..start]);
        out.extend_from_slice(b"null");
        kept_from = end;
    }
    out.extend_from_slice(&body[kept_from..]);
    out
}

/// Collects where the values lie that the pointers lead to, in the text of a value that begins at
/// `base`.
fn find(text: &str, base: usize, pointers: &[&[String]], ranges: &mut Vec<Range<usize>>) {
    let Ok(children) = serde_json::from_str::<Children<'_>>(text) else {
        // What has parts that cannot be told apart is not sent; what has none holds nothing to hide.
        if text.starts_with(['{', '[']) {
            ranges.push(base..base + text.len());
        }
        return;
    };
    for (name, value) in children.0 {
        let matching: Vec<&[String]> = pointers
            .iter()
            .filter_map(|pointer| pointer.split_first())
            .filter(|(first, _)| first.as_str() == "*" || name.as_ref() == first.as_str())
            .map(|(_, tail)| tail)
            .collect();
        if matching.is_empty() {
            continue;
        }
        let raw = value.get();
        let start = base + (raw.as_ptr().addr() - text.as_ptr().addr());
        if matching.iter().any(|tail| tail.is_empty()) {
            ranges.push(start..start + raw.len());
        } else {
            find(raw, start, &matching, ranges);
        }
    }
}

/// The members of an object, or of a list by their places; nothing of anything else.
struct Children<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Children<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Children<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object or a list")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                // A name with escapes cannot be borrowed, so it is always owned.
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((Cow::Owned(name), value));
                }
                Ok(Children(members))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(value) = seq.next_element::<&'de RawValue>()? {
                    members.push((Cow::Owned(members.len().to_string()), value));
                }
                Ok(Children(members))
            }
        }
        deserializer.deserialize_any(Members)
    }
}

#[cfg(test)]
mod tests;
