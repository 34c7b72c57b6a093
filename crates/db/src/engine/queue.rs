//! The queue of SQLite's writer: what somebody waits for goes first.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tidings_kernel::limits;

use crate::DbError;
use crate::engine::group::Job;
use crate::metrics::DbMetrics;

/// Which queue a unit waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Somebody waits for the answer.
    Interactive,
    /// Outcomes, sweeps, positions: after everything interactive.
    Bulk,
    /// Units that only add, on PostgreSQL: their queue is another.
    Shared,
}

impl Lane {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
            Self::Shared => "shared",
        }
    }
}

/// A job, with its lane and since when it waits.
type Waiting = (Lane, Instant, Job);

#[derive(Default)]
struct Queues {
    interactive: VecDeque<Waiting>,
    bulk: VecDeque<Waiting>,
    closed: bool,
}

/// The queue of SQLite's writer.
pub(crate) struct WriterQueue {
    queues: Mutex<Queues>,
    wake: Condvar,
    pub(crate) metrics: DbMetrics,
}

impl WriterQueue {
    pub(crate) fn new(metrics: DbMetrics) -> Self {
        Self { queues: Mutex::default(), wake: Condvar::new(), metrics }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes nothing any more; what waits is still given.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// Queues a job; refuses it where too many wait already.
    pub(crate) fn push(&self, lane: Lane, job: Job) -> Result<(), DbError> {
        let mut queues = self.lock();
        if queues.closed {
            return Err(DbError::Unavailable("the database is closed".to_owned()));
        }
        let queue = match lane {
            Lane::Interactive => &mut queues.interactive,
            Lane::Bulk | Lane::Shared => &mut queues.bulk,
        };
        if queue.len() >= limits::WRITER_QUEUE_MAX {
            return Err(DbError::Unavailable("too many writes wait".to_owned()));
        }
        queue.push_back((lane, Instant::now(), job));
        self.metrics.queued(lane);
        drop(queues);
        self.wake.notify_one();
        Ok(())
    }

    /// The next job, interactive before bulk. Waits for one if `wait` says so; `None` ends the
    /// writer.
    pub(crate) fn next(&self, wait: bool) -> Option<Job> {
        let mut queues = self.lock();
        loop {
            let waiting = queues.interactive.pop_front().or_else(|| queues.bulk.pop_front());
            if let Some((lane, since, job)) = waiting {
                drop(queues);
                self.metrics.taken(lane, since);
                return Some(job);
            }
            if !wait || queues.closed {
                return None;
            }
            self.metrics.writer.rests();
            queues = self.wake.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
