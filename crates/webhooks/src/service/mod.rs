//! The verbs of the webhooks domain.

mod deliveries;
mod event_types;
mod log;
mod publish;
mod schemas;
mod subscriptions;

use std::sync::Arc;

use tidings_bus::Bus;
use tidings_db::Db;
use tidings_egress::Egress;
use tidings_vault::Vault;

pub use deliveries::Backlog;
pub(crate) use event_types::TypeView;
pub(crate) use publish::Published;
use schemas::Schemas;

/// The webhooks domain's service.
#[derive(Debug, Clone)]
pub struct Webhooks {
    pub(crate) db: Db,
    pub(crate) vault: Arc<Vault>,
    pub(crate) egress: Egress,
    pub(crate) bus: Bus,
    schemas: Arc<Schemas>,
}

impl Webhooks {
    /// The service over a database.
    pub fn new(db: Db, vault: Arc<Vault>, egress: Egress, bus: Bus) -> Self {
        Self { db, vault, egress, bus, schemas: Arc::default() }
    }
}
