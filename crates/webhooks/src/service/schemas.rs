//! Compiled JSON Schemas of custom types.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tidings_events::CustomName;
use tidings_kernel::{FieldError, Problem, TenantId};

use crate::sample::{ATTEMPTS, CannotSample, candidate};

/// Compiled schemas that are kept.
const KEPT_MAX: usize = 2_000;
/// The largest schema, in bytes of JSON.
pub(super) const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Faults that are told of one event.
const FAULTS_MAX: usize = 10;

type Key = (TenantId, CustomName, u32);

/// Compiled schemas by tenant, type and version.
#[derive(Default)]
pub(super) struct Schemas(Mutex<HashMap<Key, Arc<Validator>>>);

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schemas")
    }
}

/// Compiles a schema, or says what is wrong with it.
pub(super) fn compile(schema: &Value) -> Result<Validator, Problem> {
    let refused = |code, message: String| Problem::invalid_field("/schema", code, message);
    if schema.to_string().len() > SCHEMA_BYTES_MAX {
        return Err(refused("too_long", format!("at most {SCHEMA_BYTES_MAX} bytes")));
    }
    if !(schema.is_object() || schema.is_boolean()) {
        return Err(refused("invalid", "a JSON Schema is an object".to_owned()));
    }
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        // The linear engine: a schema of a tenant's must not make matching run away.
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .map_err(|error| refused("invalid", format!("not a JSON Schema: {error}")))
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
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&key) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(compile(schema)?);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&compiled));
        Ok(compiled)
    }
}
