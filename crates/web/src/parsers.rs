//! What the door reads of a request, one parser at a time: for the tests that feed them garbage.
//!
//! Nothing of the product calls these; it goes through the door, which calls the same functions.

use http::HeaderMap;
use serde::de::DeserializeOwned;
use tidings_kernel::{Problem, TenantId, Timestamp, Version};
use tidings_vault::Vault;

use crate::cursor::Cursors;
use crate::idempotency::Key;

/// The credential of `Authorization` and `X-API-Key`.
pub fn credential(headers: &HeaderMap) -> Result<&str, Problem> {
    crate::door::credential(headers)
}

/// The text of an `Idempotency-Key`.
pub fn idempotency_key(header: &str) -> Result<String, Problem> {
    Key::parse(header)
}

/// The version that `If-Match` names.
pub fn if_match(headers: &HeaderMap) -> Result<Option<Version>, Problem> {
    crate::call::if_match(headers)
}

/// A query string, as a list reads it.
pub fn query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    crate::body::parse_query(query)
}

/// The cursors of one list as one caller sees it.
pub fn cursors<'a>(
    vault: &'a Vault,
    tenant_id: TenantId,
    list: &'a str,
    now: Timestamp,
) -> Cursors<'a> {
    Cursors { vault, tenant_id, list, now }
}
