//! Nodes on one database: a heartbeat, fencing of the dead, and adoption of what they held.
//!
//! Everything that is held is held by a node, not row by row. A node says every second that it
//! lives; one that has not for three is fenced by another in one statement, after which nothing
//! that it settles is written, and what it held goes to others. A node that cannot say that it
//! lives stops sending before the others may fence it.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_bus::{Pulse, Topic};
use tidings_db::{Db, DbError, Silent, work};
use tidings_kernel::{Ctx, NodeId, TenantId, Uuid, limits};
use tokio::time::Instant;

use super::{Engine, holding};
use crate::store::nodes;

/// Everything without a living holder is looked for this often, even when nobody was fenced.
const ADOPT_EVERY: Duration = Duration::from_secs(30);
/// The longest wait for a heartbeat: shorter than the time after which others may fence this node, so
/// that a connection that says nothing any more costs one heartbeat, and the next has another.
const PATIENCE: Duration = Duration::from_secs(2);
/// Fenced nodes are shown in `doctor` for so long.
const REMEMBERED: Duration = Duration::from_hours(24);

/// Whether this node may send: by its own monotonic clock, which no step of the wall clock moves.
pub(super) struct Lease {
    last_beat: Option<Mutex<Instant>>,
}

impl Lease {
    /// Counts from before the node asked to join.
    pub(super) fn new(shared: bool, asked: Instant) -> Self {
        Self { last_beat: shared.then(|| Mutex::new(asked)) }
    }

    pub(super) fn holds(&self) -> bool {
        self.last_beat.as_ref().is_none_or(|last| {
            let last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            holding::may_send(last.elapsed())
        })
    }

    /// Counts from before the heartbeat was sent, so that a slow answer makes it no longer.
    fn renew(&self, sent: Instant) {
        if let Some(last) = &self.last_beat {
            *last.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = sent;
        }
    }
}

fn ctx(db: &Db) -> Ctx {
    db.system_ctx("membership", TenantId::from_uuid(Uuid::nil()), true)
}

/// Enters this process among the nodes. Where only one process can open the database, the others
/// are of the past.
pub(super) async fn join(db: &Db, name: &str) -> Result<NodeId, DbError> {
    let now = db.lease_now().await?;
    let until = now.after(limits::NODE_DEAD_AFTER);
    let alone = !db.is_shared();
    let name = name.to_owned();
    let unit = work!([name], |work| async move {
        let node_id: NodeId = work.mint();
        let mut writer = work.silent(Silent::NodeBookkeeping);
        nodes::join(&mut writer, node_id, &name, (now, until)).await?;
        if alone {
            nodes::fence_others(&mut writer, node_id).await?;
        }
        nodes::forget(&mut writer, now.before(REMEMBERED)).await?;
        Ok::<NodeId, DbError>(node_id)
    });
    let node_id = db.write_bookkeeping(&ctx(db), unit).await?.into_inner();
    db.set_node(node_id);
    Ok(node_id)
}

/// Leaves: what this node holds is free at once.
pub(super) async fn leave(db: &Db, node_id: NodeId) -> Result<(), DbError> {
    let unit = work!([], |work| async move {
        nodes::leave(&mut work.silent(Silent::NodeBookkeeping), node_id).await
    });
    db.write_bookkeeping(&ctx(db), unit).await.map(|_| ())
}

/// Says that this node lives, fences those that do not, and adopts what they held; for ever.
pub(super) async fn run(engine: Engine, name: String, pulse: Pulse) {
    let mut adopted_at = Instant::now();
    let mut known_fenced = -1;
    loop {
        pulse.beat();
        if engine.is_draining() {
            return;
        }
        pulse.waits_for("the database to take a heartbeat");
        let sent = Instant::now();
        let taken = tokio::time::timeout(PATIENCE, beat(&engine)).await;
        match taken.unwrap_or_else(|_| Err(silent())) {
            Ok(Beat::Alive { fenced }) => {
                engine.0.lease.renew(sent);
                if fenced != known_fenced || adopted_at.elapsed() >= ADOPT_EVERY {
                    adopted_at = Instant::now();
                    // Where not all was taken over, the next heartbeat asks again.
                    known_fenced = if adopt(&engine).await { fenced } else { -1 };
                }
            }
            Ok(Beat::Fenced) => rejoin(&engine, &name).await,
            Err(error) => tracing::warn!(%error, "no heartbeat"),
        }
        tokio::select! {
            biased;
            () = engine.0.tasks.shutdown().cancelled() => return,
            () = tokio::time::sleep(limits::HEARTBEAT_EVERY) => {}
        }
    }
}

enum Beat {
    /// With the number of nodes that are fenced or have left.
    Alive {
        fenced: i64,
    },
    Fenced,
}

fn silent() -> DbError {
    DbError::Unavailable(format!("it said nothing within {} seconds", PATIENCE.as_secs()))
}

async fn beat(engine: &Engine) -> Result<Beat, DbError> {
    let db = &engine.0.db;
    let node_id = engine.node_id();
    let now = db.lease_now().await?;
    let unit = work!([], |work| async move {
        let mut writer = work.silent(Silent::NodeBookkeeping);
        let alive = nodes::beat(&mut writer, node_id, now.after(limits::NODE_DEAD_AFTER)).await?;
        if !alive {
            return Ok::<_, DbError>(None);
        }
        nodes::fence_dead(&mut writer, now).await?;
        Ok(Some(nodes::count_fenced(work.reader()).await?))
    });
    let fenced = db.write_bookkeeping(&ctx(db), unit).await?.into_inner();
    Ok(fenced.map_or(Beat::Fenced, |fenced| Beat::Alive { fenced }))
}

/// Takes over what no living node holds, a few hundred rows at a time. Says whether nothing
/// is left.
async fn adopt(engine: &Engine) -> bool {
    let db = &engine.0.db;
    let node_id = engine.node_id();
    loop {
        let unit = work!([], |work| async move {
            nodes::adopt(&mut work.silent(Silent::NodeBookkeeping), node_id).await
        });
        match db.write_bookkeeping(&ctx(db), unit).await.map(tidings_db::Committed::into_inner) {
            Ok(0) => return true,
            Ok(rows) => {
                tracing::info!(rows, "took over what no living node held");
                engine.0.overflowed.store(true, Ordering::Release);
                engine.0.bus.wake(Topic::Dispatch);
            }
            Err(error) => {
                tracing::warn!(%error, "nothing could be taken over");
                // It may have been, and the answer was lost.
                engine.0.overflowed.store(true, Ordering::Release);
                engine.0.bus.wake(Topic::Dispatch);
                return false;
            }
        }
    }
}

/// After being fenced: everything in memory belongs to others now. Begin again as a new node.
async fn rejoin(engine: &Engine, name: &str) {
    tracing::error!("this node was fenced; it begins again");
    let sent = Instant::now();
    let node_id = match join(&engine.0.db, name).await {
        Ok(node_id) => node_id,
        // It sends nothing meanwhile: the lease of the node that it was is long over.
        Err(error) => return tracing::warn!(%error, "the node could not join again"),
    };
    for lane in engine.lanes().values() {
        lane.clear(&engine.0.metrics);
    }
    // After the lanes: what the new node takes up is in its hands, and stays there.
    engine.in_hand().begin_again(node_id);
    engine.0.lease.renew(sent);
    // What was written as the new node before this line was handed to nobody.
    engine.0.overflowed.store(true, Ordering::Release);
}
