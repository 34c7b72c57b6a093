//! The verbs of the identity domain.

mod api_keys;
pub(crate) use api_keys::write_last_used;
mod operator_key;
pub(crate) use operator_key::NAME as OPERATOR_KEY_NAME;
mod tenants;

use std::sync::Arc;

use tidings_db::Db;
use tidings_vault::Vault;

use crate::authenticate::Credentials;

/// The identity domain's service.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(crate) db: Db,
    pub(crate) vault: Arc<Vault>,
    pub(crate) credentials: Arc<Credentials>,
}

impl Identity {
    /// The service over a database.
    pub fn new(db: Db, vault: Arc<Vault>) -> Self {
        let credentials = Arc::new(Credentials::new(db.clone()));
        Self { db, vault, credentials }
    }

    /// Forgets every recognised credential, after a commit that may have ended one.
    pub fn forget_credentials(&self) {
        self.credentials.forget();
    }

    /// What recognises credentials.
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }
}
