//! Looks at much of a tenant's log at once: counted, so that nobody holds up the rest.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_kernel::{Problem, TenantId};

use crate::error::WebhookError;

/// Such looks in one process, of all tenants.
const ALL_MAX: usize = 4;

/// The long looks that are under way in one process.
#[derive(Debug, Clone, Default)]
pub(crate) struct LongLooks(Arc<Mutex<BTreeSet<TenantId>>>);

/// The place of one; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct LongLook {
    all: LongLooks,
    tenant_id: TenantId,
}

impl LongLooks {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<TenantId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a look of a tenant's, which has one at a time.
    pub(crate) fn take(&self, tenant_id: TenantId) -> Result<LongLook, WebhookError> {
        let mut taken = self.lock();
        if taken.contains(&tenant_id) {
            return Err(WebhookError::LooksAlready);
        }
        if taken.len() >= ALL_MAX {
            let message = "several dry runs and previews are under way; ask again in a moment";
            return Err(Problem::unavailable(message, 2).into());
        }
        taken.insert(tenant_id);
        Ok(LongLook { all: self.clone(), tenant_id })
    }
}

impl Drop for LongLook {
    fn drop(&mut self) {
        self.all.lock().remove(&self.tenant_id);
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::{ProblemKind, Uuid};

    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    fn refusal(looks: &LongLooks, number: u128) -> ProblemKind {
        Problem::from(looks.take(tenant(number)).unwrap_err()).kind
    }

    #[test]
    fn a_tenant_looks_once_at_a_time_and_only_few_do() {
        let looks = LongLooks::default();
        let first = looks.take(tenant(1)).unwrap();
        assert_eq!(refusal(&looks, 1), ProblemKind::LimitReached);
        let others: Vec<LongLook> = (2..=4).map(|n| looks.take(tenant(n)).unwrap()).collect();
        assert_eq!(refusal(&looks, 5), ProblemKind::Unavailable);
        drop(first);
        assert!(looks.take(tenant(1)).is_ok(), "it may look again");
        drop(others);
        assert!(looks.lock().is_empty(), "nobody is remembered who is gone");
    }
}
