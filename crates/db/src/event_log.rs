//! The append-only log: headers, payloads, dispatch pointers.

use tidings_events::Visibility;

use crate::conn::Conn;
use crate::unit::Recorded;
use crate::{DbError, ToValue, Value};

crate::statements! {
    /// The header of an event; the log never updates.
    insert APPEND_EVENTS = "events" (
        tenant_id uuid, id uuid, name text, schema_version int, priority text, visibility text,
        subject_kind text, subject_id uuid, subject_version int, actor_kind text, actor_id text,
        request_id uuid, occurred_at int, livemode bool, dedupe_key text
    ), "RETURNING seq";
    /// The exact bytes that are signed and sent.
    insert APPEND_PAYLOADS = "event_payloads" (tenant_id uuid, event_id uuid, body bytes), "";
    /// The pointer that dispatch deletes once the event is fanned out.
    insert APPEND_POINTERS = "dispatch" (
        tenant_id uuid, event_id uuid, target_id uuid, node_id uuid, created_at int
    ), "";
}

/// Appends the events of one unit of work, or of several, and gives each its place in the log.
pub(crate) async fn append<'e>(
    conn: &mut Conn,
    recorded: impl IntoIterator<Item = &'e mut Recorded>,
) -> Result<(), DbError> {
    let mut recorded: Vec<&mut Recorded> = recorded.into_iter().collect();
    if recorded.is_empty() {
        return Ok(());
    }
    let events: Vec<Vec<Value>> = recorded.iter().map(|recorded| header(recorded)).collect();
    let places = conn
        .insert_many(&APPEND_EVENTS, &events)
        .await
        .map_err(|error| if error.violates("dedupe_key") { DbError::AlreadyDone } else { error })?;
    for (recorded, mut place) in recorded.iter_mut().zip(places) {
        recorded.event.seq = place.take()?;
    }
    let payloads: Vec<Vec<Value>> = recorded
        .iter()
        .map(|Recorded { event, .. }| {
            vec![event.tenant_id.to_value(), event.event_id.to_value(), event.body.to_value()]
        })
        .collect();
    conn.execute_many(&APPEND_PAYLOADS, &payloads).await?;
    let pointers: Vec<Vec<Value>> = recorded
        .iter()
        .filter(|recorded| recorded.event.visibility == Visibility::Public)
        .map(|Recorded { event, .. }| {
            vec![
                event.tenant_id.to_value(),
                event.event_id.to_value(),
                event.target.to_value(),
                event.holder.to_value(),
                event.occurred_at.to_value(),
            ]
        })
        .collect();
    conn.execute_many(&APPEND_POINTERS, &pointers).await?;
    Ok(())
}

fn header(recorded: &Recorded) -> Vec<Value> {
    let Recorded { event, schema_version, subject_kind, dedupe_key, ctx } = recorded;
    vec![
        event.tenant_id.to_value(),
        event.event_id.to_value(),
        event.name.as_str().to_value(),
        schema_version.to_value(),
        event.priority.name().to_value(),
        match event.visibility {
            Visibility::Public => "public",
            Visibility::Internal => "internal",
        }
        .to_value(),
        subject_kind.to_value(),
        event.subject_id.uuid.to_value(),
        event.subject_version.to_value(),
        ctx.actor.kind().to_value(),
        ctx.actor.id().to_value(),
        ctx.request_id.to_value(),
        event.occurred_at.to_value(),
        ctx.livemode.to_value(),
        dedupe_key.to_value(),
    ]
}
