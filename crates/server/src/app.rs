//! Everything wired together.

use std::sync::Arc;

use axum::Router;
use tidings_bus::{Bus, Tasks};
use tidings_customers::{Customers, NoSubscriptions};
use tidings_db::{Db, LeaseClock, Location, Options, WriterMode};
use tidings_egress::{Egress, Policy};
use tidings_identity::{Identity, OperatorKey};
use tidings_jobs::{Leases, Runner, RunnerBuilder};
use tidings_kernel::{Clock, IdSeed, SystemClock};
use tidings_trace::Tracer;
use tidings_vault::{Vault, system_random};
use tidings_web::OperationInfo;
use tidings_webhooks::{Engine, EngineParts, Webhooks, handshake};

use crate::data_dir::DataDir;
use crate::descriptors;
use crate::diagnosis::Looker;
use crate::probes::Probes;
use crate::settings::{Settings, StartError};
use crate::surface::{Behind, Surface, surface};
use crate::telemetry::{Exporter, Otlp};
use crate::wiring;

/// Connections to PostgreSQL unless told.
const CONNECTIONS: usize = 20;

/// What an application is built from: the outside world, real or a test's.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The vault.
    pub vault: Arc<Vault>,
    /// The dialler.
    pub egress: Egress,
    /// The operator's key, if the operator chose it.
    pub operator_key: Option<OperatorKey>,
    /// Whether jobs, positions and reactions run by themselves. A test runs them when it settles.
    pub background: bool,
    /// How this process calls itself.
    pub name: String,
    /// The DNS name under which endpoints are asked for their consent.
    pub webhook_origin: Option<String>,
    /// Where traces go; without it nothing is recorded.
    pub otlp: Option<Otlp>,
}

/// Everything wired together.
pub struct App {
    /// The database.
    pub db: Db,
    /// The identity domain.
    pub identity: Identity,
    /// The webhooks domain.
    pub webhooks: Webhooks,
    /// The delivery engine.
    pub engine: Engine,
    /// Jobs, sweeps, positions and reactions.
    pub runner: Runner,
    /// The loops.
    pub tasks: Tasks,
    /// The router.
    pub router: Router,
    /// Every operation of the API.
    pub operations: Vec<OperationInfo>,
    /// The OpenAPI document.
    pub openapi: serde_json::Value,
    /// The operator's key, where this start made it: to be printed once.
    pub new_operator_key: Option<OperatorKey>,
    /// Readiness.
    pub probes: Probes,
    /// Connections of requests at once: what the machine's descriptors allow.
    pub connections_max: usize,
    pub(crate) looker: Looker,
    exporter: Option<Exporter>,
    /// Holds the data directory's lock.
    _data_dir: Option<DataDir>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

impl App {
    /// Opens what the settings name and wires it together.
    pub async fn open(settings: &Settings) -> Result<Self, StartError> {
        let (db, vault, data_dir) = open_database(settings).await?;
        let operator_key = settings
            .operator_key
            .as_deref()
            .map(OperatorKey::parse)
            .transpose()
            .map_err(|error| StartError::Key(error.to_string()))?;
        let policy = Policy {
            allow_loopback: settings.is_dev(),
            allow: settings.allow_private.clone(),
            https_only: true,
        };
        let connections = settings.database.as_ref().map_or(0, |_| connections(settings));
        let budget = descriptors::claim(connections);
        let options = tidings_egress::Options { idle_max: budget.idle, ..Default::default() };
        let egress = Egress::new(policy, options)?;
        let name = format!("{}:{}", settings.listen_on(), std::process::id());
        let webhook_origin = settings.webhook_origin.clone();
        let otlp = settings.otlp()?;
        let background = true;
        let parts =
            Parts { db, vault, egress, operator_key, background, name, webhook_origin, otlp };
        Ok(Self {
            _data_dir: Some(data_dir),
            connections_max: budget.connections,
            ..Self::build(parts).await?
        })
    }

    /// Wires the parts together and starts the loops.
    pub async fn build(parts: Parts) -> Result<Self, StartError> {
        let Parts { db, vault, egress, operator_key, background, name, webhook_origin, otlp } =
            parts;
        if let Some(origin) = webhook_origin.as_ref().filter(|o| !handshake::is_origin(o)) {
            return Err(StartError::Origin(origin.clone()));
        }
        let bus = Bus::new(Arc::clone(db.clock()));
        let tasks = Tasks::default();
        let (tracer, exporter) = trace(otlp.as_ref(), &db, &tasks, &name);
        let identity = identity_of(&db, &vault).await?;
        let webhooks = Webhooks::new(db.clone(), Arc::clone(&vault), egress.clone(), bus.clone())
            .with_origin(webhook_origin.as_deref());
        // With no billing there are no subscriptions to pause, and so none are.
        let customers = Customers::new(db.clone(), Arc::new(NoSubscriptions));
        let engine = Engine::start(EngineParts {
            db: db.clone(),
            vault: Arc::clone(&vault),
            egress,
            bus: bus.clone(),
            tasks: tasks.clone(),
            name,
            tracer: tracer.clone(),
        })
        .await?;
        let webhooks = webhooks.with_engine(&engine);
        let leases = Leases::new(db.clone(), engine.node_id());
        let by_itself = by_itself(&identity, &customers, &webhooks);
        let reactions = by_itself.reaction_names();
        let runner = by_itself.build(db.clone(), bus.clone(), leases);
        runner.declare().await?;
        watch_writer(&tasks, &db);
        if background {
            runner.start(&tasks);
            watch(&tasks)?;
        }
        let Surface { router, operations, openapi, probes, looker } = surface(Behind {
            db: db.clone(),
            vault,
            identity: identity.clone(),
            customers,
            webhooks: webhooks.clone(),
            engine: engine.clone(),
            tasks: tasks.clone(),
            tracer,
            exporter: exporter.clone(),
            reactions,
        });
        // At the end, where nothing can fail any more: a key that is stored must reach whoever prints
        // it, for it is never shown again.
        let new_operator_key = identity.ensure_operator_key(operator_key).await?;
        Ok(Self {
            db,
            identity,
            webhooks,
            engine,
            runner,
            tasks,
            router,
            operations,
            openapi,
            new_operator_key,
            probes,
            connections_max: descriptors::CONNECTIONS_MAX,
            looker,
            exporter,
            _data_dir: None,
        })
    }

    /// Drains: not ready any more, no new attempts, outcomes written, loops ended, database closed.
    pub async fn close(&self) {
        self.probes.drain();
        self.engine.drain().await;
        self.tasks.end().await;
        if let Some(exporter) = &self.exporter {
            exporter.flush().await;
        }
        if let Err(error) = self.runner.release().await {
            tracing::warn!(%error, "other nodes wait until the leases end");
        }
        self.db.close();
    }
}

/// The identity domain, over the root key that the database was sealed with and no other.
async fn identity_of(db: &Db, vault: &Arc<Vault>) -> Result<Identity, StartError> {
    let identity = Identity::new(db.clone(), Arc::clone(vault));
    if identity.check_root_key().await? {
        return Ok(identity);
    }
    Err(StartError::Key(
        "the root key is not the one that this database was sealed with; every node needs the same \
         root.key, or TIDINGS_ROOT_KEY"
            .to_owned(),
    ))
}

/// Ends the process when a loop, or SQLite's writer, stands still. It is no orderly end: what waits
/// for it would wait for ever, and everything is in the database.
fn watch(tasks: &Tasks) -> Result<(), StartError> {
    tasks.watch(|_| std::process::abort()).map_err(StartError::Watchdog)
}

/// Lets `/readyz`, `/metrics`, `doctor` and the watchdog see SQLite's writer, a thread of its own.
fn watch_writer(tasks: &Tasks, db: &Db) {
    if db.is_shared() {
        return;
    }
    let db = db.clone();
    tasks.watch_also("writer", move || db.writer_standing());
}

/// The tracer; with what sends its spans away, where they go anywhere.
fn trace(otlp: Option<&Otlp>, db: &Db, tasks: &Tasks, name: &str) -> (Tracer, Option<Exporter>) {
    let Some(otlp) = otlp else { return (Tracer::off(), None) };
    let (tracer, exporter) = otlp.start(Arc::clone(db.clock()), name);
    db.trace_with(tracer.clone());
    exporter.run(tasks);
    (tracer, Some(exporter))
}

/// Opens the database of the settings, with its vault and directory.
async fn open_database(settings: &Settings) -> Result<(Db, Arc<Vault>, DataDir), StartError> {
    let data_dir = DataDir::open(&settings.data_dir(), settings.database.is_none())?;
    let vault = Arc::new(data_dir.vault(settings.root_key.as_deref())?);
    let db = open_db(settings, WriterMode::Thread).await?;
    Ok((db, vault, data_dir))
}

fn connections(settings: &Settings) -> usize {
    settings.database_connections.unwrap_or(CONNECTIONS)
}

/// Opens the database of the settings. SQLite's belongs to whoever holds the data directory.
pub(crate) async fn open_db(settings: &Settings, writer: WriterMode) -> Result<Db, StartError> {
    let location = match &settings.database {
        Some(url) => Location::Postgres { url: url.clone(), connections: connections(settings) },
        None => Location::Sqlite(DataDir::database_in(&settings.data_dir())),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = Db::open(Options {
        location,
        clock,
        seed: IdSeed::new(system_random()),
        lease_clock: LeaseClock::Database,
        writer,
        on_fatal: Arc::new(|error| {
            tracing::error!(error, "a flush failed; nothing more is acknowledged");
            std::process::exit(74);
        }),
    });
    Ok(db.await?)
}

impl App {
    /// Brings the schema of the settings' database up to date, and does nothing else.
    pub async fn migrate(settings: &Settings) -> Result<&'static str, StartError> {
        let (db, _, _data_dir) = open_database(settings).await?;
        let engine = db.engine_name();
        db.close();
        Ok(engine)
    }

    /// Replaces the operator's key, while no server runs.
    pub async fn rotate_operator_key(settings: &Settings) -> Result<OperatorKey, StartError> {
        let (db, vault, _data_dir) = open_database(settings).await?;
        let chosen = settings
            .operator_key
            .as_deref()
            .map(OperatorKey::parse)
            .transpose()
            .map_err(|error| StartError::Key(error.to_string()))?;
        let key = Identity::new(db.clone(), vault).rotate_operator_key(chosen).await?;
        db.close();
        Ok(key)
    }
}

/// What happens without anyone asking for it.
pub(crate) fn by_itself(
    identity: &Identity,
    customers: &Customers,
    webhooks: &Webhooks,
) -> RunnerBuilder {
    let mut runner = RunnerBuilder::default()
        .sweep(tidings_identity::jobs::last_used(identity))
        .sweep(tidings_webhooks::jobs::forget_publications())
        .sweep(tidings_webhooks::jobs::forget_settlements())
        .sweep(tidings_webhooks::jobs::tend_endpoints())
        .sweep(tidings_webhooks::jobs::purge_statistics())
        .sweep(tidings_webhooks::jobs::finish_erasures())
        .sweep(wiring::idempotent_replies())
        .job(tidings_webhooks::jobs::EraseSubject::new(webhooks))
        .job(tidings_webhooks::jobs::GoOnWithReplay::new(webhooks))
        .reaction(tidings_webhooks::jobs::EventActivity)
        .reaction(tidings_webhooks::jobs::ErasePeople);
    let of_domains = tidings_customers::jobs::sweeps(customers);
    for sweep in of_domains.into_iter().chain(tidings_webhooks::jobs::retention()) {
        runner = runner.sweep(sweep);
    }
    for handler in tidings_customers::jobs::handlers(customers) {
        runner = runner.job(handler);
    }
    runner
}
