//! One delivery in memory, and the event that its siblings share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tidings_bus::Busy;
use tidings_events::Priority;
use tidings_kernel::{
    DeliveryId, EventId, NodeId, ReplayId, TenantId, Timestamp, TraceContext, Uuid, Version,
    WebhookSubscriptionId,
};
use tidings_vault::sha256;

use super::Engine;

/// An event that is being fanned out.
#[derive(Debug)]
pub(crate) struct FanOut {
    pub(crate) event_id: EventId,
    pub(crate) id_text: String,
    pub(crate) name: String,
    /// When it happened: what an erasure covers is told by it, however often the event is sent.
    pub(crate) occurred_at: Timestamp,
    pub(crate) priority: Priority,
    pub(crate) body: Bytes,
    /// The trace that its attempts belong to.
    pub(crate) trace: Option<TraceContext>,
    /// Pairs without a row yet. The pointer goes with the last of them.
    open: AtomicUsize,
    has_pointer: bool,
}

impl FanOut {
    /// An event with a pointer, that goes to `pairs` endpoints.
    pub(crate) fn new(
        (event_id, occurred_at): (EventId, Timestamp),
        (name, priority): (String, Priority),
        body: Bytes,
        (pairs, trace): (usize, Option<TraceContext>),
    ) -> Self {
        let id_text = event_id.to_string();
        let open = AtomicUsize::new(pairs);
        Self {
            event_id,
            id_text,
            name,
            occurred_at,
            priority,
            body,
            trace,
            open,
            has_pointer: true,
        }
    }

    /// An event whose delivery has a row already.
    pub(crate) fn without_pointer(
        (event_id, occurred_at): (EventId, Timestamp),
        (name, priority): (String, Priority),
        body: Bytes,
    ) -> Self {
        let event = Self::new((event_id, occurred_at), (name, priority), body, (0, None));
        Self { has_pointer: false, ..event }
    }

    /// Says that one more pair has its row, and whether it was the last.
    pub(crate) fn close_one(&self) -> bool {
        self.has_pointer && self.open.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// An object, and an event's place among its events.
pub(crate) type Order = (Uuid, Version);

/// One delivery in memory.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) event: Arc<FanOut>,
    pub(crate) tenant_id: TenantId,
    pub(crate) subscription_id: WebhookSubscriptionId,
    pub(crate) delivery_id: DeliveryId,
    pub(crate) origin: &'static str,
    /// The replay that it belongs to.
    pub(crate) replay_id: Option<ReplayId>,
    /// Attempts before this one.
    pub(crate) attempts: u32,
    pub(crate) created_at: Timestamp,
    /// The object and the event's place in it, where the endpoint wants its events in order.
    pub(crate) order: Option<Order>,
    /// How many deliveries a second the endpoint takes at most.
    pub(crate) rate_per_second: Option<u32>,
    /// Whether the delivery has a row.
    pub(crate) stored: bool,
    /// The node that this process was when it took the delivery up: once it is another, others have it.
    pub(crate) holder: NodeId,
    /// Counts it as under way until it is dropped.
    pub(crate) _busy: Busy,
}

/// Where a worker panics: says that nobody works on its delivery any more, so that it is taken up
/// again from the database.
pub(super) struct GiveBack {
    engine: Engine,
    holder: NodeId,
    event_id: EventId,
    delivery_id: DeliveryId,
}

impl Item {
    pub(super) fn give_back_on_panic(&self, engine: &Engine) -> GiveBack {
        let (event_id, delivery_id) = (self.event.event_id, self.delivery_id);
        GiveBack { engine: engine.clone(), holder: self.holder, event_id, delivery_id }
    }
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut in_hand = self.engine.in_hand();
            in_hand.finish_event(self.holder, self.event_id);
            in_hand.give_back(self.holder, self.delivery_id);
            drop(in_hand);
            self.engine.0.overflowed.store(true, Ordering::Release);
        }
    }
}

/// What a delivery comes from.
pub(crate) const FROM_EVENT: &str = "event";
/// A repetition that somebody asked for.
pub(crate) const MANUAL: &str = "manual";
/// A past event that a replay sends.
pub(crate) const REPLAY: &str = "replay";

/// The id of the delivery of an event to a subscription: derived, so that whoever plans the pair
/// again plans the same row. A UUIDv8 that sorts by the event's time.
pub(crate) fn delivery_id(
    event_id: EventId,
    subscription_id: WebhookSubscriptionId,
    repetition: &[u8],
) -> DeliveryId {
    let event = event_id.uuid();
    let mut text = Vec::with_capacity(48);
    text.extend_from_slice(event.as_bytes());
    text.extend_from_slice(subscription_id.uuid().as_bytes());
    text.extend_from_slice(repetition);
    let digest = sha256(&text);
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&event.as_bytes()[..6]);
    bytes[6..].copy_from_slice(&digest[..10]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    DeliveryId::from_uuid(Uuid::from_bytes(bytes))
}
