//! Events that are not dispatched yet, as the deliveries that they will be.

use std::sync::Arc;

use tidings_kernel::{DeliveryId, TenantId, Uuid};

use crate::delivery::{Delivery, DeliveryStatus};
use crate::engine::{Directory, TenantDirectory, delivery_id};
use crate::error::WebhookError;
use crate::log_filter::IdRange;
use crate::service::Webhooks;
use crate::store::pointers::Pointer;
use crate::store::{deliveries, pointers};

/// Pointers that a list of deliveries looks at, to show what is not dispatched yet.
const POINTERS_SHOWN: i64 = 200;

impl Webhooks {
    /// Pairs of the newest events in a range of ids, each with the event's object.
    pub(super) async fn undispatched(
        &self,
        tenant_id: TenantId,
        range: IdRange,
    ) -> Result<Vec<(Delivery, Uuid)>, WebhookError> {
        let waiting = self.pointers(tenant_id, range).await?;
        self.pairs(tenant_id, waiting).await
    }

    /// The pair with this id whose event is not dispatched yet: an id of a delivery names the
    /// millisecond of its event, however many came after it.
    pub(super) async fn find_undispatched(
        &self,
        tenant_id: TenantId,
        id: DeliveryId,
    ) -> Result<Option<Delivery>, WebhookError> {
        let mut range = Some(IdRange::of_event(id.uuid()));
        while let Some(within) = range {
            let waiting = self.pointers(tenant_id, within).await?;
            let last = waiting.last().map(|pointer| pointer.event_id.uuid());
            let pending = self.pairs(tenant_id, waiting).await?;
            if let Some((found, _)) = pending.into_iter().find(|(pair, _)| pair.id == id) {
                return Ok(Some(found));
            }
            range = last.and_then(|last| within.below(Some(last)));
        }
        Ok(None)
    }

    /// The newest pointers to events in a range of ids.
    async fn pointers(
        &self,
        tenant_id: TenantId,
        range: IdRange,
    ) -> Result<Vec<Pointer>, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        Ok(pointers::of_tenant(session.reader(), tenant_id, range, POINTERS_SHOWN).await?)
    }

    /// Who wants what: as the engine of this process has it compiled, or compiled for this once.
    async fn directory(&self, tenant_id: TenantId) -> Result<Arc<TenantDirectory>, WebhookError> {
        let Some(engine) = &self.engine else {
            let (db, vault, egress) = (self.db.clone(), self.vault.clone(), self.egress.clone());
            return Ok(Directory::new(db, vault, egress).get(tenant_id).await?);
        };
        engine.0.directory.refresh(&[tenant_id]).await?;
        Ok(engine.0.directory.get(tenant_id).await?)
    }

    /// Pairs of events that are not dispatched yet, as the deliveries that they will be, each with
    /// the event's object.
    async fn pairs(
        &self,
        tenant_id: TenantId,
        waiting: Vec<Pointer>,
    ) -> Result<Vec<(Delivery, Uuid)>, WebhookError> {
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let directory = self.directory(tenant_id).await?;
        let mut pending: Vec<(Delivery, Uuid)> = Vec::new();
        for pointer in waiting {
            let (at, seq) = (pointer.occurred_at, pointer.seq);
            let Some(name) = pointer.name else { continue };
            for subscription_id in directory.matching(&name, (seq, &pointer.body), pointer.target) {
                let delivery = Delivery {
                    id: delivery_id(pointer.event_id, subscription_id, b""),
                    event_id: pointer.event_id,
                    subscription_id,
                    origin: "event".to_owned(),
                    event_name: name.as_str().to_owned(),
                    status: DeliveryStatus::Pending,
                    attempts: 0,
                    next_attempt_at: Some(at),
                    last_status: None,
                    last_error: None,
                    reason: None,
                    created_at: at,
                    updated_at: at,
                    replay_id: None,
                };
                pending.push((delivery, pointer.order.0));
            }
        }
        let ids: Vec<DeliveryId> = pending.iter().map(|(delivery, _)| delivery.id).collect();
        let mut session = self.db.read(tenant_id).await?;
        let existing = deliveries::existing(session.reader(), tenant_id, &ids).await?;
        pending.retain(|(delivery, _)| !existing.contains(&delivery.id));
        pending.sort_by_key(|(delivery, _)| std::cmp::Reverse(delivery.id));
        Ok(pending)
    }
}
