//! A lane: one endpoint's queue, its window and its breaker. A slow endpoint slows only itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_kernel::{Timestamp, limits};

use super::Engine;
use super::attempt::{self, Made};
use super::item::Item;
use super::metrics::EngineMetrics;
use super::settle::Settled;
use super::shares::Class;
use super::standing_now::LaneNow;
use crate::ageing::AgeingQueue;
use crate::breaker::Breaker;
use crate::plan::Outcome;
use crate::rate::Rate;
use crate::standing::Standing;
use crate::window::Window;

/// What waited for an endpoint that was left alone comes back at this pace at first: fifty a second.
const RETURN_EVERY: Duration = Duration::from_millis(20);
/// The pace doubles after each such time, so that a long queue does not take hours.
const RETURN_DOUBLES: Duration = Duration::from_secs(5);
/// How often it doubles at most: to 12,800 a second.
const DOUBLINGS_MAX: u32 = 8;
/// A lane that nothing went through for so long is forgotten.
const IDLE: Duration = Duration::from_mins(10);

/// Where so many wait in a lane, no delivery of a replay joins them: the rest is for live events.
const REPLAYS_QUEUED_MAX: usize = limits::LANE_QUEUE_MAX / 4;
/// It comes back after so long, by when most of those have gone.
const REPLAY_RETURNS: Duration = Duration::from_millis(500);

#[derive(Default)]
struct State {
    queue: AgeingQueue<Item>,
    workers: usize,
    window: Window,
    breaker: Breaker,
    standing: Standing,
    /// The pace that the endpoint wants, as it was last heard.
    rate: Option<(u32, Rate)>,
    /// The last instant that was given to something that waits for the breaker.
    returns_at: Timestamp,
    used_at: Timestamp,
}

/// One endpoint's queue, its window and its breaker.
#[derive(Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
}

/// What becomes of an item that comes to its lane.
enum Admission {
    /// It was queued; a worker may have to be started for it.
    Queued { start: bool },
    /// It waits in the database.
    Park(Item, Timestamp),
    /// The process is ending: whoever comes after finds its pointer or its row.
    Drop,
}

impl State {
    fn admit(&mut self, item: Item, now: Timestamp, is_draining: bool) -> Admission {
        self.used_at = now;
        if is_draining {
            return Admission::Drop;
        }
        if let Some(until) = self.breaker.open_until(now) {
            let at = self.return_at(&item, until);
            return Admission::Park(item, at);
        }
        if let Err(at) = self.pace(item.rate_per_second, item.stored, now) {
            return Admission::Park(item, at);
        }
        if item.replay_id.is_some() && self.queue.len() >= REPLAYS_QUEUED_MAX {
            return Admission::Park(item, now.after(REPLAY_RETURNS));
        }
        if self.queue.len() >= limits::LANE_QUEUE_MAX {
            return Admission::Park(item, now);
        }
        self.queue.push(item.event.priority, now, item);
        Admission::Queued { start: self.start_worker() }
    }

    fn pace(
        &mut self,
        per_second: Option<u32>,
        returning: bool,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let Some(per_second) = per_second else {
            self.rate = None;
            return Ok(());
        };
        match &mut self.rate {
            Some((known, rate)) if *known == per_second => rate.admit(returning, now),
            _ => {
                let (_, rate) = self.rate.insert((per_second, Rate::new(per_second)));
                rate.admit(returning, now)
            }
        }
    }

    /// The instant at which one more of those that wait for the breaker comes back. The first is
    /// the probe. Retries come before what was never tried: some endpoints refuse whatever they see
    /// for the first time.
    fn return_at(&mut self, item: &Item, until: Timestamp) -> Timestamp {
        if item.attempts > 0 {
            return until;
        }
        let passed = self.returns_at.since(until).as_micros() / RETURN_DOUBLES.as_micros();
        let doublings = u32::try_from(passed).unwrap_or(u32::MAX).min(DOUBLINGS_MAX);
        self.returns_at = until
            .after(RETURN_EVERY)
            .max(self.returns_at.after(RETURN_EVERY / 2_u32.pow(doublings)));
        self.returns_at
    }

    fn size(&self) -> usize {
        if self.breaker.probes() { 1 } else { self.window.size() }
    }

    fn start_worker(&mut self) -> bool {
        let start = !self.queue.is_empty() && self.workers < self.size();
        self.workers += usize::from(start);
        start
    }
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what waits: its pointers and rows are in the database.
    pub(super) fn clear(&self, metrics: &EngineMetrics) {
        self.state().queue.drain().for_each(|_| metrics.left());
    }

    /// Whether it tells nothing that a new one would not.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        let state = self.state();
        state.workers == 0
            && state.queue.is_empty()
            && state.breaker.is_closed()
            && now.since(state.used_at) >= IDLE
    }

    /// The lane as it is now.
    pub(super) fn now(&self, now: Timestamp) -> LaneNow {
        let state = self.state();
        LaneNow {
            queued: state.queue.len(),
            workers: state.workers,
            window: state.size(),
            open_until: state.breaker.until(now),
            rate_per_second: state.rate.as_ref().map(|(per_second, _)| *per_second),
            paced_until: state.rate.as_ref().and_then(|(_, rate)| rate.given_until(now)),
        }
    }

    fn class(&self) -> Class {
        if self.state().standing.is_slow() { Class::Slow } else { Class::Quick }
    }

    /// Takes in how an attempt ended. Says whether that opened the breaker.
    fn settle(&self, made: &Made, now: Timestamp) -> bool {
        let arrived = matches!(made.outcome, Outcome::Status { status: 200..=299, .. });
        let mut state = self.state();
        let probed = state.breaker.probes();
        state.standing.settle(arrived, made.took());
        state.window.settle(made.outcome, made.took());
        let opened = state.breaker.settle(arrived, now);
        if probed && arrived {
            // After an outage the window grows from the bottom.
            state.window = Window::after_outage();
        }
        opened
    }
}

/// Queues an item. Where the endpoint is left alone, wants no more at present, or its lane is full,
/// the item waits in the database instead.
pub(super) fn push(engine: &Engine, lane: &Arc<Lane>, item: Item) {
    let admission = {
        let mut state = lane.state();
        // Asked with the lane in hand: what comes in before the drain is cleared by it.
        state.admit(item, engine.0.db.now(), engine.is_draining())
    };
    match admission {
        Admission::Drop => {}
        Admission::Queued { start } => {
            engine.0.metrics.accepted();
            if start {
                start_worker(engine, lane);
            }
        }
        Admission::Park(item, until) => park(engine, vec![(item, until)]),
    }
}

fn start_worker(engine: &Engine, lane: &Arc<Lane>) {
    let (engine, lane) = (engine.clone(), Arc::clone(lane));
    engine.0.tasks.clone().spawn(async move { work(engine, lane).await });
}

/// Leaves items to the database, each until its instant.
fn park(engine: &Engine, items: Vec<(Item, Timestamp)>) {
    if items.is_empty() {
        return;
    }
    let engine = engine.clone();
    // The settler may be busy; this must not hold up the dispatch of other endpoints.
    engine.0.tasks.clone().spawn(async move {
        for (item, until) in items {
            engine.0.metrics.overflowed();
            engine.settle(Settled::Parked(item, until)).await;
        }
    });
}

/// Gives a worker's place in its lane back where the worker panics.
struct Place(Arc<Lane>);

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().workers -= 1;
        }
    }
}

/// Sends what waits in the lane, one after the other, until nothing does.
async fn work(engine: Engine, lane: Arc<Lane>) {
    let _place = Place(Arc::clone(&lane));
    while let Some(item) = take(&engine, &lane) {
        engine.0.metrics.left();
        let permit = engine.0.shares.acquire(item.tenant_id, lane.class()).await;
        let unwinding = item.give_back_on_panic(&engine);
        let sent = attempt::run(&engine, item).await;
        drop(unwinding);
        drop(permit);
        if let Some(made) = sent {
            if made.was_sent() && lane.settle(&made, engine.0.db.now()) {
                engine.0.metrics.opened();
                tracing::info!(subscription = %made.item.subscription_id, class = made.outcome.class(),
                    "the endpoint is left alone for a while");
            }
            if lane.state().start_worker() {
                start_worker(&engine, &lane);
            }
            engine.settle(Settled::Attempted(Box::new(made))).await;
        }
    }
}

/// The next item, or the end of this worker: where none waits, the window has shrunk, or the
/// endpoint is left alone; then what waits goes back into the database.
fn take(engine: &Engine, lane: &Lane) -> Option<Item> {
    let now = engine.0.db.now();
    let (item, parked) = {
        let mut state = lane.state();
        let open_until = state.breaker.open_until(now);
        let surplus = state.workers > state.size();
        let item = if open_until.is_some() || surplus || engine.is_draining() {
            None
        } else {
            state.queue.pop()
        };
        if item.is_none() {
            state.workers -= 1;
        }
        let mut parked = Vec::new();
        if let Some(until) = open_until {
            let waiting: Vec<Item> = state.queue.drain().collect();
            parked.extend(waiting.into_iter().map(|item| {
                let at = state.return_at(&item, until);
                (item, at)
            }));
        }
        (item, parked)
    };
    for _ in &parked {
        engine.0.metrics.left();
    }
    park(engine, parked);
    item
}
