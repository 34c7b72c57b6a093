//! Who may use the installation: the operator, tenants, and their API keys.
//!
//! **The cast.** The *operator* runs the installation and has one key. A [`Tenant`] is a business
//! on it. An [`ApiKey`] is a program's credential in one tenant, with scopes.
//!
//! **The plot.** The operator makes a tenant and gets its first key with it, once. Tenants make,
//! rotate and revoke their own keys. Every request shows one.
//!
//! **The reasons.** Keys are opaque, random and stored as digests: a copy of the database is no
//! credential. The tenant of a request comes from its key and from nowhere else.

mod api;
mod api_key;
mod authenticate;
mod commands;
mod error;
pub mod jobs;
mod operator;
mod service;
mod store;
mod tenant;

pub use api::routes;
pub use api_key::{ApiKey, KeyText};
pub use authenticate::Credentials;
pub use commands::{CreateApiKey, CreateTenant, SuspendTenant};
pub use error::IdentityError;
pub use operator::{OperatorKey, OperatorKeyError};
pub use service::Identity;
pub use tenant::{Tenant, TenantStatus};

use tidings_db::Statement;

/// The statements of this crate, for the test that prepares all of them.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    [store::api_keys::ALL, store::installation::ALL, store::tenants::ALL]
        .into_iter()
        .flatten()
        .copied()
}
