//! What can go wrong in the database, in terms that a caller can act on.

use tidings_kernel::Problem;

/// A failure of the database. No engine's own error leaves this crate.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The row changed since it was read. On PostgreSQL the unit of work runs again, and where that
    /// is not enough it ends as a conflict; on SQLite this comes out at once.
    #[error("the row changed since it was read")]
    Stale,
    /// A unique value exists already.
    #[error("a unique value exists already: {constraint}")]
    Duplicate {
        /// The engine's name of the constraint or its columns.
        constraint: String,
    },
    /// A change with this dedupe key was made before.
    #[error("a change with this key was made before")]
    AlreadyDone,
    /// Other units of work came in between, more often than a unit is run again.
    #[error("too many conflicting changes at once")]
    Conflict,
    /// The database cannot be used at the moment.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Another transaction held what this one needed for longer than it may wait.
    #[error("another change holds what this one needs")]
    Locked,
    /// The database was lost while it committed: everything was written, or nothing.
    #[error("whether it was committed is unknown: {0}")]
    Unknown(String),
    /// A text has a character that the engine cannot store. Whoever read the text ought to have
    /// refused it, with its place.
    #[error("a text has a character that cannot be stored")]
    Unstorable,
    /// There is no room left on the disk.
    #[error("there is no room left for the database")]
    Full,
    /// A unit of work waited for something outside the database: a bug in its function.
    #[error("a unit of work waited for something other than its database")]
    ForeignAwait,
    /// A unit of work panicked: a bug in its function.
    #[error("a unit of work panicked")]
    Panicked,
    /// A column does not hold what the program expects: a bug, or another program's write.
    #[error("column {column} does not hold what was expected")]
    Decode {
        /// The column's number, from 0.
        column: usize,
    },
    /// A failure that the program cannot act on.
    #[error("the database failed")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A flush failed. Nothing was acknowledged, and nothing will be: the process must end.
    #[error("a flush to the disk failed")]
    Fatal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DbError {
    /// Whether this is a violated uniqueness whose columns or name contain `word`.
    pub fn violates(&self, word: &str) -> bool {
        matches!(self, Self::Duplicate { constraint } if constraint.contains(word))
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        use tidings_kernel::ProblemKind;
        match &error {
            DbError::Stale | DbError::Conflict | DbError::Locked => {
                Self::unavailable("many changes to the same object at once; send it again", 1)
            }
            DbError::Unavailable(_) => {
                Self::unavailable("the database is busy or away; send it again", 1)
            }
            DbError::Unknown(_) => {
                log(&error);
                Self::unavailable(
                    "the outcome is unknown; repeat with the same Idempotency-Key, and without \
                     one look first whether it was done",
                    1,
                )
            }
            DbError::Unstorable => Self::new(
                ProblemKind::Invalid,
                "a text has a control character that cannot be stored, such as \\u0000; leave it out",
            ),
            DbError::Full => Self {
                retry_after: Some(10),
                ..Self::new(
                    ProblemKind::StorageFull,
                    "the server's disk is full and nothing was changed; the operator must make \
                     room, then send it again",
                )
            },
            DbError::Duplicate { .. } | DbError::AlreadyDone => Self::new(
                ProblemKind::AlreadyExists,
                "something with the same unique value exists already",
            ),
            DbError::ForeignAwait
            | DbError::Panicked
            | DbError::Decode { .. }
            | DbError::Engine(_)
            | DbError::Fatal(_) => {
                log(&error);
                Self::new(
                    ProblemKind::Internal,
                    "the request failed on our side; nothing was changed, send it again",
                )
            }
        }
    }
}

/// Writes the whole chain once, where the error leaves the program.
fn log(error: &DbError) {
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!(error = %chain, "database");
}
