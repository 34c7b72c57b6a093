//! Work that must happen although nobody waits for it.
//!
//! **The cast.** A *job* is one piece of work, enqueued in the unit of work that made it due. A
//! *sweep* is a schedule: it finds what is due and takes each item in a unit of its own. A
//! *reaction* follows the event log by a named cursor. The *sequencer* gives each committed event
//! its place in its tenant's log. A *lease* says which node does it for the moment.
//!
//! **The plot.** Each runner finds what is due, opens a unit of work for it, calls the handler, and
//! writes what it has done (the job's end, the cursor) in the same unit. A crash before the commit
//! leaves everything to be done again; after it, nothing.
//!
//! **The reasons.** Leases save work and prove nothing: two nodes that run the same job, because a
//! lease ran out, meet in the database, and one of them rolls back.

mod lag;
mod lease;
mod queue;
mod reaction;
mod runner;
mod sequencer;
mod sweep;

pub use lag::{Lag, Parked, lag, parked_ones, unheld};
pub use lease::Leases;
pub use queue::{Job, JobError, JobHandler, NewJob, enqueue};
pub use reaction::{LoggedEvent, Reaction, ReactionHandler};
pub use runner::{JobReport, Runner, RunnerBuilder, parked, report};
pub use sweep::{Sweep, SweepItem};

use tidings_db::Statement;

/// The statements of this crate, for the test that prepares all of them.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    [lag::ALL, lease::ALL, queue::ALL, reaction::ALL, sequencer::ALL, sweep::ALL]
        .into_iter()
        .flatten()
        .copied()
}
