//! Who wants what, compiled: each tenant's index and endpoints, as of a generation.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use tidings_db::{Db, DbError};
use tidings_egress::{Egress, Target};
use tidings_events::EventName;
use tidings_kernel::{PageParams, TenantId, WebhookSubscriptionId, limits};
use tidings_vault::Vault;

use crate::matching::{Filters, Index};
use crate::payload_filter::{PayloadFilter, ReadBody};
use crate::plan::RetryPolicy;
use crate::redaction::Redactions;
use crate::sealing;
use crate::signing::profiles::{Keys, Signatures};
use crate::store::subscriptions;
use crate::subscription::{DeliveryOrder, Subscription};
use crate::wire::Wire;

/// Tenants whose directory is kept in memory.
const TENANTS_MAX: usize = 10_000;

/// An endpoint, ready to send to.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// `None` where today's rules refuse the URL that was saved.
    pub(crate) target: Option<Target>,
    /// What its requests look like.
    pub(crate) wire: Wire,
    /// Which events of the wanted types it gets; all of them where there is none.
    pub(crate) payload_filter: Option<PayloadFilter>,
    pub(crate) timeout: Duration,
    pub(crate) retry_policy: RetryPolicy,
    pub(crate) rate_per_second: Option<u32>,
    pub(crate) ordering: DeliveryOrder,
    /// The place of its making in the log: what is written after that is for it.
    pub(crate) made_at_seq: i64,
}

/// One tenant's endpoints that send, and who wants what.
#[derive(Debug)]
pub(crate) struct TenantDirectory {
    generation: i64,
    index: Index,
    endpoints: HashMap<WebhookSubscriptionId, Arc<Endpoint>>,
}

impl TenantDirectory {
    /// The endpoints that an event goes to: those that match and were there before it, or the one
    /// that it is for.
    pub(crate) fn matching(
        &self,
        name: &EventName,
        (seq, body): (i64, &[u8]),
        target: Option<WebhookSubscriptionId>,
    ) -> Vec<WebhookSubscriptionId> {
        if let Some(id) = target {
            return self.endpoints.contains_key(&id).then_some(id).into_iter().collect();
        }
        // Read for the first endpoint that asks what is in it, and then for all.
        let read = OnceCell::new();
        let wants = |endpoint: &Endpoint| {
            endpoint.made_at_seq < seq
                && endpoint
                    .payload_filter
                    .as_ref()
                    .is_none_or(|filter| filter.matches(read.get_or_init(|| ReadBody::of(body))))
        };
        let matching = self.index.matching(name);
        matching.filter(|id| self.endpoints.get(id).is_some_and(|e| wants(e))).collect()
    }

    pub(crate) fn endpoint(&self, id: WebhookSubscriptionId) -> Option<Arc<Endpoint>> {
        self.endpoints.get(&id).cloned()
    }
}

/// The directories of all tenants that had an event lately.
pub(crate) struct Directory {
    db: Db,
    vault: Arc<Vault>,
    egress: Egress,
    tenants: RwLock<HashMap<TenantId, Arc<TenantDirectory>>>,
    /// Grows whenever something is forgotten, so that what was compiled before is not kept.
    epoch: AtomicU64,
}

impl Directory {
    pub(crate) fn new(db: Db, vault: Arc<Vault>, egress: Egress) -> Self {
        Self { db, vault, egress, tenants: RwLock::default(), epoch: AtomicU64::new(0) }
    }

    /// Forgets a tenant's directory, because a subscription changed.
    pub(crate) fn forget(&self, tenant_id: TenantId) {
        let mut tenants = self.write();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        tenants.remove(&tenant_id);
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<TenantId, Arc<TenantDirectory>>> {
        self.tenants.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn cached(&self, tenant_id: TenantId) -> Option<Arc<TenantDirectory>> {
        let tenants = self.tenants.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        tenants.get(&tenant_id).cloned()
    }

    /// Where other nodes change subscriptions too, drops what is no longer current for these
    /// tenants. Asked after the events were committed, so a subscription that was there before an
    /// event is seen.
    pub(crate) async fn refresh(&self, tenants: &[TenantId]) -> Result<(), DbError> {
        if !self.db.is_shared() {
            return Ok(());
        }
        let mut session = self.db.read_across_tenants().await?;
        let current = subscriptions::generations(session.reader(), tenants).await?;
        let current: HashMap<TenantId, i64> = current.into_iter().collect();
        let mut cached = self.write();
        for tenant_id in tenants {
            let generation = current.get(tenant_id).copied().unwrap_or(0);
            if cached.get(tenant_id).is_some_and(|known| known.generation != generation) {
                cached.remove(tenant_id);
            }
        }
        Ok(())
    }

    /// A tenant's directory, compiled now where it is not there.
    pub(crate) async fn get(&self, tenant_id: TenantId) -> Result<Arc<TenantDirectory>, DbError> {
        if let Some(known) = self.cached(tenant_id) {
            return Ok(known);
        }
        let epoch = self.epoch.load(Ordering::Acquire);
        let compiled = Arc::new(self.compile(tenant_id).await?);
        let mut tenants = self.write();
        // A change that came in between may not be in what was read. It came after whatever this is
        // asked for, so it is good enough to use, and not to keep.
        if epoch == self.epoch.load(Ordering::Acquire) {
            if tenants.len() >= TENANTS_MAX {
                tenants.clear();
            }
            tenants.insert(tenant_id, Arc::clone(&compiled));
        }
        Ok(compiled)
    }

    async fn compile(&self, tenant_id: TenantId) -> Result<TenantDirectory, DbError> {
        let mut session = self.db.read(tenant_id).await?;
        let generation = subscriptions::generation(session.reader(), tenant_id).await?;
        let mut page = PageParams { limit: limits::PAGE_ROWS_MAX, after: None };
        let mut compiled: Vec<(WebhookSubscriptionId, Filters)> = Vec::new();
        let mut endpoints = HashMap::new();
        loop {
            let rows = subscriptions::list(session.reader(), tenant_id, page).await?;
            let sending: Vec<&Subscription> = rows.data.iter().filter(|row| row.sends()).collect();
            let ids: Vec<WebhookSubscriptionId> = sending.iter().map(|row| row.id).collect();
            let made = subscriptions::made_at_seq(session.reader(), tenant_id, &ids).await?;
            for subscription in sending {
                let filters = Filters::stored(subscription.events.iter().map(String::as_str));
                compiled.push((subscription.id, filters));
                endpoints.insert(
                    subscription.id,
                    Arc::new(self.endpoint(subscription, made.get(&subscription.id))),
                );
            }
            if rows.next.is_none() {
                break;
            }
            page.after = rows.next;
        }
        let index = Index::build(compiled.iter().map(|(id, filters)| (*id, filters)));
        Ok(TenantDirectory { generation, index, endpoints })
    }

    fn endpoint(&self, subscription: &Subscription, made_at_seq: Option<&i64>) -> Endpoint {
        let current = sealing::open_secret(&self.vault, subscription, &subscription.secret);
        let previous = subscription.previous.as_ref().map(|(sealed, until)| {
            (sealing::open_secret(&self.vault, subscription, sealed), *until)
        });
        let keys = Keys {
            current: &current,
            previous: previous.as_ref().map(|(secret, until)| (secret, *until)),
            ed25519: sealing::open_signing_key(&self.vault, subscription),
            ed25519_before: sealing::open_previous_key(&self.vault, subscription),
        };
        let options = &subscription.options;
        let origin = options.consented_to.as_deref();
        Endpoint {
            target: self.egress.vet(&subscription.url).ok(),
            wire: Wire {
                headers: self.headers(subscription),
                format: options.format,
                redactions: Redactions::compile(&options.redactions),
                signatures: Signatures::new(keys, options.signature_profiles.clone()),
                origin: origin.and_then(|origin| HeaderValue::from_str(origin).ok()),
            },
            payload_filter: options.payload_filter.as_ref().and_then(PayloadFilter::stored),
            timeout: Duration::from_secs(u64::from(subscription.timeout_seconds)),
            retry_policy: subscription.retry_policy,
            rate_per_second: subscription.rate_per_second,
            ordering: subscription.ordering,
            // Without its event, which is kept for longer than most, it is older than all of them.
            made_at_seq: made_at_seq.copied().unwrap_or(0),
        }
    }

    fn headers(&self, subscription: &Subscription) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in sealing::open_headers(&self.vault, subscription) {
            // They were checked when they were stored; what is no header any more is left out.
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_str(&name), HeaderValue::from_str(&value))
                && !crate::headers::is_reserved(name.as_str())
            {
                headers.insert(name, value);
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("Tidings/", env!("CARGO_PKG_VERSION"))),
        );
        headers
    }
}
