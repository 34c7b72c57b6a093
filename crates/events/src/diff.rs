//! What changed: the names and the old values that `*.updated` events carry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The old values of the fields that changed, by field.
pub type Previous = BTreeMap<String, Value>;

/// Collects the fields whose value really changed.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    fields: BTreeMap<String, Option<Value>>,
}

impl Diff {
    /// Nothing changed so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares one field; its old value is shown.
    #[must_use]
    pub fn field<T: PartialEq + Serialize>(mut self, name: &str, old: &T, new: &T) -> Self {
        if old != new {
            let old = serde_json::to_value(old).unwrap_or(Value::Null);
            self.fields.insert(name.to_owned(), Some(old));
        }
        self
    }

    /// Compares one field whose old value is never shown: a tax number, a date of birth.
    #[must_use]
    pub fn private_field<T: PartialEq>(mut self, name: &str, old: &T, new: &T) -> Self {
        if old != new {
            self.fields.insert(name.to_owned(), None);
        }
        self
    }

    /// Whether nothing changed. Then there is no event.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The names, sorted.
    pub fn changed_fields(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }

    /// The old values that may be shown.
    pub fn previous(&self) -> Previous {
        self.fields
            .iter()
            .filter_map(|(name, old)| old.clone().map(|old| (name.clone(), old)))
            .collect()
    }
}
