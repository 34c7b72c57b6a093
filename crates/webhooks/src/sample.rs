//! An example made from a JSON Schema, where nobody has given one.
//!
//! [`candidate`] builds what a schema asks for outright; each attempt takes other branches and other
//! lengths. It solves no riddles (`not`, `contains` over what is there already, patterns together
//! with lengths): whether a candidate fits is for the validator to say, and where none does, the
//! reason is told and the owner of the type gives an example. The same schema always gives the same
//! example.

mod flatten;
mod number;
mod pattern;
mod text;

use std::cell::Cell;

use serde_json::{Map, Value, json};

/// How often other branches and lengths are tried.
pub(crate) const ATTEMPTS: usize = 24;
/// From this attempt on, the schema's own words (`default`, `examples`) are passed over, in case it
/// is they that do not fit.
const OWN_WORDS_UNTIL: usize = 8;
/// From this attempt on, only what is required is made.
const OPTIONAL_UNTIL: usize = 16;
/// How deep an example goes; a schema may refer to itself.
const DEPTH_MAX: usize = 24;
/// How deep properties are made that need not be there.
const OPTIONAL_DEPTH_MAX: usize = 5;
/// The work for all attempts, in parts that are looked at: a small schema may ask for very many.
const WORK_MAX: usize = 200_000;
/// What reading a pattern counts for.
const PATTERN_WORK: usize = 200;
/// The longest list.
const ITEMS_MAX: u64 = 200;

/// Why no example can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", if .pointer.is_empty() { "the schema" } else { .pointer })]
pub(crate) struct CannotSample {
    /// Where, as a JSON pointer into the example.
    pub(crate) pointer: String,
    /// What is in the way.
    pub(crate) reason: String,
}

/// One example of a schema, that may or may not fit. The attempts for one schema share their work.
pub(crate) fn candidate(
    schema: &Value,
    attempt: usize,
    work: &Cell<usize>,
) -> Result<Value, CannotSample> {
    let maker = Maker { root: schema, attempt, work };
    maker.make(schema, &Place { pointer: String::new(), depth: 0, nth: 0 })
}

type Made = Result<Value, CannotSample>;

struct Maker<'s> {
    root: &'s Value,
    attempt: usize,
    work: &'s Cell<usize>,
}

/// Where in the example something is made.
struct Place {
    pointer: String,
    depth: usize,
    /// Which of several that must differ.
    nth: usize,
}

impl Place {
    fn below(&self, step: &str, nth: usize) -> Self {
        let step = step.replace('~', "~0").replace('/', "~1");
        Self { pointer: format!("{}/{step}", self.pointer), depth: self.depth + 1, nth }
    }

    fn cannot(&self, reason: impl Into<String>) -> CannotSample {
        CannotSample { pointer: self.pointer.clone(), reason: reason.into() }
    }
}

impl Maker<'_> {
    /// Counts work; there is an end to it.
    fn count(&self, parts: usize, place: &Place) -> Result<(), CannotSample> {
        self.work.set(self.work.get().saturating_add(parts));
        if self.work.get() > WORK_MAX {
            return Err(place.cannot("the schema asks for more than an example holds"));
        }
        Ok(())
    }

    fn make(&self, schema: &Value, place: &Place) -> Made {
        self.count(1, place)?;
        if place.depth > DEPTH_MAX {
            return Err(place.cannot("the schema goes deeper than an example"));
        }
        let fields = match schema {
            Value::Object(_) => self.flattened(schema, place)?,
            Value::Bool(true) => Map::new(),
            Value::Bool(false)
            | Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => return Err(place.cannot("the schema takes nothing here")),
        };
        if let Some(value) = self.own_words(&fields, place) {
            return Ok(value);
        }
        match self.kind(&fields, place) {
            "array" => self.array(&fields, place),
            "boolean" => Ok(Value::Bool(place.nth.is_multiple_of(2))),
            "integer" => number::whole(&fields, place),
            "null" => Ok(Value::Null),
            "number" => number::any(&fields, place),
            "object" => self.object(&fields, place),
            _ => text::text(&fields, self.attempt, place),
        }
    }

    /// What the schema says itself.
    fn own_words(&self, fields: &Map<String, Value>, place: &Place) -> Option<Value> {
        if let Some(value) = fields.get("const") {
            return Some(value.clone());
        }
        if let Some(Value::Array(values)) = fields.get("enum")
            && !values.is_empty()
        {
            return values.get((place.nth + self.attempt) % values.len()).cloned();
        }
        if self.attempt >= OWN_WORDS_UNTIL {
            return None;
        }
        let examples = fields.get("examples").and_then(Value::as_array);
        let given = examples.and_then(|examples| examples.get(place.nth));
        given.or_else(|| fields.get("default").filter(|_| place.nth == 0)).cloned()
    }

    /// The type to make; `null` only where nothing else is taken.
    fn kind<'f>(&self, fields: &'f Map<String, Value>, place: &Place) -> &'f str {
        let mut named: Vec<&str> = match fields.get("type") {
            Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
            other => other.and_then(Value::as_str).into_iter().collect(),
        };
        if named.iter().any(|name| *name != "null") {
            named.retain(|name| *name != "null");
        }
        if !named.is_empty() {
            return named[self.attempt % named.len()];
        }
        let asks = |names: &[&str]| names.iter().any(|name| fields.contains_key(*name));
        if asks(&["items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems"]) {
            "array"
        } else if asks(&[
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
        ]) {
            "number"
        } else if asks(&["pattern", "minLength", "maxLength", "format"]) {
            "string"
        } else if place.depth == 0
            || asks(&["properties", "required", "additionalProperties", "minProperties"])
            || asks(&["patternProperties", "propertyNames", "dependentRequired"])
        {
            // What an event carries is an object, unless its schema says otherwise.
            "object"
        } else {
            "string"
        }
    }

    fn array(&self, fields: &Map<String, Value>, place: &Place) -> Made {
        let bound = |name: &str| fields.get(name).and_then(Value::as_u64);
        let first = fields.get("prefixItems").and_then(Value::as_array);
        let first = first.map_or(&[][..], Vec::as_slice);
        let contained = fields.get("contains");
        let needed = bound("minItems").unwrap_or(0);
        let wanted = u64::from(fields.contains_key("items") || contained.is_some());
        let wanted = needed.max(wanted).max(first.len() as u64);
        let wanted = wanted.max(contained.map_or(0, |_| bound("minContains").unwrap_or(1)));
        let count = wanted.min(bound("maxItems").unwrap_or(u64::MAX));
        if count > ITEMS_MAX {
            return Err(place.cannot(format!("{count} items are more than an example holds")));
        }
        let others = contained.or_else(|| fields.get("items")).unwrap_or(&Value::Bool(true));
        let mut items = Vec::new();
        for nth in 0..usize::try_from(count).unwrap_or(0) {
            let below = place.below(&nth.to_string(), nth);
            match self.make(first.get(nth).unwrap_or(others), &below) {
                Ok(item) => items.push(item),
                // A list may end before what cannot be made, if it may be so short.
                Err(_) if items.len() as u64 >= needed => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Value::Array(items))
    }

    fn object(&self, fields: &Map<String, Value>, place: &Place) -> Made {
        let none = Map::new();
        let described = fields.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let required = fields.get("required").and_then(Value::as_array);
        let required: Vec<&str> =
            required.into_iter().flatten().filter_map(Value::as_str).collect();
        let bound = |name: &str| fields.get(name).and_then(Value::as_u64);
        let most = bound("maxProperties").unwrap_or(u64::MAX);
        let mut made = Map::new();
        for name in &required {
            self.add(name, fields, &mut made, place)?;
        }
        if self.attempt < OPTIONAL_UNTIL && place.depth < OPTIONAL_DEPTH_MAX {
            for name in described.keys() {
                if (made.len() as u64) < most && !made.contains_key(name) {
                    // What need not be there and cannot be made is left out.
                    let _ = self.add(name, fields, &mut made, place);
                }
            }
        }
        self.add_dependent(fields, &mut made, place)?;
        for number in 1..=bound("minProperties").unwrap_or(0) {
            if made.len() as u64 >= bound("minProperties").unwrap_or(0) {
                break;
            }
            if number > ITEMS_MAX {
                return Err(place.cannot("it has more properties than an example holds"));
            }
            self.add(&self.free_name(fields, number)?, fields, &mut made, place)?;
        }
        Ok(Value::Object(made))
    }

    /// Makes one property, as whatever part of the schema is about it says.
    fn add(
        &self,
        name: &str,
        fields: &Map<String, Value>,
        made: &mut Map<String, Value>,
        place: &Place,
    ) -> Result<(), CannotSample> {
        if made.contains_key(name) {
            return Ok(());
        }
        // Several objects differ where their properties do.
        let below = place.below(name, place.nth);
        let described = fields.get("properties").and_then(|all| all.get(name));
        let mut about: Vec<Value> = described.cloned().into_iter().collect();
        let patterns = fields.get("patternProperties").and_then(Value::as_object);
        for (pattern, schema) in patterns.into_iter().flatten() {
            self.count(PATTERN_WORK, place)?;
            if pattern::matches(pattern, name) {
                about.push(schema.clone());
            }
        }
        if about.is_empty() {
            about.extend(fields.get("additionalProperties").cloned());
        }
        let value = match about.as_slice() {
            [] => self.make(&json!({"type": "string"}), &below)?,
            [only] => self.make(only, &below)?,
            several => self.make(&json!({"allOf": several}), &below)?,
        };
        made.insert(name.to_owned(), value);
        Ok(())
    }

    /// What must be there because something else is.
    fn add_dependent(
        &self,
        fields: &Map<String, Value>,
        made: &mut Map<String, Value>,
        place: &Place,
    ) -> Result<(), CannotSample> {
        let Some(rules) = fields.get("dependentRequired").and_then(Value::as_object) else {
            return Ok(());
        };
        // Each round adds at least one, so there are at most as many as there are rules.
        for _ in 0..rules.len() {
            for (name, needs) in rules {
                if !made.contains_key(name) {
                    continue;
                }
                for need in needs.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    self.add(need, fields, made, place)?;
                }
            }
        }
        Ok(())
    }

    /// A name for a property that has none.
    fn free_name(&self, fields: &Map<String, Value>, number: u64) -> Result<String, CannotSample> {
        let patterns = fields.get("patternProperties").and_then(Value::as_object);
        let nth = usize::try_from(number).unwrap_or(0);
        match patterns.and_then(|patterns| patterns.keys().next()) {
            Some(pattern) => pattern::example(pattern, self.attempt, nth)
                .map_err(|reason| CannotSample { pointer: String::new(), reason }),
            None => Ok(format!("property_{number}")),
        }
    }
}

#[cfg(test)]
mod tests;
