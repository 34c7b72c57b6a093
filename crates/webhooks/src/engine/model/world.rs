//! A state of the model: one database, two processes, two receivers, and the faults that are left.

use std::time::Duration;

use tidings_kernel::{DeliveryId, EventId, NodeId, Timestamp, Uuid};

use super::database::Database;
use crate::engine::in_hand::InHand;
use crate::plan::NextStep;

/// Processes that work on one database.
pub(super) const PROCESSES: usize = 2;
/// Deliveries of the one event: one for each receiver.
pub(super) const DELIVERIES: usize = 2;
/// One step of the wall clocks, and the wait before every retry.
pub(super) const QUANTUM: Duration = Duration::from_secs(5);
/// One step of the clocks that leases follow: one of silence stops a node, two are its death.
pub(super) const TICK: Duration = Duration::from_secs(2);
/// Ticks after which nothing changes any more.
pub(super) const TICKS_MAX: u32 = 2;
/// What a clock that is right shows. Instants are kept relative to it, so that it stands still; what
/// is past is now.
pub(super) const NOW: Timestamp = Timestamp::from_micros(1_795_437_004_000_000);

/// A node, by its place among the rows of nodes.
pub(super) type Node = u8;

/// A node as the product names it.
pub(super) fn node_id(node: Node) -> NodeId {
    NodeId::from_uuid(Uuid::from_u128(u128::from(node) + 1))
}

/// A delivery as the product names it.
pub(super) fn delivery_id(delivery: usize) -> DeliveryId {
    DeliveryId::from_uuid(Uuid::from_u128(delivery as u128 + 1))
}

/// The event.
pub(super) fn event_id() -> EventId {
    EventId::from_uuid(Uuid::from_u128(1))
}

/// Everything that there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) database: Database,
    pub(super) processes: [Process; PROCESSES],
    pub(super) receivers: [Receiver; DELIVERIES],
    pub(super) left: Budget,
    /// How many crashes, pauses and lost questions or answers there were.
    pub(super) harm: u32,
    pub(super) broken: Broken,
    /// What the last step showed.
    pub(super) last: Mark,
}

/// How one process is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) life: Life,
    /// Which node it is at present.
    pub(super) node: Node,
    /// Ticks since its last heartbeat, by its own monotonic clock.
    pub(super) silence: u32,
    pub(super) in_hand: InHand,
    /// The event, handed over as this node's.
    pub(super) inbox: Option<Node>,
    /// Pairs of the event without a row, as this process counts them.
    pub(super) open: u8,
    /// What is in memory. First what waits to be sent or is sent, then the queue of outcomes.
    pub(super) items: Vec<Item>,
    /// Rows that were read and not taken up yet.
    pub(super) read: Option<Read>,
    /// Subscriptions of which it knows that they send no more.
    pub(super) sees_stopped: [bool; DELIVERIES],
}

/// Whether a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Life {
    Running,
    StandingStill,
    Dead,
}

/// Rows that were due when they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Read {
    pub(super) holder: Node,
    /// With the attempts that their rows showed.
    pub(super) found: [Option<u32>; DELIVERIES],
}

/// One delivery in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) delivery: usize,
    pub(super) holder: Node,
    pub(super) attempts: u32,
    pub(super) stored: bool,
    pub(super) phase: Phase,
}

/// How far an item has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// It waits in its lane.
    Queued,
    /// Its request is under way.
    Sending,
    /// It waits for the settler.
    Settling {
        what: Outcome,
        /// Whether it was written before, and question or answer was lost.
        again: bool,
        /// What ends with it, once its rows have been made up.
        closing: Option<Closing>,
    },
}

pub(super) use crate::engine::progress::Closing;

/// What there is to write of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// An attempt was made, or found to be of no use.
    Attempted { number: u32, next: NextStep },
    /// It waits in the database until then.
    Parked { until: Timestamp },
    /// Its end is written; what ends with it is not.
    Ended,
    /// Nobody wants the event.
    Unwanted,
}

/// What a receiver has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Receiver {
    pub(super) requests: u32,
    pub(super) took_it: bool,
}

/// Faults that may still happen, and `all` of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) all: u8,
    pub(super) crashes: u8,
    pub(super) pauses: u8,
    pub(super) lost_answers: u8,
    pub(super) stops: u8,
    pub(super) parks: u8,
    pub(super) idle_reads: u8,
    pub(super) gone: u8,
    pub(super) failures: u8,
}

/// Laws about steps that were broken on the way here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a law, and they are broken one by one")]
pub(super) struct Broken {
    /// Somebody wrote what another node holds, or as a node that was fenced.
    pub(super) stale_write: bool,
    /// A delivery that had ended went on.
    pub(super) left_the_end: bool,
    /// An attempt was begun by a node that had been fenced.
    pub(super) sent_fenced: bool,
    /// An attempt was begun though it was known that the subscription sends no more.
    pub(super) sent_stopped: bool,
    /// A retry is due before its wait is over.
    pub(super) early: bool,
}

/// What a step showed, for the properties that something happens at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    None,
    Delivered,
    Exhausted,
    DiscardedGone,
    DiscardedStopped,
    ParkedTakenUp,
    RetryTakenUp,
    StaleDropped,
    StaleRefused,
    FencedStandingStill,
    FencedDead,
    Adopted,
    WrittenAgain,
    EndFoundWritten,
    EndGivenUp,
    PutOff,
    ReadTooEarly,
    SentAgain,
    Unwanted,
    Recovered,
}

impl Process {
    /// One that has just joined as a node.
    pub(super) fn joined(node: Node) -> Self {
        Self {
            life: Life::Running,
            node,
            silence: 0,
            in_hand: InHand::of(node_id(node)),
            inbox: None,
            open: 0,
            items: Vec::new(),
            read: None,
            sees_stopped: [false; DELIVERIES],
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.life == Life::Running
    }

    /// Its lease, by the product's rule.
    pub(super) fn lease_holds(&self) -> bool {
        crate::engine::holding::may_send(TICK * self.silence)
    }

    /// Where the queue of outcomes begins.
    pub(super) fn first_outcome(&self) -> Option<usize> {
        self.items.iter().position(|item| matches!(item.phase, Phase::Settling { .. }))
    }

    /// Adds an item that waits or is under way, in an order that tells nothing.
    pub(super) fn add(&mut self, item: Item) {
        let key = |item: &Item| (item.delivery, item.holder);
        let place = self.items.iter().position(|other| {
            matches!(other.phase, Phase::Settling { .. }) || key(other) > key(&item)
        });
        self.items.insert(place.unwrap_or(self.items.len()), item);
    }

    /// Puts what came of an item at the end of the queue of outcomes.
    pub(super) fn settle(&mut self, item: Item, what: Outcome) {
        let phase = Phase::Settling { what, again: false, closing: None };
        self.items.push(Item { phase, ..item });
    }
}

impl Budget {
    /// None of anything.
    pub(super) const NONE: Self = Self {
        all: 0,
        crashes: 0,
        pauses: 0,
        lost_answers: 0,
        stops: 0,
        parks: 0,
        idle_reads: 0,
        gone: 0,
        failures: 0,
    };

    /// Whether one more of a kind may happen.
    pub(super) fn allows(&self, kind: u8) -> bool {
        self.all > 0 && kind > 0
    }

    /// Where no fault is left, it does not matter which kinds were.
    pub(super) fn forget_what_cannot_happen(&mut self) {
        if self.all == 0 {
            *self = Self { failures: self.failures, ..Self::NONE };
        }
    }
}
