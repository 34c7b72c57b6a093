//! Everything wired together.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use prometheus_client::registry::Registry;
use tidings_bus::{Bus, Tasks};
use tidings_customers::{Customers, NoSubscriptions};
use tidings_db::{Db, LeaseClock, Location, Options, WriterMode};
use tidings_egress::{Egress, Policy};
use tidings_identity::{Identity, OperatorKey};
use tidings_jobs::{Leases, Runner, RunnerBuilder};
use tidings_kernel::{Clock, IdSeed, SystemClock};
use tidings_vault::{Vault, system_random};
use tidings_web::{Api, HttpMetrics, OperationInfo, Services};
use tidings_webhooks::{Engine, EngineParts, Webhooks, handshake};

use crate::data_dir::DataDir;
use crate::probes::{self, Probes};
use crate::settings::{Settings, StartError};
use crate::wiring;

/// The watchdog ends the process when a loop has not gone round for so long.
const WATCHDOG: Duration = Duration::from_mins(1);
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
        let egress = Egress::new(policy, tidings_egress::Options::default())?;
        let name = format!("{}:{}", settings.listen_on(), std::process::id());
        let webhook_origin = settings.webhook_origin.clone();
        let parts =
            Parts { db, vault, egress, operator_key, background: true, name, webhook_origin };
        Ok(Self { _data_dir: Some(data_dir), ..Self::build(parts).await? })
    }

    /// Wires the parts together and starts the loops.
    pub async fn build(parts: Parts) -> Result<Self, StartError> {
        let Parts { db, vault, egress, operator_key, background, name, webhook_origin } = parts;
        if let Some(origin) = webhook_origin.as_ref().filter(|o| !handshake::is_origin(o)) {
            return Err(StartError::Origin(origin.clone()));
        }
        let bus = Bus::new(Arc::clone(db.clock()));
        let tasks = Tasks::default();
        let identity = Identity::new(db.clone(), Arc::clone(&vault));
        if !identity.check_root_key().await? {
            return Err(StartError::Key(
                "the root key is not the one that this database was sealed with; every node needs \
                 the same root.key, or TIDINGS_ROOT_KEY"
                    .to_owned(),
            ));
        }
        let new_operator_key = identity.ensure_operator_key(operator_key).await?;
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
        })
        .await?;
        let leases = Leases::new(db.clone(), engine.node_id());
        let runner =
            by_itself(&identity, &customers, &webhooks).build(db.clone(), bus.clone(), leases);
        runner.declare().await?;
        if background {
            runner.start(&tasks);
            watch(&tasks);
        }
        let metrics = HttpMetrics::default();
        let mut registry = Registry::with_prefix("tidings");
        metrics.register(&mut registry);
        engine.metrics().register(&mut registry);
        let api = Api::new(Services {
            db: db.clone(),
            vault,
            authenticator: identity.credentials().clone(),
            metrics,
        })
        .with(tidings_identity::routes(&identity))
        .with(tidings_customers::routes(&customers))
        .with(tidings_webhooks::routes(&webhooks));
        let (operations, openapi) = (api.operations(), api.openapi());
        let probes = Probes::new(db.clone(), tasks.clone(), registry, identity.clone());
        let router = api.into_router().merge(probes::routes(&probes, &openapi));
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
            _data_dir: None,
        })
    }

    /// Drains: not ready any more, no new attempts, outcomes written, loops ended, database closed.
    pub async fn close(&self) {
        self.probes.drain();
        self.engine.drain().await;
        self.tasks.end().await;
        if let Err(error) = self.runner.release().await {
            tracing::warn!(%error, "other nodes wait until the leases end");
        }
        self.db.close();
    }
}

/// Ends the process when a loop stands still: another start is better than a server that looks
/// alive (reliability rule R15).
fn watch(tasks: &Tasks) {
    let watched = tasks.clone();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
                () = watched.shutdown().cancelled() => return,
            }
            let stuck = watched.beats().into_iter().find(|beat| beat.pulse.age() > WATCHDOG);
            if let Some(beat) = stuck {
                tracing::error!(task = beat.name, "a loop stands still; the process ends");
                std::process::abort();
            }
        }
    });
}

/// Opens the database of the settings, with its vault and directory.
async fn open_database(settings: &Settings) -> Result<(Db, Arc<Vault>, DataDir), StartError> {
    let data_dir = DataDir::open(&settings.data_dir(), settings.database.is_none())?;
    let vault = Arc::new(data_dir.vault(settings.root_key.as_deref())?);
    let db = open_db(settings, WriterMode::Thread).await?;
    Ok((db, vault, data_dir))
}

/// Opens the database of the settings. SQLite's belongs to whoever holds the data directory.
pub(crate) async fn open_db(settings: &Settings, writer: WriterMode) -> Result<Db, StartError> {
    let location = match &settings.database {
        Some(url) => Location::Postgres {
            url: url.clone(),
            connections: settings.database_connections.unwrap_or(CONNECTIONS),
        },
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
fn by_itself(identity: &Identity, customers: &Customers, webhooks: &Webhooks) -> RunnerBuilder {
    let mut runner = RunnerBuilder::default()
        .sweep(tidings_identity::jobs::last_used(identity))
        .sweep(tidings_webhooks::jobs::forget_publications())
        .sweep(tidings_webhooks::jobs::tend_endpoints())
        .sweep(tidings_webhooks::jobs::purge_statistics())
        .sweep(wiring::idempotent_replies())
        .job(tidings_webhooks::jobs::GoOnWithReplay::new(webhooks))
        .reaction(tidings_webhooks::jobs::EventActivity);
    for sweep in tidings_customers::jobs::sweeps(customers) {
        runner = runner.sweep(sweep);
    }
    for handler in tidings_customers::jobs::handlers(customers) {
        runner = runner.job(handler);
    }
    runner
}
