//! Two engines behind one facade; the unit of work; the event log.
//!
//! **The cast.** A [`Db`] is a database: SQLite in a file, or PostgreSQL. A [`UnitOfWork`] is what
//! becomes durable together. A [`Reader`] runs queries; a [`Writer`] runs commands, and only a unit
//! of work has one to lend. [`Committed`] is the proof that a flush has happened.
//!
//! **The plot.** [`Db::write`] runs a function with a unit of work. The function reads, decides,
//! and applies [`Change`](tidings_kernel::Change)s. When it ends well, the events and their
//! dispatch pointers are written beside the state; the transaction becomes durable; whoever
//! listens is handed the events; and the caller gets [`Committed`].
//!
//! **The reasons.** A unit is a function, so that it can run again after a conflict, and so that on
//! SQLite it can run on the writer thread, where neighbours share one flush. It is polled once
//! there: whoever waits for the network inside a transaction gets an error, not a slow database.

mod conn;
mod engine;
mod error;
mod event_log;
mod metrics;
mod migrate;
mod open;
mod pg_conn;
mod pg_value;
mod reader;
mod run;
mod session;
mod shared;
mod sqlite_conn;
mod statement;
mod unit;
mod value;

#[doc(hidden)]
pub use conn::Observer;
pub use engine::queue::Lane;
pub use engine::simulated::{Crossing, Fate, Question, Road, SimulatedDatabase};
pub use engine::sqlite::WriterMode;
pub use error::DbError;
pub use metrics::DbMetrics;
pub use migrate::migrations;
pub use open::{CommitSink, Db, LeaseClock, Location, Options};
pub use reader::Reader;
pub use run::{UnitFn, UnitFuture, unit};
pub use session::ReadSession;
pub use statement::{Bulk, Column, Command, Query, Statement, StatementKind, StatementScope};
pub use unit::{Committed, Silent, Stored, UnitOfWork, Writer};
pub use value::{FromRow, FromValue, Row, ToValue, Value, json};

/// The statements of this crate, for the tests that prepare and run all of them.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    [open::ALL, session::ALL, event_log::ALL].into_iter().flatten().copied()
}
