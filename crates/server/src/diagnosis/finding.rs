//! What `doctor` says: the shape of an answer.

use serde::{Deserialize, Serialize};
use tidings_kernel::Timestamp;
use utoipa::{IntoParams, ToSchema};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The installation does not do what it should: somebody who runs it has to do something.
    Problem,
    /// It does what it should, and explains what waits: a receiver that is down, a pace that was
    /// asked for.
    Notice,
}

/// One thing that is stuck, wrong or about to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// A stable word for it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: a subscription, a schedule, a loop.
    pub subject: Option<String>,
    /// The tenant that it concerns.
    pub tenant_id: Option<String>,
    /// What is the case.
    pub what: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub action: String,
}

impl Finding {
    pub(super) fn problem(code: &'static str, what: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Problem,
            subject: None,
            tenant_id: None,
            what: what.into(),
            since: None,
            why: String::new(),
            action: String::new(),
        }
    }

    pub(super) fn notice(code: &'static str, what: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, ..Self::problem(code, what) }
    }

    pub(super) fn about(self, subject: impl ToString) -> Self {
        Self { subject: Some(subject.to_string()), ..self }
    }

    pub(super) fn of_tenant(self, tenant: impl ToString) -> Self {
        Self { tenant_id: Some(tenant.to_string()), ..self }
    }

    pub(super) fn since(self, at: Timestamp) -> Self {
        Self { since: Some(at), ..self }
    }

    pub(super) fn because(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    pub(super) fn do_this(self, action: impl Into<String>) -> Self {
        Self { action: action.into(), ..self }
    }
}

/// A process on this database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeView {
    /// How it calls itself.
    pub name: String,
    /// When it started.
    pub started_at: Timestamp,
    /// `alive`, `silent` (not fenced yet) or `ended`.
    pub state: &'static str,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScheduleView {
    /// The sweep.
    pub name: String,
    /// Seconds between two runs.
    pub every_seconds: u64,
    /// When it last ended.
    pub last_ended_at: Option<Timestamp>,
    /// When it runs next.
    pub due_at: Timestamp,
    /// What last went wrong.
    pub last_error: Option<String>,
}

/// How an installation is, and what is stuck in it and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Diagnosis {
    /// The instant of the look.
    pub at: Timestamp,
    /// Whether nothing is a problem. Notices may be there all the same.
    pub is_well: bool,
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    /// Whether a server lives.
    pub server_runs: bool,
    /// Events that are not fanned out yet.
    pub undispatched: i64,
    /// Deliveries with a next attempt.
    pub waiting: i64,
    /// Those of them that are due.
    pub due: i64,
    /// Processes on this database, those that ended within a day among them.
    pub nodes: Vec<NodeView>,
    /// Every schedule.
    pub schedules: Vec<ScheduleView>,
    /// What is stuck or wrong, problems first.
    pub findings: Vec<Finding>,
}

/// What a request for a diagnosis may say.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiagnosisParams {
    /// Deliveries of events that are older count as stuck; 60 unless told, a week at most.
    pub older_than_seconds: Option<u64>,
}
