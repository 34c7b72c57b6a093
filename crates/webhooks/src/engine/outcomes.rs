//! The queue of outcomes: what was settled waits here for its batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_bus::Pulse;
use tidings_kernel::limits;
use tokio::sync::mpsc;

use super::Engine;
use super::settle::{self, Settled};

/// Something settled, and since when it waits to be written.
pub(super) struct Queued {
    settled: Settled,
    since: Instant,
}

impl Engine {
    pub(super) async fn settle(&self, settled: Settled) {
        // The settler ends only with the process.
        drop(self.0.outcomes.send(Queued { settled, since: Instant::now() }).await);
    }
}

/// How often a loop that waits looks whether it waits for the settler.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Does work that may have to wait for room among the outcomes. While the queue is full, the loop
/// that fills it waits rightly, and says that it lives: the settler has a pulse of its own, and tries
/// for as long as the database is away. Any other wait is left to the watchdog.
pub(super) async fn beating<F: Future>(engine: &Engine, pulse: &Pulse, work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(LOOK_EVERY) => {
                if engine.0.outcomes.capacity() == 0 {
                    pulse.beat();
                }
            }
        }
    }
}

/// Writes outcomes, for ever.
pub(super) async fn run(
    engine: Engine,
    outcomes: Arc<tokio::sync::Mutex<mpsc::Receiver<Queued>>>,
    pulse: Pulse,
) {
    let mut outcomes = outcomes.lock().await;
    let mut received = Vec::with_capacity(limits::SETTLE_BATCH_MAX);
    loop {
        pulse.beat();
        pulse.waits_for("outcomes");
        let count = tokio::select! {
            biased;
            count = outcomes.recv_many(&mut received, limits::SETTLE_BATCH_MAX) => count,
            () = tokio::time::sleep(Duration::from_secs(10)) => continue,
        };
        if count == 0 {
            return;
        }
        if received.len() < limits::SETTLE_BATCH_MAX / 8 && !engine.is_draining() {
            tokio::time::sleep(limits::SETTLE_WAIT).await;
            while received.len() < limits::SETTLE_BATCH_MAX
                && let Ok(more) = outcomes.try_recv()
            {
                received.push(more);
            }
        }
        pulse.waits_for("the database to take a batch of outcomes");
        let (settled, since): (Vec<Settled>, Vec<Instant>) =
            received.drain(..).map(|queued| (queued.settled, queued.since)).unzip();
        settle::write(&engine, settled, &pulse).await;
        engine.0.metrics.settled(&since);
    }
}
