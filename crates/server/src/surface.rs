//! What is seen of an application from outside: its API, its probes, its metrics.

use std::sync::Arc;

use axum::Router;
use tidings_bus::Tasks;
use tidings_customers::Customers;
use tidings_db::Db;
use tidings_identity::Identity;
use tidings_trace::Tracer;
use tidings_vault::Vault;
use tidings_web::{Api, HttpMetrics, InFlight, OperationInfo, Services};
use tidings_webhooks::{Engine, Webhooks};

use crate::diagnosis::{Live, Looker};
use crate::metrics::{Metrics, Sources};
use crate::operator;
use crate::probes::{self, Probes};
use crate::telemetry::Exporter;

/// What stands behind it.
pub(crate) struct Behind {
    pub(crate) db: Db,
    pub(crate) vault: Arc<Vault>,
    pub(crate) identity: Identity,
    pub(crate) customers: Customers,
    pub(crate) webhooks: Webhooks,
    pub(crate) engine: Engine,
    pub(crate) tasks: Tasks,
    pub(crate) tracer: Tracer,
    pub(crate) exporter: Option<Exporter>,
    pub(crate) reactions: Vec<&'static str>,
}

/// What is seen from outside.
pub(crate) struct Surface {
    pub(crate) router: Router,
    pub(crate) operations: Vec<OperationInfo>,
    pub(crate) openapi: serde_json::Value,
    pub(crate) probes: Probes,
    pub(crate) looker: Looker,
}

/// Makes the surface.
pub(crate) fn surface(behind: Behind) -> Surface {
    let Behind { db, vault, identity, customers, webhooks, engine, tasks, tracer, .. } = behind;
    let (exporter, reactions) = (behind.exporter, behind.reactions);
    let looker = Looker {
        db: db.clone(),
        webhooks: webhooks.clone(),
        reactions: reactions.clone(),
        live: Some(Live { engine: engine.clone(), tasks: tasks.clone() }),
        identity: Some(identity.clone()),
    };
    let http = HttpMetrics::default();
    let api = Api::new(Services {
        db: db.clone(),
        vault,
        authenticator: identity.credentials().clone(),
        metrics: http.clone(),
        in_flight: InFlight::default(),
        tracer: tracer.clone(),
    })
    .with(tidings_identity::routes(&identity))
    .with(tidings_customers::routes(&customers))
    .with(tidings_webhooks::routes(&webhooks))
    .with(tidings_webhooks::privacy_routes(&webhooks))
    .with(operator::routes(&looker));
    let (operations, openapi) = (api.operations(), api.openapi());
    let sources = Sources {
        db: db.clone(),
        tasks: tasks.clone(),
        engine,
        webhooks,
        http,
        tracer,
        exporter,
        reactions,
    };
    let probes = Probes::new(db, tasks, Metrics::new(sources), identity);
    let router = api.into_router().merge(probes::routes(&probes, &openapi));
    Surface { router, operations, openapi, probes, looker }
}
