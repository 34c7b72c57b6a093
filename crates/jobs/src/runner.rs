//! The loops that run jobs, sweeps, the sequencer and the reactions.

use std::sync::Arc;
use std::time::Duration;

use tidings_bus::{Bus, Pulse, Tasks, Topic};
use tidings_db::{Db, DbError};
use tidings_kernel::Timestamp;

use crate::{JobHandler, Leases, Reaction, Sweep, queue, reaction, sequencer, sweep};

/// The longest time until a loop looks by itself.
const POLL: Duration = Duration::from_secs(1);

/// Collects what the domains want to have run.
#[derive(Default)]
pub struct RunnerBuilder {
    handlers: Vec<Arc<dyn JobHandler>>,
    sweeps: Vec<Sweep>,
    reactions: Vec<Reaction>,
}

impl std::fmt::Debug for RunnerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunnerBuilder")
    }
}

impl RunnerBuilder {
    /// Adds a kind of job.
    #[must_use]
    pub fn job(mut self, handler: impl JobHandler) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// Adds a sweep.
    #[must_use]
    pub fn sweep(mut self, sweep: Sweep) -> Self {
        self.sweeps.push(sweep);
        self
    }

    /// Adds a reaction.
    #[must_use]
    pub fn reaction(mut self, reaction: impl ReactionHandlerBound) -> Self {
        self.reactions.push(Arc::new(reaction));
        self
    }

    /// The names of the reactions.
    pub fn reaction_names(&self) -> Vec<&'static str> {
        self.reactions.iter().map(|reaction| reaction.name()).collect()
    }

    /// The runner of all of them.
    pub fn build(self, db: Db, bus: Bus, leases: Leases) -> Runner {
        let Self { handlers, sweeps, reactions } = self;
        Runner(Arc::new(Inner { db, bus, leases, handlers, sweeps, reactions }))
    }
}

use crate::reaction::ReactionHandler as ReactionHandlerBound;

struct Inner {
    db: Db,
    bus: Bus,
    leases: Leases,
    handlers: Vec<Arc<dyn JobHandler>>,
    sweeps: Vec<Sweep>,
    reactions: Vec<Reaction>,
}

/// Runs what is due, in loops or when asked.
#[derive(Clone)]
pub struct Runner(Arc<Inner>);

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runner")
    }
}

/// One schedule, for `doctor`.
#[derive(Debug, Clone)]
pub struct JobReport {
    /// The sweep.
    pub name: String,
    /// How often it runs.
    pub every: Duration,
    /// When it runs next.
    pub due_at: Timestamp,
    /// When it last began.
    pub last_started_at: Option<Timestamp>,
    /// When it last ended.
    pub last_ended_at: Option<Timestamp>,
    /// What last went wrong.
    pub last_error: Option<String>,
}

impl Runner {
    /// Makes the schedules known to the database.
    pub async fn declare(&self) -> Result<(), DbError> {
        sweep::declare(&self.0.db, &self.0.sweeps).await
    }

    /// Starts the loops.
    pub fn start(&self, tasks: &Tasks) {
        let runner = self.clone();
        tasks.supervise("jobs", move |pulse| runner.clone().jobs_loop(pulse));
        let runner = self.clone();
        tasks.supervise("sequencer", move |pulse| runner.clone().sequencer_loop(pulse));
        let runner = self.clone();
        tasks.supervise("reactions", move |pulse| runner.clone().reactions_loop(pulse));
    }

    /// Gives back what this node alone may do, so that another need not wait for the leases' end.
    pub async fn release(&self) -> Result<(), DbError> {
        self.0.leases.release().await
    }

    /// Gives positions to everything that waits for one, as the leased sequencer does.
    pub async fn run_sequencer(&self) -> Result<usize, DbError> {
        let mut placed = 0;
        loop {
            let now = sequencer::run(&self.0.db).await?;
            placed += now;
            self.0.bus.announce_positions();
            if now == 0 {
                return Ok(placed);
            }
        }
    }

    /// Whether committed events wait for a position.
    pub async fn sequencer_is_behind(&self) -> Result<bool, DbError> {
        sequencer::is_behind(&self.0.db).await
    }

    /// Runs every reaction until it has seen the whole log.
    pub async fn run_reactions(&self) -> Result<usize, DbError> {
        let mut taken = 0;
        loop {
            let now = reaction::run(&self.0.db, &self.0.reactions, None).await?;
            taken += now;
            if now == 0 {
                return Ok(taken);
            }
        }
    }

    /// Runs the jobs and sweeps that are due now. Says how many.
    pub async fn run_due(&self) -> Result<usize, DbError> {
        self.run_due_beating(None).await
    }

    /// The same; each item counts as a sign of life.
    async fn run_due_beating(&self, pulse: Option<&Pulse>) -> Result<usize, DbError> {
        let swept = sweep::run_due(&self.0.db, &self.0.sweeps, pulse).await?;
        Ok(swept + queue::run_due(&self.0.db, &self.0.handlers, pulse).await?)
    }

    async fn jobs_loop(self, pulse: Pulse) {
        let Inner { db, bus, handlers, .. } = &*self.0;
        loop {
            pulse.beat();
            pulse.waits_for("a job, a sweep, or the database");
            let ran = self.run_due_beating(Some(&pulse)).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "jobs could not run");
                0
            });
            let next = match (queue::next_due(db, handlers).await, sweep::next_due(db).await) {
                (Ok(job), Ok(sweep)) => [job, sweep].into_iter().flatten().min(),
                _ => None,
            };
            if let Some(due) = rest(ran, next, (db.now(), bus.after(POLL))) {
                bus.wait(Topic::Jobs, due).await;
            }
        }
    }

    async fn sequencer_loop(self, pulse: Pulse) {
        let Inner { db, bus, leases, .. } = &*self.0;
        loop {
            pulse.beat();
            pulse.waits_for("the database to give positions");
            let placed = match leases.hold("sequencer").await {
                Ok(true) => sequencer::run(db).await,
                Ok(false) => Ok(0),
                Err(error) => Err(error),
            };
            match placed {
                Ok(0) => bus.wait(Topic::Sequencer, bus.after(POLL)).await,
                Ok(_) => {
                    bus.announce_positions();
                    bus.wake(Topic::Reactions);
                }
                Err(error) => {
                    tracing::warn!(%error, "no positions could be given");
                    bus.wait(Topic::Sequencer, bus.after(POLL)).await;
                }
            }
        }
    }

    async fn reactions_loop(self, pulse: Pulse) {
        let Inner { db, bus, leases, reactions, .. } = &*self.0;
        loop {
            pulse.beat();
            pulse.waits_for("a reaction, or the database");
            let taken = match leases.hold("reactions").await {
                Ok(true) => reaction::run(db, reactions, Some(&pulse)).await,
                Ok(false) => Ok(0),
                Err(error) => Err(error),
            };
            match taken {
                Ok(0) => bus.wait(Topic::Reactions, bus.after(POLL)).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "reactions could not run");
                    bus.wait(Topic::Reactions, bus.after(POLL)).await;
                }
            }
        }
    }
}

/// Until when the loop of jobs waits; not at all where something ran and more is due. What is due but
/// leased elsewhere, or cannot be taken, must not make it spin.
fn rest(
    ran: usize,
    next: Option<Timestamp>,
    (now, poll): (Timestamp, Timestamp),
) -> Option<Timestamp> {
    match next {
        Some(due) if due > now => Some(due.min(poll)),
        Some(_) if ran > 0 => None,
        Some(_) | None => Some(poll),
    }
}

/// Every schedule with its last and next run.
pub async fn report(db: &Db) -> Result<Vec<JobReport>, DbError> {
    let rows = sweep::report(db).await?;
    Ok(rows
        .into_iter()
        .map(|(name, every, due_at, last_started_at, last_ended_at, last_error)| JobReport {
            name,
            every: Duration::from_micros(u64::try_from(every).unwrap_or(0)),
            due_at,
            last_started_at,
            last_ended_at,
            last_error,
        })
        .collect())
}

/// What is parked: jobs by kind and events by reaction.
pub async fn parked(db: &Db) -> Result<Vec<(String, i64)>, DbError> {
    let mut parked = queue::parked(db).await?;
    parked.extend(reaction::parked(db).await?);
    Ok(parked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_of_jobs_goes_round_at_once_where_something_ran_and_more_is_due() {
        let at = Timestamp::from_micros;
        for (ran, next, wanted) in [
            (0, None, Some(20)),
            (1, None, Some(20)),
            (0, Some(15), Some(15)),
            (1, Some(15), Some(15)),
            (1, Some(25), Some(20)),
            // Due, and nothing of it could be taken.
            (0, Some(10), Some(20)),
            (0, Some(5), Some(20)),
            (1, Some(10), None),
            (64, Some(5), None),
        ] {
            let found = rest(ran, next.map(at), (at(10), at(20)));
            assert_eq!(found, wanted.map(at), "{ran} {next:?}");
        }
    }
}
