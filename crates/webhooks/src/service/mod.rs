//! The verbs of the webhooks domain.

mod asyncapi;
mod custom_types;
mod deliveries;
mod erase;
mod erasures;
mod event_types;
mod explain;
mod handshake;
mod known_types;
mod log;
mod long_looks;
mod options;
mod payload_filters;
mod plan_replay;
mod preview;
mod publish;
mod replays;
mod retention;
mod schemas;
mod search;
mod select_events;
mod statistics;
mod streams;
mod subscriptions;
mod test_subscription;
mod undispatched;
mod upkeep;

use std::sync::Arc;

use tidings_bus::Bus;
use tidings_db::Db;
use tidings_egress::Egress;
use tidings_vault::Vault;

use crate::engine::Engine;

pub(crate) use custom_types::SchemaDiff;
pub(crate) use deliveries::{AttemptRecord, Delivery, DeliveryFilter};
pub use deliveries::{Backlog, NodeSeen};
pub(crate) use erase::EraseBatch;
pub(crate) use erasures::{Preview, erase_after, erased, finish_erasure};
pub(crate) use event_types::TypeView;
pub(crate) use explain::Explanation;
use known_types::KnownTypes;
pub(crate) use log::{LogEntry, LogFilter};
use long_looks::LongLooks;
pub(crate) use plan_replay::Look;
pub(crate) use preview::{Difference, Previewed};
pub(crate) use publish::Published;
pub(crate) use replays::{Asked, Estimate, ReplayState};
pub(crate) use retention::{Class, overdue, purge_batch};
use schemas::Schemas;
pub(crate) use schemas::{faults_under, sample_of};
pub(crate) use search::{Search, Searched};
pub(crate) use statistics::{Point, Statistics, expired_statistics, purge_statistics};
use streams::Streams;
pub(crate) use streams::{FollowedAttempt, Step};
pub(crate) use upkeep::{
    count_events, expired_publications, expired_settlements, forget_publications,
    forget_settlements, ill_endpoints, tend_endpoint,
};

/// The webhooks domain's service.
#[derive(Debug, Clone)]
pub struct Webhooks {
    pub(crate) db: Db,
    pub(crate) vault: Arc<Vault>,
    pub(crate) egress: Egress,
    pub(crate) bus: Bus,
    schemas: Arc<Schemas>,
    /// `None` where other processes write too, which this one does not hear of.
    types: Option<Arc<KnownTypes>>,
    pub(crate) streams: Streams,
    long_looks: LongLooks,
    /// The engine of this process, which knows what it leaves alone at present.
    pub(crate) engine: Option<Engine>,
    /// The name under which endpoints are asked for their consent.
    origin: Option<Arc<str>>,
}

impl Webhooks {
    /// The service over a database.
    pub fn new(db: Db, vault: Arc<Vault>, egress: Egress, bus: Bus) -> Self {
        let types = (!db.is_shared()).then(Arc::<KnownTypes>::default);
        if let Some(types) = &types {
            db.add_sink(Arc::<KnownTypes>::clone(types));
        }
        Self {
            db,
            vault,
            egress,
            bus,
            schemas: Arc::default(),
            types,
            streams: Streams::default(),
            long_looks: LongLooks::default(),
            engine: None,
            origin: None,
        }
    }

    /// With the engine of this process, so that it can be asked what it does.
    #[must_use]
    pub fn with_engine(self, engine: &Engine) -> Self {
        Self { engine: Some(engine.clone()), ..self }
    }

    /// With a name under which endpoints are asked for their consent.
    #[must_use]
    pub fn with_origin(self, origin: Option<&str>) -> Self {
        Self { origin: origin.map(Arc::from), ..self }
    }
}
