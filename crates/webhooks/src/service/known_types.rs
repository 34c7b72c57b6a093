//! Custom types in memory, so that publishing does not read what it read a moment ago.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use tidings_db::{CommitSink, DbError, Reader};
use tidings_events::{CommittedEvent, CustomName};
use tidings_kernel::{EventTypeKind, Kind, TenantId};

use crate::event_type::CustomType;
use crate::store::event_types;

/// Types that are remembered; when there are more, all are forgotten.
const KNOWN_MAX: usize = 4_096;

type Types = HashMap<TenantId, HashMap<CustomName, Arc<CustomType>>>;

/// The custom types that were asked for lately. Only for a database that no other process writes:
/// it hears of changes from this process's own commits.
#[derive(Debug, Default)]
pub(super) struct KnownTypes {
    types: RwLock<Types>,
    /// Grows whenever something is forgotten, so that what was read before is not remembered.
    epoch: AtomicU64,
}

impl KnownTypes {
    fn write(&self) -> RwLockWriteGuard<'_, Types> {
        self.types.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A type that is remembered.
    pub(super) fn get(&self, tenant_id: TenantId, name: &CustomName) -> Option<Arc<CustomType>> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        types.get(&tenant_id)?.get(name).cloned()
    }

    /// Reads a type, and remembers it unless one of the tenant's changed meanwhile.
    pub(super) async fn read(
        &self,
        reader: Reader<'_>,
        tenant_id: TenantId,
        name: &CustomName,
    ) -> Result<Option<Arc<CustomType>>, DbError> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let found = event_types::find(reader, tenant_id, name).await?.map(Arc::new);
        if let Some(found) = &found {
            let mut types = self.write();
            if epoch == self.epoch.load(Ordering::Acquire) {
                if types.values().map(HashMap::len).sum::<usize>() >= KNOWN_MAX {
                    types.clear();
                }
                types.entry(tenant_id).or_default().insert(name.clone(), Arc::clone(found));
            }
        }
        Ok(found)
    }
}

impl CommitSink for KnownTypes {
    fn committed(&self, events: &[CommittedEvent]) {
        for event in events.iter().filter(|event| event.subject_id.prefix == EventTypeKind::PREFIX)
        {
            let mut types = self.write();
            self.epoch.fetch_add(1, Ordering::AcqRel);
            types.remove(&event.tenant_id);
        }
    }
}
