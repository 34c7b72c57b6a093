//! The composition root: the one place that knows every part.
//!
//! **The cast.** [`Settings`] say what is wanted. A [`DataDir`] holds the lock, the root key and,
//! by default, the database. An [`App`] is everything wired together. [`serve`] lets requests in.
//!
//! **The plot.** Settings become a database, a vault and a dialler; those become the domains'
//! services; those become routes, jobs and the engine. At the end everything is drained in the
//! opposite order.
//!
//! **The reasons.** No domain knows another, and none reads a setting: what they need of each other
//! and of the outside is handed to them here.

mod app;
mod coverage;
mod data_dir;
mod description;
mod descriptors;
mod diagnosis;
mod heads;
mod metrics;
mod operator;
mod probes;
mod readiness;
mod serve;
mod settings;
mod stall;
mod statements;
mod surface;
mod telemetry;
mod wiring;

pub use app::{App, Parts};
pub use coverage::{Coverage, CoverageCategory, CoverageType, bar, coverage, percent};
pub use data_dir::{DataDir, DataDirError};
pub use description::{Description, describe};
pub use diagnosis::{Diagnosis, DiagnosisParams, Finding, NodeView, ScheduleView, Severity};
pub use probes::Probes;
pub use serve::{serve, serve_at_most};
pub use settings::{Settings, SettingsError, StartError};
pub use statements::all_statements;
pub use telemetry::Otlp;
pub use tidings_bus::Shutdown;
