//! Positions: each committed event gets its place in its tenant's log, without gaps.
//!
//! A sequence is not a commit order: a row with a smaller number may become visible later. So
//! positions are given after the commit. On PostgreSQL only rows of transactions older than every
//! running one are taken (`pg_snapshot_xmin`), in the order of transaction and number: nothing can
//! appear before them any more. On SQLite the one writer makes number and commit the same order.

use std::collections::BTreeMap;

use tidings_db::{Db, DbError, Reader, Silent, ToValue, UnitOfWork, args};
use tidings_kernel::{EventId, TenantId, Timestamp, Uuid};

tidings_db::statements! {
    across query CURSOR = "SELECT xid, seq FROM sequencer WHERE id = 1";
    forked across query NEXT_EVENTS =
        "SELECT CAST(0 AS INTEGER), seq, tenant_id, id FROM events \
            WHERE seq > $2 AND $1 >= 0 ORDER BY seq LIMIT 500",
        "SELECT xid, seq, tenant_id, id FROM events WHERE (xid, seq) > ($1, $2) \
            AND xid < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT) \
            ORDER BY xid, seq LIMIT 500";
    forked across query UNPLACED =
        "SELECT COUNT(*), MIN(w.occurred_at) FROM (SELECT e.occurred_at FROM events e \
            JOIN sequencer s ON e.seq > s.seq ORDER BY e.seq LIMIT 10000) w",
        "SELECT COUNT(*), MIN(w.occurred_at) FROM (SELECT e.occurred_at FROM events e \
            JOIN sequencer s ON (e.xid, e.seq) > (s.xid, s.seq) \
            ORDER BY e.xid, e.seq LIMIT 10000) w";
    across command ADVANCE = "UPDATE sequencer SET xid = $1, seq = $2 \
        WHERE id = 1 AND xid = $3 AND seq = $4";
    across command COUNT_UP = "INSERT INTO position_counters (tenant_id, last) VALUES ($1, $2) \
        ON CONFLICT (tenant_id) DO UPDATE SET last = position_counters.last + excluded.last \
        RETURNING last";
    insert PLACE = "event_positions" (tenant_id uuid, position int, event_id uuid), "";
}

type Found = (i64, i64, TenantId, EventId);

/// Gives positions to at most 500 events. Says to how many. Two that run at once cannot both advance
/// the cursor, so this needs no stricter isolation, and makes no writer's unit run again.
pub(crate) async fn run(db: &Db) -> Result<usize, DbError> {
    let ctx = db.system_ctx("sequencer", TenantId::from_uuid(Uuid::nil()), true);
    let placed =
        db.write_bookkeeping::<usize, DbError, _>(&ctx, |work| Box::pin(place(work))).await?;
    Ok(placed.into_inner())
}

async fn place(work: &mut UnitOfWork) -> Result<usize, DbError> {
    let cursor: Option<(i64, i64)> = work.reader().row(&CURSOR, &[]).await?;
    let (xid, seq) = cursor.ok_or(DbError::Decode { column: 0 })?;
    let found: Vec<Found> = work.reader().rows(&NEXT_EVENTS, args![xid, seq]).await?;
    let Some(&(last_xid, last_seq, ..)) = found.last() else { return Ok(0) };
    let mut by_tenant: BTreeMap<TenantId, Vec<EventId>> = BTreeMap::new();
    for (_, _, tenant_id, event_id) in &found {
        by_tenant.entry(*tenant_id).or_default().push(*event_id);
    }
    let mut writer = work.silent(Silent::Sequencing);
    let mut rows = Vec::with_capacity(found.len());
    for (tenant_id, events) in by_tenant {
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let last: Vec<(i64,)> = writer.returning(&COUNT_UP, args![tenant_id, count]).await?;
        let (last,) = *last.first().ok_or(DbError::Decode { column: 0 })?;
        for (event_id, position) in events.into_iter().zip(last - count + 1..) {
            rows.push(vec![tenant_id.to_value(), position.to_value(), event_id.to_value()]);
        }
    }
    writer.execute_many(&PLACE, &rows).await?;
    let advanced = writer.execute(&ADVANCE, args![last_xid, last_seq, xid, seq]).await?;
    if advanced == 1 { Ok(found.len()) } else { Err(DbError::Stale) }
}

/// Whether committed events wait for a position. On PostgreSQL they wait as long as an older
/// transaction runs anywhere on the server.
pub(crate) async fn is_behind(db: &Db) -> Result<bool, DbError> {
    Ok(unplaced(db.read_across_tenants().await?.reader()).await?.0 > 0)
}

/// How many committed events wait for a position, and since when the oldest does. The count ends at
/// ten thousand: whoever asks wants to know whether it is much.
pub(crate) async fn unplaced(mut reader: Reader<'_>) -> Result<(i64, Option<Timestamp>), DbError> {
    let row: Option<(i64, Option<Timestamp>)> = reader.row(&UNPLACED, &[]).await?;
    row.ok_or(DbError::Decode { column: 0 })
}
