//! Units that share a transaction of SQLite, and a flush.

use rusqlite::Connection;

use crate::DbError;

/// A unit of work on its way through the writer. It may run again; what counts is how it ended last.
pub(crate) trait Unit: Send {
    /// Runs inside the open transaction and hands the connection back.
    fn run(&mut self, conn: Box<Connection>, guard: Guard) -> (Box<Connection>, Ended);

    /// Called after the flush that holds it, or after its failure.
    fn reply(self: Box<Self>, flushed: Result<(), DbError>);
}

/// A unit, whatever it gives.
pub(crate) type Job = Box<dyn Unit>;

/// What stands between a unit and those that share its transaction. A savepoint copies every page
/// that the unit changes, so there is none until one is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing: a unit that fails after it wrote spoils the transaction.
    Nothing,
    /// A savepoint: a unit that fails is undone alone.
    Savepoint,
}

/// How a unit left the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It can be committed.
    Whole,
    /// It holds a part of a unit that failed.
    Spoilt,
}

/// Units that share a flush, in the order in which they ran.
pub(crate) struct Group {
    pub(crate) jobs: Vec<Job>,
    /// Nothing, until one of them has spoilt the transaction.
    pub(crate) guard: Guard,
}

impl Default for Group {
    fn default() -> Self {
        Self { jobs: Vec::new(), guard: Guard::Nothing }
    }
}
