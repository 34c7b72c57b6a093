//! What `doctor` says: how an installation is, what is stuck in it and why.
//!
//! `facts` looks things up and changes nothing, `decide` and `endpoints` are pure and say what the
//! facts mean, `finding` is the shape of the answer.

mod decide;
mod endpoints;
mod facts;
mod finding;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tidings_bus::Bus;
use tidings_customers::{Customers, NoSubscriptions};
use tidings_db::{DbError, WriterMode};
use tidings_identity::Identity;
use tidings_vault::{Vault, system_random};
use tidings_webhooks::{NodeSeen, Webhooks};

use crate::app::{App, by_itself, open_db};
use crate::data_dir::DataDir;
use crate::settings::{Settings, StartError};
use facts::Facts;
pub(crate) use facts::{Live, Looker};
pub use finding::{Diagnosis, DiagnosisParams, Finding, NodeView, ScheduleView, Severity};

/// Deliveries of events that are older count as stuck, unless told.
pub(crate) const OLDER_THAN: Duration = Duration::from_mins(1);

impl Looker {
    /// How the installation is.
    pub(crate) async fn diagnose(&self, older_than: Duration) -> Result<Diagnosis, DbError> {
        Ok(diagnosis(&self.facts(older_than).await?))
    }
}

fn diagnosis(facts: &Facts) -> Diagnosis {
    let findings = decide::findings(facts);
    let alone = facts.is_server && facts.engine_name == "sqlite";
    let silent = |node: &NodeSeen| node.alive_until < facts.lease_now && !alone;
    let node = |node: &NodeSeen| NodeView {
        name: node.name.clone(),
        started_at: node.started_at,
        // Where only one process can open the database, it need not say that it lives.
        state: match (node.is_fenced, silent(node)) {
            (true, _) => "ended",
            (false, true) => "silent",
            (false, false) => "alive",
        },
    };
    let schedule = |report: &tidings_jobs::JobReport| ScheduleView {
        name: report.name.clone(),
        every_seconds: report.every.as_secs(),
        last_ended_at: report.last_ended_at,
        due_at: report.due_at,
        last_error: report.last_error.clone(),
    };
    Diagnosis {
        at: facts.now,
        is_well: findings.iter().all(|finding| finding.severity == Severity::Notice),
        engine: facts.engine_name,
        server_runs: decide::server_runs(facts),
        undispatched: facts.backlog.pointers,
        waiting: facts.backlog.waiting,
        due: facts.backlog.due,
        nodes: facts.backlog.nodes.iter().map(node).collect(),
        schedules: facts.schedules.iter().map(schedule).collect(),
        findings,
    }
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
        let root_key = DataDir::find_vault(&directory, settings.root_key.as_deref())?;
        let has_key = root_key.is_some();
        // Nothing but the check of the key is opened, so where there is none any key does.
        let vault = Arc::new(root_key.unwrap_or_else(|| Vault::new(&system_random())));
        let egress = tidings_egress::Egress::new(
            tidings_egress::Policy::default(),
            tidings_egress::Options::default(),
        )?;
        let bus = Bus::new(Arc::clone(db.clock()));
        let identity = Identity::new(db.clone(), Arc::clone(&vault));
        let customers = Customers::new(db.clone(), Arc::new(NoSubscriptions));
        let webhooks = Webhooks::new(db.clone(), vault, egress, bus);
        let looker = Looker {
            reactions: by_itself(&identity, &customers, &webhooks).reaction_names(),
            webhooks,
            live: None,
            identity: has_key.then_some(identity),
            db: db.clone(),
        };
        let diagnosis = looker.diagnose(OLDER_THAN).await?;
        db.close();
        Ok(diagnosis)
    }

    /// How this installation is, asked of the server itself.
    pub async fn diagnose_now(&self) -> Result<Diagnosis, DbError> {
        self.looker.diagnose(OLDER_THAN).await
    }
}
