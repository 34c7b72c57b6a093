//! Payload filters: which events of the wanted types an endpoint gets, by what stands in them.
//!
//! **The cast.** A [`Clause`] is the language as it is written: a group (`all`, `any`, `not`) or a
//! test of one field. A [`PayloadFilter`] is a clause that was checked and compiled. An
//! [`Explanation`] says which clause decided, for people.
//!
//! **The reasons.** There is no expression syntax to learn or to parse, no pattern that could run
//! away, and no state: each clause looks at one field once, so that the time grows with the clauses
//! and with the event, and both are bounded.

mod compile;
mod explain;
mod number;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

pub use explain::{Explanation, Verdict};

/// The most clauses of a filter, groups included.
pub const CLAUSES_MAX: usize = 100;
/// How deep groups may stand in groups: what people can still read.
pub const DEPTH_MAX: usize = 8;
/// The most values of one `in`.
pub const VALUES_MAX: usize = 100;
/// The longest text that a field is compared with, in characters.
pub const TEXT_CHARS_MAX: usize = 500;
/// The longest `field`, in characters.
pub const FIELD_CHARS_MAX: usize = 200;

/// One clause of a payload filter: either a group (`all`, `any` or `not`), or a `field` with one
/// test of it. A field that is not there fails every test but `exists`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(no_recursion)]
pub struct Clause {
    /// Holds where every one of these clauses holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<Clause>>,
    /// Holds where at least one of these clauses holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<Clause>>,
    /// Holds where this clause does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<Clause>>,
    /// A JSON pointer into the webhook's body: `/data/tier`, `/subject/type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The field is this text, number, boolean or null. `1` and `1.0` are the same number.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    pub equals: Option<Value>,
    /// The field is one of these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub r#in: Option<Vec<Value>>,
    /// The field is a list, and this value is in it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    pub contains: Option<Value>,
    /// The field is a text that begins with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Whether the field is there at all; null is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// The field is less than this number, or sorts before this text.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    pub less_than: Option<Value>,
    /// The field is this or less.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    pub at_most: Option<Value>,
    /// The field is more than this.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    pub greater_than: Option<Value>,
    /// The field is this or more.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    pub at_least: Option<Value>,
}

impl Serialize for Clause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// Only from an object: what is derived would also take a list, by the order of the fields.
impl<'de> Deserialize<'de> for Clause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FromObject;
        impl<'de> Visitor<'de> for FromObject {
            type Value = Clause;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a clause, which is an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Clause, A::Error> {
                Clause::deserialize(MapAccessDeserializer::new(fields))
            }
        }
        deserializer.deserialize_map(FromObject)
    }
}

/// `null` is a value to compare with, and not an absent operator.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A clause that was checked and compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadFilter(Node);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test { field: Box<str>, test: Test },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Equals(Value),
    In(Vec<Value>),
    Contains(Value),
    Prefix(Box<str>),
    Exists(bool),
    LessThan(Value),
    AtMost(Value),
    GreaterThan(Value),
    AtLeast(Value),
}

/// An event's body, read once for however many filters ask. One that cannot be read into values (a
/// number such as `1e400`) passes every filter: an event too many is better than one lost.
#[derive(Debug, Clone)]
pub struct ReadBody(Option<Value>);

impl ReadBody {
    /// Reads a body.
    pub fn of(body: &[u8]) -> Self {
        Self(serde_json::from_slice(body).ok())
    }

    /// Takes a body that was read already.
    pub fn of_value(body: Value) -> Self {
        Self(Some(body))
    }
}

impl PayloadFilter {
    /// Whether an event with this body is wanted.
    pub fn matches(&self, body: &ReadBody) -> bool {
        body.0.as_ref().is_none_or(|event| self.0.holds(event))
    }
}

impl Node {
    fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(event)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(event)),
            Self::Not(part) => !part.holds(event),
            Self::Test { field, test } => test.holds(event.pointer(field)),
        }
    }
}

impl Test {
    fn holds(&self, found: Option<&Value>) -> bool {
        if let Self::Exists(wanted) = self {
            return found.is_some() == *wanted;
        }
        let Some(found) = found else { return false };
        match self {
            Self::Equals(value) => same(found, value),
            Self::In(values) => values.iter().any(|value| same(found, value)),
            Self::Contains(value) => {
                found.as_array().is_some_and(|items| items.iter().any(|item| same(item, value)))
            }
            Self::Prefix(prefix) => found.as_str().is_some_and(|text| text.starts_with(&**prefix)),
            Self::Exists(_) => unreachable!("answered above"),
            Self::LessThan(bound) => order(found, bound).is_some_and(std::cmp::Ordering::is_lt),
            Self::AtMost(bound) => order(found, bound).is_some_and(std::cmp::Ordering::is_le),
            Self::GreaterThan(bound) => order(found, bound).is_some_and(std::cmp::Ordering::is_gt),
            Self::AtLeast(bound) => order(found, bound).is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => number::compare(a, b).is_eq(),
        _ => a == b,
    }
}

/// Numbers among numbers, texts among texts; nothing else has an order. Our instants are texts that
/// sort as they follow each other.
fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Some(number::compare(a, b)),
        (Value::String(a), Value::String(b)) => Some(a.as_str().cmp(b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
