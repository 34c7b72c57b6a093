//! Time as each node sees it, made from the one true time of the simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tidings_kernel::{Clock, Timestamp};
use tokio::time::Instant;

/// Where true time begins, on a wall clock: 2026-11-23T12:00:00Z.
const START: Timestamp = Timestamp::from_micros(1_795_435_200_000_000);

/// What all machines share.
#[derive(Debug, Default)]
pub(crate) struct WallClock {
    /// How far the wall clocks of all machines were set forward, in microseconds.
    set_forward: AtomicI64,
    /// The database's clock, which never goes back.
    database: AtomicI64,
}

impl WallClock {
    pub(crate) fn set_forward(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.set_forward.fetch_add(micros, Ordering::SeqCst);
    }

    /// What a wall clock that is right shows at a true time.
    pub(crate) fn at(&self, true_time: Duration) -> Timestamp {
        let micros = START.after(true_time).micros() + self.set_forward.load(Ordering::SeqCst);
        Timestamp::from_micros(micros)
    }
}

/// The clocks of one boot of a node. They can be read inside its runtime only.
pub(crate) struct NodeClock {
    born: Instant,
    born_at: Duration,
    wall: Arc<WallClock>,
    /// How wrong the node's wall clock is, in microseconds.
    wrong_by: Arc<AtomicI64>,
}

impl NodeClock {
    /// Must be called inside the node's runtime.
    pub(crate) fn new(born_at: Duration, wall: Arc<WallClock>, wrong_by: Arc<AtomicI64>) -> Self {
        Self { born: Instant::now(), born_at, wall, wrong_by }
    }

    /// The true time since the simulation began.
    pub(crate) fn true_time(&self) -> Duration {
        self.born_at + self.born.elapsed()
    }

    /// The instant at which it is that true time.
    pub(crate) fn instant_of(&self, true_time: Duration) -> Instant {
        self.born + true_time.saturating_sub(self.born_at)
    }

    pub(crate) fn database_time(&self) -> Timestamp {
        let now = START.after(self.true_time()).micros();
        let before = self.wall.database.fetch_max(now, Ordering::SeqCst);
        Timestamp::from_micros(before.max(now))
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        let right = self.wall.at(self.true_time()).micros();
        Timestamp::from_micros(right + self.wrong_by.load(Ordering::SeqCst))
    }
}
