//! A lane: one endpoint's queue and its window. A slow endpoint slows only itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_events::Priority;
use tidings_kernel::limits;

use super::Engine;
use super::attempt;
use super::item::Item;
use super::metrics::EngineMetrics;
use super::settle::Settled;
use crate::plan::Outcome;
use crate::window::Window;

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    workers: usize,
    window: Window,
}

/// One endpoint's queue and its window.
#[derive(Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what waits: its pointers and rows are in the database.
    pub(super) fn clear(&self, metrics: &EngineMetrics) {
        let dropped = std::mem::take(&mut self.state().queue);
        for _ in dropped {
            metrics.left();
        }
    }

    fn settle(&self, outcome: Outcome, took: Duration) {
        self.state().window.settle(outcome, took);
    }
}

/// Queues an item. Where the lane is full, the item waits in the database instead.
pub(super) fn push(engine: &Engine, lane: &Arc<Lane>, item: Item) {
    let start = {
        let mut state = lane.state();
        if state.queue.len() >= limits::LANE_QUEUE_MAX {
            drop(state);
            park(engine, item);
            return;
        }
        engine.0.metrics.accepted();
        match item.event.priority {
            // Behind the high ones that wait, before everything else.
            Priority::High => {
                let place =
                    state.queue.iter().take_while(|i| i.event.priority == Priority::High).count();
                state.queue.insert(place, item);
            }
            Priority::Normal | Priority::Low => state.queue.push_back(item),
        }
        let room = state.window.has_room(state.workers);
        if room {
            state.workers += 1;
        }
        room
    };
    if start {
        let (engine, lane) = (engine.clone(), Arc::clone(lane));
        engine.0.tasks.clone().spawn(async move { work(engine, lane).await });
    }
}

/// Leaves an item to the database: as a row that is due at once, or as the row that it has.
fn park(engine: &Engine, item: Item) {
    engine.0.metrics.overflowed();
    if item.stored {
        engine.deliveries().remove(&item.delivery_id);
        return;
    }
    let engine = engine.clone();
    // The settler may be busy; this must not hold up the dispatch of other endpoints.
    engine.0.tasks.clone().spawn(async move {
        engine.settle(Settled::Parked(item)).await;
    });
}

/// Sends what waits in the lane, one after the other, until nothing does.
async fn work(engine: Engine, lane: Arc<Lane>) {
    while let Some(item) = take(&engine, &lane) {
        engine.0.metrics.left();
        let Ok(permit) = engine.0.permits.acquire().await else { break };
        let sent = attempt::run(&engine, item).await;
        drop(permit);
        if let Some(made) = sent {
            lane.settle(made.outcome, made.took);
            widen(&engine, &lane);
            engine.settle(Settled::Attempted(Box::new(made))).await;
        }
    }
}

/// The next item, or the end of this worker: where none waits, or the window has shrunk.
fn take(engine: &Engine, lane: &Lane) -> Option<Item> {
    let mut state = lane.state();
    let surplus = state.workers > state.window.size();
    let item = if surplus || engine.is_draining() { None } else { state.queue.pop_front() };
    if item.is_none() {
        state.workers -= 1;
    }
    item
}

/// A worker that finds its window grown starts another one.
fn widen(engine: &Engine, lane: &Arc<Lane>) {
    let start = {
        let mut state = lane.state();
        let more = !state.queue.is_empty() && state.window.has_room(state.workers);
        if more {
            state.workers += 1;
        }
        more
    };
    if start {
        let (engine, lane) = (engine.clone(), Arc::clone(lane));
        engine.0.tasks.clone().spawn(async move { work(engine, lane).await });
    }
}
