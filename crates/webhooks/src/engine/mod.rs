//! The engine: hand-over in memory, lanes, attempts, outcomes in batches, recovery from the
//! database alone.
//!
//! ```text
//! commit ──▶ inbox ──▶ dispatch ──▶ lane of the endpoint ──▶ attempt ──▶ settle ──▶ database
//!                 (full)│                │(full)                              │(failed)
//!                       ▼                ▼                                    ▼
//!                  pointer stays    row `pending`                       row `waiting`
//!                       └──────▶ recover ◀┴───────────── due ◀────────────────┘
//! ```

mod attempt;
mod directory;
mod dispatch;
mod due;
mod ended;
mod erased;
mod holding;
mod in_hand;
mod item;
mod lane;
mod membership;
mod metrics;
#[cfg(test)]
mod model;
mod outcomes;
mod progress;
mod recover;
mod settle;
mod shares;
mod standing_now;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_bus::{Activity, Bus, Busy, Tasks, Topic};
use tidings_db::{CommitSink, Db, DbError};
use tidings_egress::Egress;
use tidings_events::{CommittedEvent, Visibility};
use tidings_kernel::{Kind, NodeId, SubscriptionKind, Timestamp, WebhookSubscriptionId, limits};
use tidings_trace::Tracer;
use tidings_vault::Vault;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) use directory::{Directory, TenantDirectory};
use erased::Erased;
use in_hand::InHand;
use item::Item;
pub(crate) use item::{MANUAL, Order, REPLAY, delivery_id};
use lane::Lane;
pub use metrics::EngineMetrics;
use outcomes::Queued;
use shares::Shares;
pub use standing_now::{EngineNow, LaneNow, SlotsNow};

/// Attempts that are under way at once, over all endpoints.
const IN_FLIGHT_MAX: usize = 512;

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) egress: Egress,
    pub(crate) bus: Bus,
    pub(crate) tasks: Tasks,
    pub(crate) directory: Directory,
    pub(crate) metrics: EngineMetrics,
    pub(crate) tracer: Tracer,
    /// What is under way in memory: what a drain, and a test, waits for.
    pub(crate) activity: Activity,
    inbox: mpsc::Sender<Inbound>,
    outcomes: mpsc::Sender<Queued>,
    lanes: Mutex<HashMap<WebhookSubscriptionId, Arc<Lane>>>,
    /// The node that this process is, and what it works on as that. It is another one after it was
    /// fenced, and what it began as the one before then settles nothing any more.
    in_hand: Mutex<InHand>,
    /// Rows that are due are read and taken up by one at a time.
    due_turn: tokio::sync::Mutex<()>,
    shares: Arc<Shares>,
    /// Subjects of which nothing is sent any more.
    erased: Erased,
    lease: membership::Lease,
    /// Whether pointers were left in the database because memory was full.
    overflowed: AtomicBool,
    draining: AtomicBool,
}

/// An event on its way from the commit to its fan-out; it counts as under way.
struct Inbound {
    event: CommittedEvent,
    _busy: Busy,
}

/// The delivery engine of one process.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// The receiving ends of the engine's queues, held by its loops.
struct Queues {
    inbox: mpsc::Receiver<Inbound>,
    outcomes: mpsc::Receiver<Queued>,
}

/// What the engine is built from.
#[derive(Debug)]
pub struct EngineParts {
    /// The database.
    pub db: Db,
    /// Opens secrets.
    pub vault: Arc<Vault>,
    /// Dials out.
    pub egress: Egress,
    /// Tells of work.
    pub bus: Bus,
    /// Runs the loops.
    pub tasks: Tasks,
    /// How this process calls itself, for `doctor`.
    pub name: String,
    /// Records what belongs to a trace.
    pub tracer: Tracer,
}

impl Engine {
    /// Joins the nodes of the database, takes up what is pending, and starts the loops.
    pub async fn start(parts: EngineParts) -> Result<Self, DbError> {
        let EngineParts { db, vault, egress, bus, tasks, name, tracer } = parts;
        let (inbox, inbox_end) = mpsc::channel(limits::ENGINE_QUEUE_MAX);
        let (outcomes, outcomes_end) = mpsc::channel(4 * limits::SETTLE_BATCH_MAX);
        let asked = Instant::now();
        let node_id = membership::join(&db, &name).await?;
        let engine = Self(Arc::new(Inner {
            directory: Directory::new(db.clone(), vault, egress.clone()),
            lease: membership::Lease::new(db.is_shared(), asked),
            db,
            egress,
            bus,
            tasks,
            metrics: EngineMetrics::default(),
            tracer,
            activity: Activity::default(),
            inbox,
            outcomes,
            lanes: Mutex::default(),
            in_hand: Mutex::new(InHand::of(node_id)),
            due_turn: tokio::sync::Mutex::default(),
            shares: Shares::new(IN_FLIGHT_MAX),
            erased: Erased::default(),
            overflowed: AtomicBool::new(true),
            draining: AtomicBool::new(false),
        }));
        engine.0.db.add_sink(Arc::new(engine.clone()));
        engine.run(Queues { inbox: inbox_end, outcomes: outcomes_end }, name);
        Ok(engine)
    }

    fn run(&self, queues: Queues, name: String) {
        let Queues { inbox, outcomes } = queues;
        // A queue has one end, which a loop that is started again must find again.
        let inbox = Arc::new(tokio::sync::Mutex::new(inbox));
        let outcomes = Arc::new(tokio::sync::Mutex::new(outcomes));
        let tasks = self.0.tasks.clone();
        let engine = self.clone();
        tasks.supervise("dispatch", move |pulse| {
            dispatch::run(engine.clone(), Arc::clone(&inbox), pulse)
        });
        let engine = self.clone();
        tasks.supervise("settle", move |pulse| {
            outcomes::run(engine.clone(), Arc::clone(&outcomes), pulse)
        });
        let engine = self.clone();
        tasks.supervise("due", move |pulse| due::run(engine.clone(), pulse));
        let engine = self.clone();
        tasks.supervise("recover", move |pulse| recover::run(engine.clone(), pulse));
        if self.0.db.is_shared() {
            let engine = self.clone();
            tasks.supervise("membership", move |pulse| {
                membership::run(engine.clone(), name.clone(), pulse)
            });
        }
    }

    /// The node that this process is at present.
    pub fn node_id(&self) -> NodeId {
        self.in_hand().holder()
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<WebhookSubscriptionId, Arc<Lane>>> {
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_hand(&self) -> MutexGuard<'_, InHand> {
        self.0.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many deliveries are in memory.
    pub(crate) fn queued(&self) -> usize {
        self.0.metrics.queued()
    }

    /// Whether memory has room for more.
    fn has_room(&self) -> bool {
        self.queued() < limits::ENGINE_QUEUE_MAX
    }

    /// Counters and gauges of the engine.
    pub fn metrics(&self) -> &EngineMetrics {
        &self.0.metrics
    }

    /// What is under way in memory.
    pub fn activity(&self) -> &Activity {
        &self.0.activity
    }

    /// Until when this node leaves an endpoint alone.
    pub(crate) fn left_alone_until(&self, id: WebhookSubscriptionId) -> Option<Timestamp> {
        let lane = self.lanes().get(&id).map(Arc::clone)?;
        lane.now(self.0.db.now()).open_until
    }

    /// Puts an item into its endpoint's lane.
    fn enqueue(&self, item: Item) {
        let lane = {
            let mut lanes = self.lanes();
            let lane = lanes.entry(item.subscription_id).or_default();
            Arc::clone(lane)
        };
        lane::push(self, &lane, item);
    }

    /// Takes up what is pending in the database and due now. Says how much; for tests, which have
    /// no patience for polls.
    pub async fn run_due(&self) -> Result<usize, DbError> {
        let recovered = recover::run_once(self, true).await?;
        Ok(recovered + due::run_once(self).await?)
    }

    /// Starts no attempt any more, waits for those under way, writes their outcomes, and gives the
    /// rest back.
    pub async fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
        for lane in self.lanes().values() {
            lane.clear(&self.0.metrics);
        }
        // What was in a lane has its pointer or its row in the database, and is taken up again.
        if tokio::time::timeout(limits::DRAIN_MAX, self.0.activity.idle()).await.is_err() {
            tracing::warn!(left = self.0.activity.count(), "the drain took too long");
        }
        if let Err(error) = membership::leave(&self.0.db, self.node_id()).await {
            tracing::warn!(%error, "the node could not say goodbye");
        }
    }

    fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }
}

impl CommitSink for Engine {
    fn committed(&self, events: &[CommittedEvent]) {
        self.0.bus.wake(Topic::Sequencer);
        self.0.bus.wake(Topic::Jobs);
        for event in events {
            if event.subject_id.prefix == SubscriptionKind::PREFIX {
                self.0.directory.forget(event.tenant_id);
            }
            if event.visibility == Visibility::Public && !self.is_draining() {
                self.hand_over(event.clone());
            }
        }
    }
}

impl Engine {
    /// Into the inbox, or, where memory is full, left to the pointer in the database.
    fn hand_over(&self, event: CommittedEvent) {
        let event_id = event.event_id;
        let holder = NodeId::from_uuid(event.holder);
        if holder != self.node_id() {
            // It was written as the node that this process was: others take its pointer.
            return;
        }
        if !self.has_room() || !self.in_hand().take_event(holder, event_id) {
            self.0.overflowed.store(true, Ordering::Release);
            return;
        }
        self.0.metrics.accepted();
        let inbound = Inbound { event, _busy: self.0.activity.begin() };
        if self.0.inbox.try_send(inbound).is_err() {
            self.in_hand().finish_event(holder, event_id);
            self.0.metrics.left();
            self.0.overflowed.store(true, Ordering::Release);
        }
    }
}
