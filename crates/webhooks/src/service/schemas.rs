//! Compiled JSON Schemas of custom types.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::Value;
use tidings_events::CustomName;
use tidings_kernel::{FieldError, Problem, TenantId};

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
