//! What a diagnosis is decided from, and where it is looked up. Nothing is changed.

use std::path::Path;
use std::time::Duration;

use tidings_bus::{Beat, Tasks};
use tidings_db::{Db, DbError};
use tidings_identity::Identity;
use tidings_jobs::{JobReport, Lag, Parked};
use tidings_kernel::{Timestamp, limits};
use tidings_webhooks::stuck::StuckEndpoint;
use tidings_webhooks::{Backlog, Engine, EngineNow, Webhooks};

/// The disk of an embedded database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) free_bytes: u64,
    pub(crate) total_bytes: u64,
}

/// What a diagnosis is decided from.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) now: Timestamp,
    /// Now on the clock that nodes say that they live by.
    pub(crate) lease_now: Timestamp,
    pub(crate) engine_name: &'static str,
    /// The process that is asked is itself a server.
    pub(crate) is_server: bool,
    pub(crate) backlog: Backlog,
    pub(crate) lag: Lag,
    pub(crate) parked: Vec<Parked>,
    pub(crate) parked_counts: Vec<(String, i64)>,
    pub(crate) schedules: Vec<JobReport>,
    pub(crate) unheld_leases: Vec<(String, Timestamp)>,
    pub(crate) stuck: Vec<StuckEndpoint>,
    pub(crate) live: Option<EngineNow>,
    pub(crate) beats: Vec<Beat>,
    pub(crate) disk: Option<Disk>,
    pub(crate) log_bytes: Option<u64>,
    /// What the database server's clock shows, and ours at the same time.
    pub(crate) server_clock: Option<(Timestamp, Timestamp)>,
    /// Whether the root key is the one that the database was sealed with; none where that is not
    /// known.
    pub(crate) root_key_fits: Option<bool>,
}

/// The parts of a server that are looked at while it runs.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) engine: Engine,
    pub(crate) tasks: Tasks,
}

/// Looks things up.
#[derive(Clone)]
pub(crate) struct Looker {
    pub(crate) db: Db,
    pub(crate) webhooks: Webhooks,
    pub(crate) reactions: Vec<&'static str>,
    pub(crate) live: Option<Live>,
    /// With the root key, where there is one to try.
    pub(crate) identity: Option<Identity>,
}

impl Looker {
    /// Looks everything up. Deliveries of events older than `older_than` count as stuck.
    pub(crate) async fn facts(&self, older_than: Duration) -> Result<Facts, DbError> {
        let Self { db, webhooks, reactions, live, identity } = self;
        let now = db.now();
        let lease_now = db.lease_now().await?;
        let engine_now = live.as_ref().map(|live| live.engine.now());
        // A node that may send surely lives, whatever its last heartbeat says.
        let own = engine_now.as_ref().filter(|now| now.holds_lease).map(|now| now.node_id);
        let mut backlog = webhooks.backlog().await?;
        for node in backlog.nodes.iter_mut().filter(|node| Some(node.id) == own) {
            node.alive_until = node.alive_until.max(lease_now);
        }
        let unheld = lease_now.before(UNHELD_FOR);
        let file = db.file();
        Ok(Facts {
            now,
            lease_now,
            engine_name: db.engine_name(),
            is_server: live.is_some(),
            backlog,
            lag: tidings_jobs::lag(db, reactions).await?,
            parked: tidings_jobs::parked_ones(db).await?,
            parked_counts: tidings_jobs::parked(db).await?,
            schedules: tidings_jobs::report(db).await?,
            unheld_leases: tidings_jobs::unheld(db, unheld).await?,
            stuck: webhooks.stuck(now.before(older_than), own).await?,
            live: engine_now,
            beats: live.as_ref().map(|live| live.tasks.beats()).unwrap_or_default(),
            disk: file.and_then(disk),
            log_bytes: file.and_then(log_bytes),
            server_clock: db.server_now().await?.map(|server| (server, db.now())),
            root_key_fits: match identity {
                Some(identity) => identity.root_key_fits().await?,
                None => None,
            },
        })
    }
}

/// A lease that nobody has taken for so long is nobody's: ten times what a dead node's lasts.
const UNHELD_FOR: Duration = limits::NODE_DEAD_AFTER.saturating_mul(10);

fn disk(file: &Path) -> Option<Disk> {
    let stat = rustix::fs::statvfs(file.parent()?).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some(Disk { free_bytes: bytes(stat.f_bavail), total_bytes: bytes(stat.f_blocks) })
}

fn log_bytes(file: &Path) -> Option<u64> {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(name).ok().map(|metadata| metadata.len())
}
