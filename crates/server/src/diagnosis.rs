//! What `doctor` looks at.

use std::sync::Arc;

use tidings_bus::Bus;
use tidings_db::WriterMode;
use tidings_jobs::JobReport;
use tidings_kernel::Timestamp;
use tidings_vault::{Vault, system_random};
use tidings_webhooks::{Backlog, Webhooks};

use crate::app::{App, open_db};
use crate::data_dir::DataDir;
use crate::settings::{Settings, StartError};

/// How an installation is.
#[derive(Debug)]
pub struct Diagnosis {
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    /// Whether a server says that it lives.
    pub server_runs: bool,
    /// What waits.
    pub backlog: Backlog,
    /// Every schedule with its last and next run.
    pub schedules: Vec<JobReport>,
    /// Jobs and events that are parked, by name.
    pub parked: Vec<(String, i64)>,
    /// The instant of the look.
    pub now: Timestamp,
}

impl App {
    /// Looks at an installation and changes nothing of it: no schema is brought up to date, no key
    /// is made. PostgreSQL can be looked at beside a running server.
    pub async fn diagnose(settings: &Settings) -> Result<Diagnosis, StartError> {
        let directory = settings.data_dir();
        let _held = match &settings.database {
            Some(_) => None,
            None if DataDir::database_in(&directory).exists() => {
                Some(DataDir::open(&directory, true)?)
            }
            None => return Err(StartError::Nothing(directory)),
        };
        let db = open_db(settings, WriterMode::Absent).await?;
        // Nothing sealed is opened, so any key does.
        let vault = Arc::new(Vault::new(&system_random()));
        let egress = tidings_egress::Egress::new(
            tidings_egress::Policy::default(),
            tidings_egress::Options::default(),
        )?;
        let bus = Bus::new(Arc::clone(db.clock()));
        let webhooks = Webhooks::new(db.clone(), vault, egress, bus);
        let backlog = webhooks.backlog().await?;
        let now = db.lease_now().await?;
        let server_runs =
            backlog.nodes.iter().any(|(_, _, until, fenced)| !fenced && *until >= now);
        let diagnosis = Diagnosis {
            engine: db.engine_name(),
            server_runs,
            backlog,
            schedules: tidings_jobs::report(&db).await?,
            parked: tidings_jobs::parked(&db).await?,
            now,
        };
        db.close();
        Ok(diagnosis)
    }
}
