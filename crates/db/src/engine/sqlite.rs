//! SQLite: one writer thread with group commit, and a few read-only connections.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::Connection;
use tidings_kernel::limits;

use crate::DbError;
use crate::engine::connect::{assert_sound, open_onlooker, open_reader, pragmas, wal_of};
use crate::engine::group::{Ended, Group, Guard, Job};
use crate::engine::queue::{Lane, WriterQueue};
use crate::engine::room::Room;
use crate::metrics::{DbMetrics, PoolState};
use crate::sqlite_conn::{sqlite_control, sqlite_error};

/// Connections for reading.
const READERS: usize = 4;
/// A log of this size is copied back by the checkpointer, beside the writer. A longer one would cost less
/// (a page that changed often is copied once), and take more of a small disk than is kept free.
const CHECKPOINT_BYTES: u64 = 8 * 1024 * 1024;
/// A log of this size makes the writer itself wait for a checkpoint.
const WAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A file of this size at most is rewritten when something was erased: when a page is split, SQLite
/// leaves copies in its free space that no later deletion overwrites. It is rewritten in memory, and
/// writers wait for a second or two.
const REWRITE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Whether units run on a thread of their own or where they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterMode {
    /// On the writer thread, in groups that share a flush.
    Thread,
    /// Inline, one by one: for simulations that must be the same on every run.
    Inline,
    /// Nowhere: the database is looked at, and nothing of it is changed, its schema included.
    Absent,
}

pub(crate) struct Sqlite {
    queue: Arc<WriterQueue>,
    inline: Option<Mutex<Writer>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    #[expect(clippy::vec_box, reason = "a unit of work takes its connection boxed")]
    readers: Mutex<Vec<Box<Connection>>>,
    pub(crate) permits: tokio::sync::Semaphore,
    path: PathBuf,
    room: Room,
}

impl Sqlite {
    pub(crate) fn open(
        path: &Path,
        mode: WriterMode,
        on_fatal: OnFatal,
        metrics: DbMetrics,
    ) -> Result<Self, DbError> {
        assert_sound()?;
        let writer = match mode {
            WriterMode::Thread | WriterMode::Inline => Some(Writer::open(path, on_fatal)?),
            WriterMode::Absent => None,
        };
        let open = if mode == WriterMode::Absent { open_onlooker } else { open_reader };
        let readers = (0..READERS).map(|_| open(path)).collect::<Result<Vec<_>, _>>()?;
        let queue = Arc::new(WriterQueue::new(metrics));
        let (inline, thread) = match (writer, mode) {
            (Some(writer), WriterMode::Inline) => (Some(Mutex::new(writer)), None),
            (Some(writer), _) => (None, Some(spawn(writer, Arc::clone(&queue))?)),
            (None, _) => {
                readers.iter().try_for_each(|reader| crate::migrate::expect_sqlite(reader))?;
                queue.close();
                (None, None)
            }
        };
        Ok(Self {
            queue,
            inline,
            thread: Mutex::new(thread),
            readers: Mutex::new(readers),
            permits: tokio::sync::Semaphore::new(READERS),
            path: path.to_owned(),
            room: Room::of(path.to_owned()),
        })
    }

    /// Hands a job to the writer; refuses it where too many wait already, and what somebody waits
    /// for where the disk is full.
    pub(crate) fn push(&self, lane: Lane, job: Job) -> Result<(), DbError> {
        if lane == Lane::Interactive && self.room.is_short() {
            return Err(DbError::Full);
        }
        if let Some(writer) = &self.inline {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            if writer.begin() {
                let mut group = Group::default();
                writer.join(&mut group, job);
                writer.commit(group, &self.queue.metrics);
            }
            return Ok(());
        }
        self.queue.push(lane, job)
    }

    pub(crate) fn take_reader(&self) -> Option<Box<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(crate) fn give_back(&self, conn: Box<Connection>) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
    }

    /// Rewrites the file, where it is not too large, and empties the log, on a thread and a connection of its own: the writer waits meanwhile as for
    /// another process, and every other caller does not.
    pub(crate) async fn truncate_log(&self) -> Result<bool, DbError> {
        let (done, wait) = tokio::sync::oneshot::channel();
        let path = self.path.clone();
        std::thread::Builder::new()
            .name("tidings-truncate".to_owned())
            .spawn(move || drop(done.send(truncate(&path))))
            .map_err(|error| DbError::Unavailable(error.to_string()))?;
        wait.await.map_err(|_| DbError::Unavailable("the log was not emptied".to_owned()))?
    }

    /// The connections for reading, as they are now. Who waits for one is not counted.
    pub(crate) fn readers_state(&self) -> PoolState {
        let free = self.permits.available_permits();
        PoolState {
            pool: "readers",
            most: READERS,
            in_use: READERS - free.min(READERS),
            waiting: 0,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the writer after what waits has been written.
    pub(crate) fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A writer that panicked has answered nobody; its callers see a closed channel.
            let _ = thread.join();
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.close();
    }
}

fn truncate(path: &Path) -> Result<bool, DbError> {
    let conn = Connection::open(path).map_err(sqlite_error)?;
    pragmas(&conn)?;
    let bytes = std::fs::metadata(path).map_or(u64::MAX, |metadata| metadata.len());
    if bytes <= REWRITE_BYTES_MAX
        && let Err(error) = conn.execute_batch("VACUUM")
    {
        tracing::warn!(%error, "the database could not be rewritten; it is tried again");
        return Ok(false);
    }
    let busy: i64 = conn
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(sqlite_error)?;
    Ok(busy == 0)
}

/// Called once when a flush has failed: the process must end without acknowledging anything.
pub(crate) type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

struct Writer {
    /// Absent while a job has it, and for good if a job did not give it back.
    conn: Option<Box<Connection>>,
    wal: PathBuf,
    on_fatal: OnFatal,
    poisoned: bool,
    checkpointer: std::sync::mpsc::SyncSender<()>,
}

impl Writer {
    fn open(path: &Path, on_fatal: OnFatal) -> Result<Self, DbError> {
        let mut conn = Connection::open(path).map_err(sqlite_error)?;
        let mode: String = conn
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
            .map_err(sqlite_error)?;
        if mode != "wal" {
            return Err(DbError::Unavailable("SQLite did not accept a write-ahead log".to_owned()));
        }
        pragmas(&conn)?;
        conn.pragma_update(None, "cache_size", "-32768").map_err(sqlite_error)?;
        conn.pragma_update(None, "wal_autocheckpoint", 0).map_err(sqlite_error)?;
        crate::migrate::sqlite(&mut conn)?;
        Ok(Self {
            conn: Some(Box::new(conn)),
            wal: wal_of(path),
            on_fatal,
            poisoned: false,
            checkpointer: spawn_checkpointer(path)?,
        })
    }

    fn conn(&self) -> Result<&Connection, DbError> {
        self.conn
            .as_deref()
            .filter(|_| !self.poisoned)
            .ok_or_else(|| DbError::Unavailable("a flush failed; the process is ending".to_owned()))
    }

    /// Opens a transaction, or says why not. A job that is dropped then closes its caller's
    /// channel, which the caller reads as "not available".
    fn begin(&self) -> bool {
        let begun = self.conn().and_then(|conn| sqlite_control(conn, "BEGIN IMMEDIATE"));
        if let Err(error) = &begun {
            tracing::warn!(%error, "writes are refused");
        }
        begun.is_ok()
    }

    /// Runs a job as the next of its group. Where it spoils the transaction, everything is undone,
    /// and the group runs again, each of it undone alone if need be.
    fn join(&mut self, group: &mut Group, mut job: Job) {
        let ended = self.run_job(&mut job, group.guard);
        group.jobs.push(job);
        if ended == Ended::Whole {
            return;
        }
        group.guard = Guard::Savepoint;
        let undone = self.conn().and_then(|conn| sqlite_control(conn, "ROLLBACK"));
        if let Err(error) = undone {
            tracing::error!(%error, "a spoilt transaction could not be undone");
            self.poisoned = true;
            return;
        }
        if self.begin() {
            for job in &mut group.jobs {
                let _whole = self.run_job(job, Guard::Savepoint);
            }
        }
    }

    fn run_job(&mut self, job: &mut Job, guard: Guard) -> Ended {
        let Some(conn) = self.conn.take() else { return Ended::Whole };
        let (conn, ended) = job.run(conn, guard);
        self.conn = Some(conn);
        ended
    }

    /// Whether the transaction is still open. SQLite undoes all of it by itself where a statement
    /// found no room, the neighbours' part included.
    fn is_open(&self) -> bool {
        self.conn.as_deref().is_some_and(|conn| !conn.is_autocommit())
    }

    /// Flushes, and lets the replies leave.
    fn commit(&mut self, Group { jobs, .. }: Group, metrics: &DbMetrics) {
        if !self.is_open() && self.conn().is_ok() {
            return self.fail(jobs, &DbError::Full);
        }
        let (units, began) = (jobs.len(), Instant::now());
        let committed = self.conn().and_then(|conn| sqlite_control(conn, "COMMIT"));
        metrics.committed(units, began.elapsed());
        match committed {
            Ok(()) => jobs.into_iter().for_each(|job| job.reply(Ok(()))),
            Err(error) => self.fail(jobs, &error),
        }
        self.keep_log_small();
    }

    fn fail(&mut self, jobs: Vec<Job>, error: &DbError) {
        if let Ok(conn) = self.conn() {
            // What SQLite could not commit it has rolled back already, or will on this.
            let _ = sqlite_control(conn, "ROLLBACK");
        }
        self.poisoned = !matches!(error, DbError::Full | DbError::Unavailable(_));
        for job in jobs {
            job.reply(Err(if matches!(error, DbError::Full) {
                DbError::Full
            } else if self.poisoned {
                // What reached the log is decided by who reads it next.
                DbError::Unknown(error.to_string())
            } else {
                DbError::Unavailable(error.to_string())
            }));
        }
        if self.poisoned {
            (self.on_fatal)(&error.to_string());
        }
    }

    fn keep_log_small(&self) {
        let bytes = std::fs::metadata(&self.wal).map_or(0, |metadata| metadata.len());
        if bytes > WAL_BYTES_MAX {
            // Readers that never end would let the log grow for ever; wait for them once.
            let Ok(conn) = self.conn() else { return };
            let done = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            if let Err(error) = done {
                tracing::warn!(%error, "the log could not be truncated");
            }
        } else if bytes > CHECKPOINT_BYTES {
            // A full channel means that it is at work already.
            let _ = self.checkpointer.try_send(());
        }
    }
}

fn spawn_checkpointer(path: &Path) -> Result<std::sync::mpsc::SyncSender<()>, DbError> {
    let conn = Connection::open(path).map_err(sqlite_error)?;
    pragmas(&conn)?;
    let (send, receive) = std::sync::mpsc::sync_channel::<()>(1);
    std::thread::Builder::new()
        .name("tidings-checkpoint".to_owned())
        .spawn(move || {
            while receive.recv().is_ok() {
                let done = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                if let Err(error) = done {
                    tracing::warn!(%error, "a checkpoint failed");
                }
            }
        })
        .map_err(|error| DbError::Unavailable(error.to_string()))?;
    Ok(send)
}

fn spawn(
    mut writer: Writer,
    queue: Arc<WriterQueue>,
) -> Result<std::thread::JoinHandle<()>, DbError> {
    std::thread::Builder::new()
        .name("tidings-writer".to_owned())
        .spawn(move || {
            while let Some(first) = queue.next(true) {
                let pulse = &queue.metrics.writer;
                pulse.runs();
                if !writer.begin() {
                    continue;
                }
                let began = Instant::now();
                let mut group = Group::default();
                writer.join(&mut group, first);
                while writer.is_open()
                    && group.jobs.len() < limits::GROUP_UNITS_MAX
                    && began.elapsed() < limits::GROUP_TIME_MAX
                    && let Some(job) = queue.next(false)
                {
                    pulse.runs();
                    writer.join(&mut group, job);
                }
                pulse.flushes();
                writer.commit(group, &queue.metrics);
            }
        })
        .map_err(|error| DbError::Unavailable(error.to_string()))
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
