//! A database for simulations: SQLite in memory, shared inline by all nodes of one process.
//!
//! To its nodes it is what PostgreSQL is: others may change it at any time, and it is at the other
//! end of a road on which a question, or the answer, takes its time or is lost.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};
use tidings_kernel::Timestamp;

use super::group::{Guard, Job};
use crate::DbError;
use crate::run::Isolation;
use crate::sqlite_conn::{sqlite_control, sqlite_error};

/// What is asked of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// A session to read with.
    Read,
    /// A unit of work that nobody's change in between may disturb.
    Unit,
    /// Bookkeeping, which takes others' changes as they come.
    Bookkeeping,
}

/// What becomes of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// It never arrives: nothing is done.
    QuestionLost,
    /// It is done, and the answer never arrives.
    AnswerLost,
    /// Others came in between, more often than a unit is run again. For units only.
    Conflict,
}

/// One question on its way, and the answer on its way back.
#[derive(Debug, Clone, Copy)]
pub struct Crossing {
    /// How long the question travels.
    pub there: Duration,
    /// How long the answer does.
    pub back: Duration,
    /// What becomes of it.
    pub fate: Fate,
}

/// The road between one node and the database.
pub trait Road: Send + Sync {
    /// What becomes of the next question.
    fn crossing(&self, question: Question) -> Crossing;

    /// The clock of the database's machine.
    fn database_time(&self) -> Timestamp;
}

struct Store {
    /// One database in memory for as long as a connection is open.
    address: String,
    #[expect(clippy::vec_box, reason = "a unit of work takes its connection boxed")]
    idle: Mutex<Vec<Box<Connection>>>,
}

/// A database in memory that several nodes share.
#[derive(Clone)]
pub struct SimulatedDatabase(Arc<Store>);

impl std::fmt::Debug for SimulatedDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SimulatedDatabase").field(&self.0.address).finish()
    }
}

/// A migrated database that others are copied from: running all migrations takes much longer.
static TEMPLATE: OnceLock<Mutex<Connection>> = OnceLock::new();
static NEXT: AtomicU64 = AtomicU64::new(0);

fn template() -> Result<&'static Mutex<Connection>, DbError> {
    if let Some(template) = TEMPLATE.get() {
        return Ok(template);
    }
    let mut conn = Connection::open_in_memory().map_err(sqlite_error)?;
    crate::migrate::sqlite(&mut conn)?;
    Ok(TEMPLATE.get_or_init(|| Mutex::new(conn)))
}

impl SimulatedDatabase {
    /// An empty database with the present schema.
    pub fn new() -> Result<Self, DbError> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = format!("file:/tidings-{number}?vfs=memdb");
        let database = Self(Arc::new(Store { address, idle: Mutex::default() }));
        let mut conn = database.open()?;
        {
            let template = template()?.lock().unwrap_or_else(PoisonError::into_inner);
            let backup = Backup::new(&template, &mut conn).map_err(sqlite_error)?;
            backup.run_to_completion(10_000, Duration::ZERO, None).map_err(sqlite_error)?;
        }
        database.give_back(conn);
        Ok(database)
    }

    fn open(&self) -> Result<Box<Connection>, DbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.0.address, flags).map_err(sqlite_error)?;
        conn.set_prepared_statement_cache_capacity(512);
        conn.pragma_update(None, "foreign_keys", "ON").map_err(sqlite_error)?;
        Ok(Box::new(conn))
    }

    fn take(&self) -> Result<Box<Connection>, DbError> {
        let idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.open(), Ok)
    }

    fn give_back(&self, conn: Box<Connection>) {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
    }

    fn run(&self, job: &mut Job) -> Result<(), DbError> {
        let conn = self.take()?;
        sqlite_control(&conn, "BEGIN IMMEDIATE")?;
        let (conn, _whole) = job.run(conn, Guard::Savepoint);
        sqlite_control(&conn, "COMMIT")?;
        self.give_back(conn);
        Ok(())
    }
}

/// One node's end of the road.
pub(crate) struct Simulated {
    database: SimulatedDatabase,
    road: Arc<dyn Road>,
}

async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

impl Simulated {
    pub(crate) fn new(database: SimulatedDatabase, road: Arc<dyn Road>) -> Self {
        Self { database, road }
    }

    pub(crate) fn time(&self) -> Timestamp {
        self.road.database_time()
    }

    /// A connection to read with.
    pub(crate) async fn reader(&self) -> Result<Box<Connection>, DbError> {
        let Crossing { there, back, fate } = self.road.crossing(Question::Read);
        pass(there.saturating_add(back)).await;
        match fate {
            Fate::Answered | Fate::Conflict => self.database.take(),
            Fate::QuestionLost | Fate::AnswerLost => Err(lost()),
        }
    }

    pub(crate) fn give_back(&self, conn: Box<Connection>) {
        self.database.give_back(conn);
    }

    /// Runs a unit of work and lets its answer leave. Boxed: the sleeps would make every unit's
    /// future large.
    pub(crate) fn write<'a>(
        &'a self,
        isolation: Isolation,
        mut job: Job,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 'a>> {
        let question = match isolation {
            Isolation::Serializable => Question::Unit,
            Isolation::ReadCommitted => Question::Bookkeeping,
        };
        Box::pin(async move {
            let Crossing { there, back, fate } = self.road.crossing(question);
            pass(there).await;
            match fate {
                Fate::QuestionLost => return Err(lost()),
                Fate::Conflict => return Err(DbError::Conflict),
                Fate::Answered | Fate::AnswerLost => {}
            }
            self.database.run(&mut job)?;
            pass(back).await;
            job.reply(match fate {
                Fate::AnswerLost => Err(DbError::Unknown("the answer was lost".to_owned())),
                Fate::Answered | Fate::QuestionLost | Fate::Conflict => Ok(()),
            });
            Ok(())
        })
    }
}

fn lost() -> DbError {
    DbError::Unavailable("the question was lost".to_owned())
}
