//! What callers send.

use serde::Deserialize;
use tidings_kernel::{FieldError, Permission, Problem, Timestamp, text};
use utoipa::ToSchema;

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 200;
/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// Makes a tenant.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// A name for people, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// Whether it is a live tenant; this can never be changed.
    #[serde(default = "live")]
    #[schema(default = true)]
    pub livemode: bool,
}

fn live() -> bool {
    true
}

/// Stops a tenant.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspendTenant {
    /// Why, for the record; at most 500 characters.
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

/// Makes an API key.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// What it is for, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// What it may do; at most what the caller's own key may.
    pub scopes: Vec<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

impl CreateTenant {
    /// The name, trimmed, or what is wrong with it.
    pub fn check(&self) -> Result<String, Problem> {
        name(&self.name).map_err(|fault| Problem::invalid(vec![fault]))
    }
}

impl SuspendTenant {
    /// Refuses what is too long or cannot be shown.
    pub fn check(&self) -> Result<(), Problem> {
        let reason = self.reason.as_deref().unwrap_or_default();
        match text::lines("/reason", reason, REASON_CHARS_MAX) {
            Some(fault) => Err(Problem::invalid(vec![fault])),
            None => Ok(()),
        }
    }
}

impl CreateApiKey {
    /// Name and scopes, or what is wrong with them.
    pub fn check(&self, now: Timestamp) -> Result<(String, Vec<Permission>), Problem> {
        let mut errors = Vec::new();
        let mut scopes = Vec::new();
        for (index, scope) in self.scopes.iter().enumerate() {
            match scope.parse::<Permission>() {
                Ok(permission) if permission.is_tenants() => scopes.push(permission),
                Ok(_) | Err(()) => errors.push(FieldError::new(
                    format!("/scopes/{index}"),
                    "unknown_value",
                    "not a scope; all are at /api/v1/auth/api-keys/scopes/available",
                )),
            }
        }
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() && errors.is_empty() {
            errors.push(FieldError::new("/scopes", "required", "a key needs at least one scope"));
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            errors.push(FieldError::new("/expires_at", "out_of_range", "this is in the past"));
        }
        match name(&self.name) {
            Ok(name) if errors.is_empty() => Ok((name, scopes)),
            Ok(_) => Err(Problem::invalid(errors)),
            Err(fault) => {
                errors.push(fault);
                Err(Problem::invalid(errors))
            }
        }
    }
}

fn name(given: &str) -> Result<String, FieldError> {
    let name = given.trim();
    if name.is_empty() {
        return Err(FieldError::new("/name", "required", "this field is needed"));
    }
    match text::line("/name", name, NAME_CHARS_MAX) {
        Some(fault) => Err(fault),
        None => Ok(name.to_owned()),
    }
}
