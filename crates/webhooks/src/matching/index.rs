//! The subscriptions of one tenant, by what they want.

use std::collections::HashMap;

use tidings_events::{CustomName, EventName, EventType};
use tidings_kernel::WebhookSubscriptionId;

use super::{Filters, prefixes};

/// Who wants what: built when a subscription changes, asked for each event.
#[derive(Debug, Clone)]
pub struct Index {
    /// By the place of the type in the catalog.
    types: Vec<Vec<WebhookSubscriptionId>>,
    names: HashMap<CustomName, Vec<WebhookSubscriptionId>>,
    prefixes: HashMap<Box<str>, Vec<WebhookSubscriptionId>>,
}

impl Index {
    /// Compiles the filters of a tenant's subscriptions, each of which is given once.
    pub fn build<'a>(
        subscriptions: impl IntoIterator<Item = (WebhookSubscriptionId, &'a Filters)>,
    ) -> Self {
        let mut types = vec![Vec::new(); EventType::ALL.len()];
        let mut names = HashMap::<_, Vec<_>>::new();
        let mut prefixes = HashMap::<_, Vec<_>>::new();
        for (subscription_id, filters) in subscriptions {
            for &event_type in EventType::ALL {
                if filters.types.contains(event_type) {
                    types[event_type as usize].push(subscription_id);
                }
            }
            for name in &filters.names {
                names.entry(name.clone()).or_default().push(subscription_id);
            }
            for prefix in &filters.prefixes {
                prefixes.entry(prefix.clone()).or_default().push(subscription_id);
            }
        }
        Self { types, names, prefixes }
    }

    /// The subscriptions that want events of this name, each once, in a time that does not depend
    /// on how many do not.
    pub fn matching(&self, name: &EventName) -> impl Iterator<Item = WebhookSubscriptionId> {
        let (exact, custom) = match name {
            EventName::Catalog(event_type) => (self.types.get(*event_type as usize), ""),
            EventName::Custom(name) => (self.names.get(name), name.as_str()),
        };
        let below = prefixes(custom).filter_map(|prefix| self.prefixes.get(prefix));
        exact.into_iter().chain(below).flatten().copied()
    }
}
