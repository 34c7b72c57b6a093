//! Which processes live, and what they hold.

use tidings_db::{DbError, Reader, Writer, args};
use tidings_kernel::{NodeId, Timestamp};

tidings_db::statements! {
    across command JOIN = "INSERT INTO nodes (id, name, started_at, alive_until, fenced) \
        VALUES ($1, $2, $3, $4, FALSE)";
    across command BEAT = "UPDATE nodes SET alive_until = $2 WHERE id = $1 AND fenced = FALSE";
    across command FENCE_DEAD = "UPDATE nodes SET fenced = TRUE \
        WHERE fenced = FALSE AND alive_until < $1";
    across command FENCE_OTHERS = "UPDATE nodes SET fenced = TRUE WHERE fenced = FALSE AND id <> $1";
    across command LEAVE = "UPDATE nodes SET fenced = TRUE WHERE id = $1";
    across command FORGET = "DELETE FROM nodes WHERE fenced = TRUE AND alive_until < $1";
    /// Changes nothing, and holds the row: who wants to fence this node waits for the end of the
    /// transaction.
    across command HOLD = "UPDATE nodes SET fenced = FALSE WHERE id = $1 AND fenced = FALSE";
    /// Holds the row in the same way, notes a batch, and gives the number of the one before.
    across command SETTLE = "UPDATE nodes SET settled_before = settled, settled = $2 \
        WHERE id = $1 AND fenced = FALSE RETURNING settled_before";
    across query COUNT_FENCED = "SELECT COUNT(*) FROM nodes WHERE fenced = TRUE";
    across query LIST = "SELECT id, name, started_at, alive_until, fenced FROM nodes \
        ORDER BY started_at";
    // The condition stands twice: of two nodes that adopt at once, the second waits for the first one's
    // rows, and looks at each again as it is then.
    across command ADOPT_POINTERS = "UPDATE dispatch SET node_id = $1 WHERE (tenant_id, event_id) IN \
        (SELECT d.tenant_id, d.event_id FROM dispatch d WHERE NOT EXISTS \
        (SELECT 1 FROM nodes n WHERE n.id = d.node_id AND n.fenced = FALSE) LIMIT 500) \
        AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = dispatch.node_id AND n.fenced = FALSE)";
    across command ADOPT_DELIVERIES = "UPDATE deliveries SET node_id = $1 WHERE (tenant_id, id) IN \
        (SELECT d.tenant_id, d.id FROM deliveries d WHERE d.next_attempt_at IS NOT NULL \
        AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = d.node_id AND n.fenced = FALSE) \
        LIMIT 500) \
        AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = deliveries.node_id AND n.fenced = FALSE)";
}

/// A node, for `doctor`: id, name, start, until when it said that it lives, whether it is fenced.
pub(crate) type NodeRow = (NodeId, String, Timestamp, Timestamp, bool);

pub(crate) async fn join(
    writer: &mut Writer<'_>,
    node_id: NodeId,
    name: &str,
    (now, until): (Timestamp, Timestamp),
) -> Result<(), DbError> {
    writer.execute(&JOIN, args![node_id, name, now, until]).await.map(|_| ())
}

/// Says that a node lives; `false` where it was fenced meanwhile.
pub(crate) async fn beat(
    writer: &mut Writer<'_>,
    node_id: NodeId,
    until: Timestamp,
) -> Result<bool, DbError> {
    Ok(writer.execute(&BEAT, args![node_id, until]).await? == 1)
}

/// Fences the nodes that have not said so for too long.
pub(crate) async fn fence_dead(writer: &mut Writer<'_>, now: Timestamp) -> Result<(), DbError> {
    writer.execute(&FENCE_DEAD, args![now]).await.map(|_| ())
}

/// Fences every other node: for a database that only one process can open.
pub(crate) async fn fence_others(writer: &mut Writer<'_>, node_id: NodeId) -> Result<u64, DbError> {
    writer.execute(&FENCE_OTHERS, args![node_id]).await
}

/// Says goodbye, so that others need not wait.
pub(crate) async fn leave(writer: &mut Writer<'_>, node_id: NodeId) -> Result<(), DbError> {
    writer.execute(&LEAVE, args![node_id]).await.map(|_| ())
}

/// Forgets nodes that were fenced long ago.
pub(crate) async fn forget(writer: &mut Writer<'_>, before: Timestamp) -> Result<(), DbError> {
    writer.execute(&FORGET, args![before]).await.map(|_| ())
}

/// Whether a node may still settle what it holds; nobody fences it before the transaction has ended.
pub(crate) async fn hold(writer: &mut Writer<'_>, node_id: NodeId) -> Result<bool, DbError> {
    Ok(writer.execute(&HOLD, args![node_id]).await? == 1)
}

/// Whether a node may write a batch of outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settling {
    /// It may, and nobody fences it before the transaction has ended.
    Open,
    /// It has written this batch: the answer to that commit was lost.
    Written,
    /// It was fenced.
    Fenced,
}

/// Notes a batch of outcomes as the last that a node has written; in the transaction that writes it.
pub(crate) async fn settle(
    writer: &mut Writer<'_>,
    node_id: NodeId,
    batch: i64,
) -> Result<Settling, DbError> {
    let before: Vec<(i64,)> = writer.returning(&SETTLE, args![node_id, batch]).await?;
    Ok(match before.first() {
        None => Settling::Fenced,
        Some((before,)) if *before == batch => Settling::Written,
        Some(_) => Settling::Open,
    })
}

/// Takes over a few of the pointers and deliveries that no living node holds. Says how many.
pub(crate) async fn adopt(writer: &mut Writer<'_>, node_id: NodeId) -> Result<u64, DbError> {
    let pointers = writer.execute(&ADOPT_POINTERS, args![node_id]).await?;
    Ok(pointers + writer.execute(&ADOPT_DELIVERIES, args![node_id]).await?)
}

/// How many nodes were fenced or have left.
pub(crate) async fn count_fenced(mut reader: Reader<'_>) -> Result<i64, DbError> {
    reader.scalar(&COUNT_FENCED, &[]).await
}

/// All nodes.
pub(crate) async fn list(mut reader: Reader<'_>) -> Result<Vec<NodeRow>, DbError> {
    reader.rows(&LIST, &[]).await
}
