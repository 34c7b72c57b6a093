//! Rows of the identity domain.

pub(crate) mod api_keys;
pub(crate) mod installation;
pub(crate) mod tenants;
