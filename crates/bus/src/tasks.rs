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

/// When a loop last went round, in seconds since the program began.
#[derive(Debug, Clone)]
pub struct Pulse {
    began: Instant,
    seconds: Arc<AtomicU64>,
}

impl Pulse {
    /// Says that the loop went round.
    pub fn beat(&self) {
        self.seconds.store(self.began.elapsed().as_secs(), Ordering::Relaxed);
    }

    /// How long ago that was.
    pub fn age(&self) -> Duration {
        let now = self.began.elapsed().as_secs();
        Duration::from_secs(now.saturating_sub(self.seconds.load(Ordering::Relaxed)))
    }
}

/// A loop's name and pulse, for the watchdog and `/metrics`.
#[derive(Debug, Clone)]
pub struct Beat {
    /// The loop.
    pub name: &'static str,
    /// When it last went round.
    pub pulse: Pulse,
}

#[derive(Debug)]
struct Inner {
    tracker: TaskTracker,
    shutdown: Shutdown,
    began: Instant,
    beats: Mutex<Vec<Beat>>,
}

/// The tasks of one program.
#[derive(Debug, Clone)]
pub struct Tasks(Arc<Inner>);

impl Default for Tasks {
    fn default() -> Self {
        Self(Arc::new(Inner {
            tracker: TaskTracker::new(),
            shutdown: Shutdown::new(),
            began: Instant::now(),
            beats: Mutex::default(),
        }))
    }
}

impl Tasks {
    /// The token that is cancelled when the program ends.
    pub fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
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
        let seconds = Arc::new(AtomicU64::new(self.0.began.elapsed().as_secs()));
        let pulse = Pulse { began: self.0.began, seconds };
        self.0
            .beats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Beat { name, pulse: pulse.clone() });
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

    /// Every loop with its pulse.
    pub fn beats(&self) -> Vec<Beat> {
        self.0.beats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells every task to end and waits for them, though not for ever.
    pub async fn end(&self) {
        self.0.shutdown.cancel();
        self.0.tracker.close();
        if tokio::time::timeout(END, self.0.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = self.0.tracker.len(), "tasks were left behind after {END:?}");
        }
    }
}
