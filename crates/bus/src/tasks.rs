//! The program's loops: started once, restarted for ever, awaited at shutdown.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The longest pause before a loop that failed is started again.
const RESTART_MAX: Duration = Duration::from_secs(30);

/// Tasks have so long to end.
const END: Duration = Duration::from_secs(10);

/// Says that the program ends.
pub type Shutdown = CancellationToken;

/// When a loop last went round, and what it waits for since then.
#[derive(Debug, Clone)]
pub struct Pulse {
    began: Instant,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// Milliseconds since the program began.
    milliseconds: AtomicU64,
    rounds: AtomicU64,
    waits_for: Mutex<&'static str>,
}

impl Pulse {
    /// Says that the loop went round.
    pub fn beat(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.state.milliseconds.store(now, Ordering::Relaxed);
        self.state.rounds.fetch_add(1, Ordering::Relaxed);
    }

    /// Says what the loop is about to wait for: what the watchdog tells if it waits too long.
    pub fn waits_for(&self, what: &'static str) {
        *self.state.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// How long ago that was.
    pub fn age(&self) -> Duration {
        let then = Duration::from_millis(self.state.milliseconds.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(then)
    }
}

#[derive(Debug, Clone)]
struct Loop {
    name: &'static str,
    pulse: Pulse,
    ends: Arc<Ends>,
}

/// How often a loop ended and was started again.
#[derive(Debug, Default)]
struct Ends {
    restarts: AtomicU64,
    panics: AtomicU64,
}

/// How something that must go round is: a loop, or a thread that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The loop.
    pub name: &'static str,
    /// How long ago it last went round.
    pub age: Duration,
    /// What it waits for.
    pub waits_for: &'static str,
    /// How often it went round.
    pub rounds: u64,
    /// How often it ended and was started again.
    pub restarts: u64,
    /// How often a panic ended it.
    pub panics: u64,
}

/// Tells what something that is no loop of ours does, and for how long; none while it rests.
type Look = Box<dyn Fn() -> Option<(&'static str, Duration)> + Send + Sync>;

struct Watched {
    name: &'static str,
    look: Look,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[derive(Debug)]
struct Inner {
    tracker: TaskTracker,
    shutdown: Shutdown,
    streams: Shutdown,
    began: Instant,
    loops: Mutex<Vec<Loop>>,
    watched: Mutex<Vec<Watched>>,
}

/// The tasks of one program.
#[derive(Debug, Clone)]
pub struct Tasks(Arc<Inner>);

impl Default for Tasks {
    fn default() -> Self {
        Self(Arc::new(Inner {
            tracker: TaskTracker::new(),
            shutdown: Shutdown::new(),
            streams: Shutdown::new(),
            began: Instant::now(),
            loops: Mutex::default(),
            watched: Mutex::default(),
        }))
    }
}

impl Tasks {
    /// The token that is cancelled when the program ends.
    pub fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    /// The token that is cancelled when no more requests are taken: answers that go on end then, for
    /// they would hold up the end.
    pub fn streams(&self) -> &Shutdown {
        &self.0.streams
    }

    /// Starts one task that ends by itself.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.tracker.spawn(task);
    }

    /// Starts a loop and starts it again whenever it ends, panics included, until the program ends.
    /// There is no "give up after so many errors" (reliability rule R15).
    pub fn supervise<F, Fut>(&self, name: &'static str, make: F)
    where
        F: Fn(Pulse) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let state = State {
            milliseconds: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
            waits_for: Mutex::new("its first round"),
        };
        let pulse = Pulse { began: self.0.began, state: Arc::new(state) };
        pulse.beat();
        let ends = Arc::new(Ends::default());
        let entry = Loop { name, pulse: pulse.clone(), ends: Arc::clone(&ends) };
        self.0.loops.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        let shutdown = self.0.shutdown.clone();
        let tracker = self.0.tracker.clone();
        self.0.tracker.spawn(async move {
            let mut pause = Duration::from_millis(100);
            while !shutdown.is_cancelled() {
                let began = Instant::now();
                // A task of its own, so that its panic ends it and nothing else.
                let mut running = tracker.spawn(make(pulse.clone()));
                let ended = tokio::select! {
                    biased;
                    () = shutdown.cancelled() => {
                        // What must be finished was drained before; the rest is in the database.
                        running.abort();
                        return;
                    }
                    ended = &mut running => ended,
                };
                if began.elapsed() > RESTART_MAX {
                    pause = Duration::from_millis(100);
                }
                ends.restarts.fetch_add(1, Ordering::Relaxed);
                ends.panics.fetch_add(u64::from(ended.is_err()), Ordering::Relaxed);
                pulse.beat();
                tracing::error!(
                    task = name,
                    panicked = ended.is_err(),
                    "a loop ended; it starts again"
                );
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(RESTART_MAX);
            }
        });
    }

    /// Lets the watchdog look at something that is no loop of ours, such as a thread. `look` says
    /// what it does, and for how long; none while it rests.
    pub fn watch_also<F>(&self, name: &'static str, look: F)
    where
        F: Fn() -> Option<(&'static str, Duration)> + Send + Sync + 'static,
    {
        let watched = Watched { name, look: Box::new(look) };
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
    }

    /// Every loop, and whatever else is watched.
    pub fn beats(&self) -> Vec<Beat> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let loops = self.0.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let of_loops = loops.iter().map(|Loop { name, pulse, ends }| Beat {
            name,
            age: pulse.age(),
            waits_for: *pulse.state.waits_for.lock().unwrap_or_else(PoisonError::into_inner),
            rounds: count(&pulse.state.rounds),
            restarts: count(&ends.restarts),
            panics: count(&ends.panics),
        });
        let watched = self.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let of_others = watched.iter().map(|Watched { name, look }| {
            let (waits_for, age) = look().unwrap_or(("work", Duration::ZERO));
            Beat { name, age, waits_for, rounds: 0, restarts: 0, panics: 0 }
        });
        of_loops.chain(of_others).collect()
    }

    /// Tells every task to end and waits for them, though not for ever.
    pub async fn end(&self) {
        self.0.streams.cancel();
        self.0.shutdown.cancel();
        self.0.tracker.close();
        if tokio::time::timeout(END, self.0.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = self.0.tracker.len(), "tasks were left behind after {END:?}");
        }
    }
}
