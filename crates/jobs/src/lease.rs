//! Which node does what all could do: one at a time, for a few seconds.

use tidings_db::{Db, DbError, Silent, args};
use tidings_kernel::{NodeId, TenantId, Uuid, limits};

tidings_db::statements! {
    across command TAKE = "INSERT INTO leases (name, node_id, until_at) VALUES ($1, $2, $3) \
        ON CONFLICT (name) DO UPDATE SET node_id = excluded.node_id, until_at = excluded.until_at \
        WHERE leases.node_id = excluded.node_id OR leases.until_at < $4";
    across command DROP_ALL = "DELETE FROM leases WHERE node_id = $1";
}

/// The leases of one node.
#[derive(Debug, Clone)]
pub struct Leases {
    db: Db,
    node_id: NodeId,
}

impl Leases {
    /// Leases for a node.
    pub fn new(db: Db, node_id: NodeId) -> Self {
        Self { db, node_id }
    }

    /// Takes or renews the lease with this name, and says whether this node has it now. Where only
    /// one process can open the database, it always has.
    pub async fn hold(&self, name: &'static str) -> Result<bool, DbError> {
        if !self.db.is_shared() {
            return Ok(true);
        }
        let now = self.db.lease_now().await?;
        let until = now.after(limits::NODE_DEAD_AFTER);
        let node_id = self.node_id;
        let ctx = self.db.system_ctx("leases", TenantId::from_uuid(Uuid::nil()), true);
        let taken = self
            .db
            .write_bookkeeping::<u64, DbError, _>(&ctx, move |work| {
                Box::pin(async move {
                    work.silent(Silent::NodeBookkeeping)
                        .execute(&TAKE, args![name, node_id, until, now])
                        .await
                })
            })
            .await?;
        Ok(taken.into_inner() > 0)
    }

    /// Gives every lease back, so that another node need not wait for its end.
    pub async fn release(&self) -> Result<(), DbError> {
        if !self.db.is_shared() {
            return Ok(());
        }
        let node_id = self.node_id;
        let ctx = self.db.system_ctx("leases", TenantId::from_uuid(Uuid::nil()), true);
        let released = self.db.write_bookkeeping::<u64, DbError, _>(&ctx, move |work| {
            Box::pin(async move {
                work.silent(Silent::NodeBookkeeping).execute(&DROP_ALL, args![node_id]).await
            })
        });
        released.await.map(|_| ())
    }
}
