//! Compiled JSON Schemas of custom types.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonschema::Validator;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tidings_events::CustomName;
use tidings_kernel::{FieldError, Problem, TenantId};

use crate::sample::{ATTEMPTS, CannotSample, candidate};

/// What compiled schemas that are kept may weigh together: some 256 MiB where all are made to be heavy,
/// a thousand schemas where they are like most.
const KEPT_WEIGHT_MAX: usize = 1_024;
/// Bytes of compiled patterns that weigh as much as a schema without one.
const WEIGHT_BYTES: usize = 256 * 1024;
/// Bytes that the compiled patterns of one schema may take together. A short pattern can ask for any
/// number (`(\p{L}{100}){100}`), and a small schema can hold thousands.
const PATTERNS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one compiled pattern, as most are; tried first.
const PATTERN_BYTES_USUAL: usize = 64 * 1024;
/// Patterns of one schema.
const PATTERNS_MAX: usize = 128;
/// The largest schema, in bytes of JSON.
pub(super) const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Faults that are told of one event.
const FAULTS_MAX: usize = 10;

type Key = (TenantId, CustomName, u32);

/// Compiled schemas by tenant, type and version.
#[derive(Default)]
pub(super) struct Schemas(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    schemas: HashMap<Key, Arc<Validator>>,
    weight: usize,
}

/// A schema, and what it weighs in memory.
struct Compiled {
    validator: Validator,
    weight: usize,
}

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schemas")
    }
}

/// Compiles a schema, or says what is wrong with it.
pub(super) fn compile(schema: &Value) -> Result<Validator, Problem> {
    weigh(schema).map(|compiled| compiled.validator)
}

fn weigh(schema: &Value) -> Result<Compiled, Problem> {
    let refused = |code, message: String| Problem::invalid_field("/schema", code, message);
    if schema.to_string().len() > SCHEMA_BYTES_MAX {
        return Err(refused("too_long", format!("at most {SCHEMA_BYTES_MAX} bytes")));
    }
    if !(schema.is_object() || schema.is_boolean()) {
        return Err(refused("invalid", "a JSON Schema is an object".to_owned()));
    }
    let patterns = patterns(schema);
    if patterns > PATTERNS_MAX {
        return Err(refused("too_many", format!("a schema has at most {PATTERNS_MAX} patterns")));
    }
    let most = PATTERNS_BYTES_MAX / patterns.max(1);
    let usual = PATTERN_BYTES_USUAL.min(most);
    build(schema, usual)
        .map(|validator| (validator, usual))
        .or_else(|_| build(schema, most).map(|validator| (validator, most)))
        .map(|(validator, each)| {
            let weight = 1 + patterns.saturating_mul(each) / WEIGHT_BYTES;
            Compiled { validator, weight }
        })
        .map_err(|fault| {
            refused("invalid", format!("not a JSON Schema: {fault}{}", hint(patterns)))
        })
}

/// The library says of a pattern only that it cannot be compiled.
fn hint(patterns: usize) -> &'static str {
    if patterns == 0 {
        return "";
    }
    "; if it is right, it may be too large: the patterns of a schema take at most 8 MiB together when \
     compiled, and \\p{L} repeated takes much more than [A-Za-z]"
}

fn build(schema: &Value, pattern_bytes_max: usize) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        // The linear engine: a schema of a tenant's must not make matching run away.
        .with_pattern_options(jsonschema::PatternOptions::regex().size_limit(pattern_bytes_max))
        .build(schema)
        .map_err(|error| error.to_string())
}

/// How many patterns there are at most: words that only look like one are counted too.
fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let own = match (name.as_str(), value) {
                    ("pattern", Value::String(_)) => 1,
                    ("patternProperties", Value::Object(named)) => named.len(),
                    _ => 0,
                };
                own + patterns(value)
            })
            .sum(),
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Every fault of a value, below `pointer`.
pub(super) fn faults(validator: &Validator, value: &Value, pointer: &str) -> Vec<FieldError> {
    validator
        .iter_errors(value)
        .take(FAULTS_MAX)
        .map(|error| {
            let message: String = error.to_string().chars().take(300).collect();
            FieldError::new(format!("{pointer}{}", error.instance_path()), "schema", message)
        })
        .collect()
}

/// Every fault of a value under a schema that is not compiled yet.
pub(crate) fn faults_under(schema: &Value, value: &Value) -> Result<Vec<FieldError>, Problem> {
    compile(schema).map(|validator| faults(&validator, value, ""))
}

/// An example of a schema, or what is in the way of one.
pub(crate) fn sample_of(schema: &Value) -> Result<Value, CannotSample> {
    let cannot = |reason: String| CannotSample { pointer: String::new(), reason };
    let validator = compile(schema).map_err(|problem| cannot(problem.detail))?;
    let work = Cell::new(0);
    let mut first = None;
    for attempt in 0..ATTEMPTS {
        let refusal = match candidate(schema, attempt, &work) {
            Ok(value) => {
                let misfit = validator.iter_errors(&value).next().map(|error| {
                    let reason = format!("what was made does not fit: {error}");
                    let pointer = error.instance_path().to_string();
                    CannotSample { pointer, reason: reason.chars().take(300).collect() }
                });
                let Some(misfit) = misfit else { return Ok(value) };
                misfit
            }
            Err(refusal) => refusal,
        };
        first.get_or_insert(refusal);
    }
    Err(first.unwrap_or_else(|| cannot("nothing was tried".to_owned())))
}

/// The data of an event, as it is sent.
pub(super) type Data = Box<RawValue>;

/// The example of a type; one made from its schema where it has none, or one that does not fit.
pub(super) fn fitting_example(schema: &Value, own: &Value) -> Result<Data, CannotSample> {
    let is_fine = compile(schema).is_ok_and(|validator| validator.is_valid(own));
    let example = if is_fine { own.clone() } else { sample_of(schema)? };
    // A value of JSON always serialises.
    Ok(to_raw_value(&example).unwrap_or_else(|_| RawValue::NULL.to_owned()))
}

impl Schemas {
    /// The compiled schema of one version of a type.
    pub(super) fn get(&self, key: Key, schema: &Value) -> Result<Arc<Validator>, Problem> {
        if let Some(known) = self.kept().schemas.get(&key) {
            return Ok(Arc::clone(known));
        }
        // Others do not wait meanwhile.
        let Compiled { validator, weight } = weigh(schema)?;
        let validator = Arc::new(validator);
        let mut kept = self.kept();
        if kept.weight.saturating_add(weight) > KEPT_WEIGHT_MAX {
            *kept = Kept::default();
        }
        if kept.schemas.insert(key, Arc::clone(&validator)).is_none() {
            kept.weight = kept.weight.saturating_add(weight);
        }
        Ok(validator)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn many(count: usize, pattern: &str) -> Value {
        let properties: serde_json::Map<String, Value> = (0..count)
            .map(|number| (number.to_string(), json!({"pattern": format!("{pattern}{number}")})))
            .collect();
        json!({"properties": properties})
    }

    #[test]
    fn patterns_have_a_bound_together() {
        for (schema, weight) in [
            (json!(true), Some(1)),
            (json!({"pattern": r"^[A-Z]{2}-\d+$"}), Some(1)),
            (json!({"properties": {"pattern": {"type": "string"}}}), Some(1)),
            // A class alone, repeated, is matched without compiling it; with more beside it, it is large.
            (json!({"pattern": r"^\p{L}{1,50}$"}), Some(1)),
            (json!({"pattern": r"^\p{L}{1,50}x$"}), Some(33)),
            (json!({"patternProperties": {r"^\w+$": {"pattern": r"^\d+$"}}}), Some(1)),
            (many(128, r"^[a-z]+$"), Some(33)),
            (many(129, r"^[a-z]+$"), None),
            (many(10, r"^\p{L}{1,50}$"), None),
            (json!({"pattern": r"(\p{L}{526}x){10}"}), None),
            (json!({"patternProperties": {r"(\p{L}{526}x){10}": true}}), None),
            (json!({"pattern": "("}), None),
        ] {
            let found = weigh(&schema).ok().map(|compiled| compiled.weight);
            let shown: String = schema.to_string().chars().take(80).collect();
            assert_eq!(found, weight, "{shown}");
        }
    }

    #[test]
    fn what_is_kept_has_a_bound_and_is_made_again() {
        let schemas = Schemas::default();
        let heavy = json!({"pattern": r"^\p{L}{1,50}x$"});
        let tenant_id = TenantId::from_uuid(tidings_kernel::Uuid::from_u128(1));
        let name: CustomName = "custom.x".parse().unwrap();
        for version in 0..100 {
            assert!(schemas.get((tenant_id, name.clone(), version), &heavy).is_ok());
            let kept = schemas.kept();
            assert!(kept.weight <= KEPT_WEIGHT_MAX && kept.schemas.len() <= 31);
        }
        assert!(schemas.get((tenant_id, name, 0), &heavy).unwrap().is_valid(&json!("abx")));
    }
}
