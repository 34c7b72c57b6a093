//! What the simulation writes down: everything that happened, in order, for the trace and the judge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_kernel::{CustomerId, EventId, WebhookSubscriptionId};
use tidings_vault::sha256;

/// One request that a receiver read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) connected_at: Duration,
    pub(crate) at: Duration,
    pub(crate) endpoint: usize,
    pub(crate) node: usize,
    /// Whether the sender had just come back from standing still.
    pub(crate) sender_stalled: bool,
    pub(crate) event_id: String,
    pub(crate) body: Vec<u8>,
    /// When and with what it was answered.
    pub(crate) answered: Option<(Duration, u16)>,
    /// The moment at which its sender began to send it, and that at which it was answered.
    pub(crate) moments: (Moment, Option<Moment>),
}

/// A place in the order in which the one thread of a simulation did things. Nodes that live the same
/// time one after the other are apart in time, and not in this: what was done earlier cannot follow
/// from what was done later.
pub(crate) type Moment = u64;

/// How an endpoint's subscription fared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscribed {
    pub(crate) id: Option<WebhookSubscriptionId>,
    /// Asked to stop at least once, whatever the answer was: nothing strict is expected then.
    pub(crate) stopped_once: bool,
    /// Since when it is known to have stopped; none while it may send.
    pub(crate) stopped_at: Option<Duration>,
    /// Asked to go on again, since when.
    pub(crate) resumed: bool,
}

/// A time in which nothing passes between a node and the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) node: usize,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

#[derive(Default)]
pub(crate) struct Pages {
    pub(crate) lines: Vec<String>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) subscriptions: BTreeMap<usize, Subscribed>,
    /// Customers whose creation was accepted, by tenant.
    pub(crate) customers: BTreeMap<usize, Vec<CustomerId>>,
    /// Events of accepted changes, by tenant.
    pub(crate) accepted: BTreeMap<usize, Vec<EventId>>,
    /// Events whose deliveries were repeated by hand.
    pub(crate) repeated: BTreeSet<EventId>,
    /// Kills, stalls, and lost answers and questions: whatever may repeat a delivery.
    pub(crate) disturbances: usize,
    pub(crate) cuts: Vec<Cut>,
    /// How many moments there were.
    moments: Moment,
    pub(crate) in_flight: BTreeMap<(usize, usize), usize>,
    pub(crate) in_flight_most: usize,
}

/// The book, shared by everything in one simulation.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Pages>>);

impl Book {
    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present moment, which is no other's.
    pub(crate) fn moment(&self) -> Moment {
        let mut pages = self.pages();
        pages.moments += 1;
        pages.moments
    }

    /// A line of the trace.
    pub(crate) fn note(&self, at: Duration, line: &str) {
        let line = format!("{:>9.3} {line}", at.as_secs_f64());
        self.pages().lines.push(line);
    }

    /// The trace as one number: two runs of a seed must agree.
    pub(crate) fn digest(&self) -> String {
        let digest = sha256(self.pages().lines.join("\n").as_bytes());
        digest.iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}
