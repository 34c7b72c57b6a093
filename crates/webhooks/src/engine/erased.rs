//! Subjects that are being erased: nothing of them is sent any more, wherever it waits in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use tidings_kernel::{TenantId, Timestamp};

use crate::erasure::names;

/// Erasures that a node remembers.
pub(super) const KNOWN_MAX: i64 = 1_000;

/// What was asked to be erased lately, as of the last look.
#[derive(Debug, Default)]
pub(super) struct Erased {
    /// Whether there is any: most times there is none, and no body is looked into.
    any: AtomicBool,
    subjects: RwLock<HashMap<TenantId, Vec<(String, Timestamp)>>>,
}

impl Erased {
    /// Learns what there is now.
    pub(super) fn learn(&self, recent: Vec<(TenantId, String, Timestamp)>) {
        let any = !recent.is_empty();
        if !any && !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut subjects: HashMap<TenantId, Vec<(String, Timestamp)>> = HashMap::new();
        for (tenant_id, subject, before) in recent {
            subjects.entry(tenant_id).or_default().push((subject, before));
        }
        *self.subjects.write().unwrap_or_else(PoisonError::into_inner) = subjects;
        self.any.store(any, Ordering::Release);
    }

    /// Whether a delivery of this body, which came up at an instant, is not to be sent any more.
    pub(super) fn covers(&self, tenant_id: TenantId, body: &[u8], created_at: Timestamp) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let subjects = self.subjects.read().unwrap_or_else(PoisonError::into_inner);
        subjects.get(&tenant_id).is_some_and(|of_tenant| {
            of_tenant.iter().any(|(subject, before)| created_at < *before && names(body, subject))
        })
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::Uuid;

    use super::*;

    #[test]
    fn what_names_a_subject_and_came_up_before_is_covered() {
        let at = Timestamp::from_micros;
        let (acme, other) = (TenantId::from_uuid(Uuid::max()), TenantId::from_uuid(Uuid::nil()));
        let erased = Erased::default();
        assert!(!erased.covers(acme, b"cus_1", at(5)));
        erased.learn(vec![(acme, "cus_1".to_owned(), at(10))]);
        for (tenant_id, body, instant, wanted) in [
            (acme, "{\"id\":\"cus_1\"}", 9, true),
            (acme, "{\"id\":\"cus_1\"}", 10, false),
            (acme, "{\"id\":\"cus_2\"}", 9, false),
            (other, "{\"id\":\"cus_1\"}", 9, false),
        ] {
            let covered = erased.covers(tenant_id, body.as_bytes(), at(instant));
            assert_eq!(covered, wanted, "{tenant_id} {body} {instant}");
        }
        erased.learn(Vec::new());
        assert!(!erased.covers(acme, b"cus_1", at(5)), "it is forgotten in time");
    }
}
