//! The verbs of the webhooks domain.

mod asyncapi;
mod custom_types;
mod deliveries;
mod event_types;
mod handshake;
mod log;
mod options;
mod payload_filters;
mod plan_replay;
mod publish;
mod replays;
mod schemas;
mod select_events;
mod statistics;
mod subscriptions;
mod test_subscription;
mod upkeep;

use std::sync::Arc;

use tidings_bus::Bus;
use tidings_db::Db;
use tidings_egress::Egress;
use tidings_vault::Vault;

pub(crate) use custom_types::SchemaDiff;
pub(crate) use deliveries::{AttemptRecord, Delivery, DeliveryFilter};
pub use deliveries::{Backlog, NodeSeen};
pub(crate) use event_types::TypeView;
pub(crate) use log::LogEntry;
pub(crate) use plan_replay::Look;
pub(crate) use publish::Published;
pub(crate) use replays::{Asked, Estimate, ReplayState};
use schemas::Schemas;
pub(crate) use schemas::sample_of;
pub(crate) use statistics::{Statistics, expired_statistics, purge_statistics};
pub(crate) use upkeep::{
    count_event, expired_publications, forget_publications, ill_endpoints, tend_endpoint,
};

/// The webhooks domain's service.
#[derive(Debug, Clone)]
pub struct Webhooks {
    pub(crate) db: Db,
    pub(crate) vault: Arc<Vault>,
    pub(crate) egress: Egress,
    pub(crate) bus: Bus,
    schemas: Arc<Schemas>,
    /// The name under which endpoints are asked for their consent.
    origin: Option<Arc<str>>,
}

impl Webhooks {
    /// The service over a database.
    pub fn new(db: Db, vault: Arc<Vault>, egress: Egress, bus: Bus) -> Self {
        Self { db, vault, egress, bus, schemas: Arc::default(), origin: None }
    }

    /// With a name under which endpoints are asked for their consent.
    #[must_use]
    pub fn with_origin(self, origin: Option<&str>) -> Self {
        Self { origin: origin.map(Arc::from), ..self }
    }
}
