//! The unit of work: state, events and dispatch pointers in one transaction, or nothing.

use std::future::Future;
use std::panic::Location;

use tidings_events::{
    ActorView, CauseView, CommittedEvent, Envelope, Event, EventName, EventType, Subject,
};
use tidings_kernel::{
    AnyId, Change, ChangeParts, Ctx, Entity, EventId, Id, Kind, Metadata, NodeId, Ordinals,
    TenantId, Timestamp, Version, WebhookSubscriptionId,
};

use crate::conn::{Conn, Link};
use crate::event_log;
use crate::{Bulk, Command, DbError, FromRow, Query, Reader, Value};

/// The writes that are deliberately no event. Each says why; the coverage page prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silent {
    /// The reply to a request with an `Idempotency-Key`: it repeats what an event has told.
    IdempotentReply,
    /// Deliveries, attempts and pointers: they are about events, and would never end.
    DeliveryBookkeeping,
    /// Jobs, schedules and reactions: how work is done, not what was done.
    JobBookkeeping,
    /// Positions of events that are there already.
    Sequencing,
    /// Which processes live.
    NodeBookkeeping,
    /// When a key was last used: a reading, not a decision.
    LastSeen,
    /// The installation's own keys; they belong to no tenant.
    Installation,
    /// The end of what retention no longer keeps.
    Purge,
    /// A number that is claimed: the object that gets it tells of it.
    Numbering,
    /// A line in an object's history, which repeats for people what the event beside it tells.
    History,
}

impl Silent {
    /// Every reason, for the coverage page.
    pub const ALL: &[(Self, &'static str)] = &[
        (
            Self::IdempotentReply,
            "the reply to a request with an `Idempotency-Key` repeats what an event has told",
        ),
        (
            Self::DeliveryBookkeeping,
            "deliveries, attempts and pointers are about events; events about them would never end",
        ),
        (
            Self::JobBookkeeping,
            "jobs, schedules and reactions are how work is done, not what was done",
        ),
        (Self::Sequencing, "a position is given to an event that is there already"),
        (Self::NodeBookkeeping, "which processes live is no fact about a tenant"),
        (Self::LastSeen, "when a key was last used is a reading, not a decision"),
        (Self::Installation, "the installation's own keys belong to no tenant"),
        (Self::Purge, "what retention no longer keeps was announced with the retention"),
        (Self::Numbering, "a claimed number is told by the event of the object that gets it"),
        (
            Self::History,
            "a line in an object's history repeats, for people, what the event beside it tells",
        ),
    ];
}

/// An entity that knows how to write itself.
pub trait Stored: Entity {
    /// Writes the state where the stored version is `expected` (0: it is not stored yet) and says
    /// how many rows that changed; none means that somebody else was there first.
    fn save(
        &self,
        expected: Version,
        writer: &mut Writer<'_>,
    ) -> impl Future<Output = Result<u64, DbError>> + Send;
}

/// The capability to write. It cannot be made; a unit of work lends it to [`Stored::save`] and to
/// whoever names a [`Silent`] reason.
pub struct Writer<'w> {
    conn: &'w mut Conn,
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer<'_> {
    /// Runs a command and says how many rows it changed.
    pub async fn execute(&mut self, command: &Command, args: &[Value]) -> Result<u64, DbError> {
        self.conn.execute(command.statement(), args).await
    }

    /// Runs a command once for each row.
    pub async fn execute_many(&mut self, bulk: &Bulk, rows: &[Vec<Value>]) -> Result<u64, DbError> {
        self.conn.execute_many(bulk, rows).await
    }

    /// Runs a command with `RETURNING`.
    pub async fn returning<T: FromRow>(
        &mut self,
        command: &Command,
        args: &[Value],
    ) -> Result<Vec<T>, DbError> {
        let rows = self.conn.query(command.statement(), args).await?;
        rows.into_iter().map(|mut row| T::from_row(&mut row)).collect()
    }

    /// Reads in the same transaction.
    pub fn reader(&mut self) -> Reader<'_> {
        Reader { conn: self.conn }
    }

    /// Reads every row of a query in the same transaction.
    pub async fn rows<T: FromRow>(
        &mut self,
        query: &Query,
        args: &[Value],
    ) -> Result<Vec<T>, DbError> {
        self.reader().rows(query, args).await
    }
}

/// One event on its way into the log.
pub(crate) struct Recorded {
    pub(crate) event: CommittedEvent,
    pub(crate) schema_version: u32,
    pub(crate) subject_kind: &'static str,
    pub(crate) dedupe_key: Option<String>,
    pub(crate) ctx: Ctx,
}

/// State, events and dispatch pointers that become durable together, or not at all.
pub struct UnitOfWork {
    pub(crate) conn: Conn,
    ctx: Ctx,
    ordinals: Ordinals,
    node: tidings_kernel::Uuid,
    recorded: Vec<Recorded>,
    target: Option<WebhookSubscriptionId>,
    stale: bool,
}

impl std::fmt::Debug for UnitOfWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnitOfWork").field("ctx", &self.ctx).finish_non_exhaustive()
    }
}

impl UnitOfWork {
    pub(crate) fn new(conn: Conn, ctx: Ctx, node: tidings_kernel::Uuid) -> Self {
        let ordinals = ctx.ordinals();
        Self { conn, ctx, ordinals, node, recorded: Vec::new(), target: None, stale: false }
    }

    /// Who acts, for which tenant.
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// Goes on in a tenant that the operator has just made or named. What follows is told there.
    pub fn enter(&mut self, tenant_id: TenantId, livemode: bool) {
        self.ctx.tenant_id = tenant_id;
        self.ctx.livemode = livemode;
    }

    /// The node that holds what this unit makes due.
    pub fn node_id(&self) -> NodeId {
        NodeId::from_uuid(self.node)
    }

    /// The instant of the request.
    pub fn now(&self) -> Timestamp {
        self.ctx.now
    }

    /// A fresh id; the same again when the unit runs again.
    pub fn mint<K: Kind>(&mut self) -> Id<K> {
        self.ordinals.mint()
    }

    /// Reads in this transaction.
    pub fn reader(&mut self) -> Reader<'_> {
        Reader { conn: &mut self.conn }
    }

    /// Writes without an event, for one of the reasons in [`Silent`].
    pub fn silent(&mut self, reason: Silent) -> Writer<'_> {
        tracing::trace!(?reason, "silent write");
        Writer { conn: &mut self.conn }
    }

    /// Sends the events that follow to one subscription only, whatever it subscribed to.
    pub fn target(&mut self, subscription_id: WebhookSubscriptionId) {
        self.target = Some(subscription_id);
    }

    /// Saves the next state and records its events.
    pub async fn apply<S>(&mut self, change: Change<S>) -> Result<S, DbError>
    where
        S: Stored,
        S::Event: Into<Event>,
    {
        let ChangeParts { mut state, events, dedupe_key, made_at } = change.into_parts();
        let expected = state.version();
        let last = expected + i64::try_from(events.len()).unwrap_or(i64::MAX);
        state.set_version(last);
        let saved = state.save(expected, &mut Writer { conn: &mut self.conn }).await?;
        if saved == 0 {
            self.stale = true;
            return Err(DbError::Stale);
        }
        let mut dedupe_key = dedupe_key;
        for (event, version) in events.into_iter().zip(expected + 1..) {
            let subject = (S::KIND, state.id(), version);
            self.record(event.into(), subject, state.metadata(), dedupe_key.take(), made_at);
        }
        Ok(state)
    }

    fn record(
        &mut self,
        event: Event,
        (kind, id, version): (&'static str, AnyId, Version),
        metadata: Option<&Metadata>,
        dedupe_key: Option<String>,
        made_at: &'static Location<'static>,
    ) {
        static NONE: Metadata = Metadata::new();
        let event_id: EventId = self.ordinals.mint();
        let ctx = &self.ctx;
        let shown = event.sent_as.as_ref();
        let (name, schema_version) =
            shown.map_or((&event.name, event.schema_version), |(name, v)| (name, *v));
        let body = Envelope {
            id: event_id,
            name: name.as_str(),
            schema_version,
            timestamp: ctx.now,
            tenant_id: ctx.tenant_id,
            subject: Subject { kind, id: id.to_string(), version },
            actor: ActorView::from(&ctx.actor),
            cause: CauseView::new(ctx.request_id, &ctx.cause),
            // An example of another type is nothing that happened.
            livemode: ctx.livemode && shown.is_none(),
            custom_metadata: event.custom_metadata.as_ref().or(metadata).unwrap_or(&NONE),
            data: &event.data,
        }
        .to_bytes();
        self.recorded.push(Recorded {
            event: CommittedEvent {
                tenant_id: ctx.tenant_id,
                event_id,
                name: event.name,
                priority: event.priority,
                visibility: event.visibility,
                subject_id: id,
                subject_version: version,
                occurred_at: ctx.now,
                seq: 0,
                holder: self.node,
                target: self.target,
                body,
                made_at,
                trace: ctx.trace,
            },
            schema_version: event.schema_version,
            subject_kind: kind,
            dedupe_key,
            ctx: ctx.clone(),
        });
    }

    /// The types of the events that this unit has recorded so far.
    pub fn recorded(&self) -> impl Iterator<Item = &EventName> {
        self.recorded.iter().map(|recorded| &recorded.event.name)
    }

    /// The event that this unit has recorded last.
    pub fn last_event(&self) -> Option<EventId> {
        self.recorded.last().map(|recorded| recorded.event.event_id)
    }

    /// Whether the function failed only because others came in between.
    pub(crate) fn conflicted(&self) -> bool {
        self.stale || matches!(&self.conn.link, Link::Postgres(conn) if conn.conflicted)
    }

    /// Writes the events and pointers: the last thing before the commit.
    pub(crate) async fn write_events(&mut self) -> Result<(), DbError> {
        event_log::append(&mut self.conn, &mut self.recorded).await
    }

    /// The connection, and events that somebody else writes.
    pub(crate) fn into_recorded(self) -> (Conn, Vec<Recorded>) {
        (self.conn, self.recorded)
    }

    pub(crate) fn into_parts(self) -> (Conn, Vec<CommittedEvent>) {
        (self.conn, self.recorded.into_iter().map(|recorded| recorded.event).collect())
    }
}

/// What a unit of work gave, after its flush. Only a commit can make one.
#[derive(Debug)]
#[must_use = "the result of a committed unit is the only proof of it"]
pub struct Committed<T> {
    value: T,
    events: Vec<CommittedEvent>,
}

impl<T> Committed<T> {
    pub(crate) fn new(value: T, events: Vec<CommittedEvent>) -> Self {
        Self { value, events }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Reads the value.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The same proof of another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Committed<U> {
        Committed { value: f(self.value), events: self.events }
    }

    /// The types of the catalog that were written.
    pub fn event_types(&self) -> impl Iterator<Item = EventType> {
        self.events.iter().filter_map(|event| match &event.name {
            EventName::Catalog(event_type) => Some(*event_type),
            EventName::Custom(_) => None,
        })
    }

    /// The events that were written.
    pub fn events(&self) -> &[CommittedEvent] {
        &self.events
    }
}
