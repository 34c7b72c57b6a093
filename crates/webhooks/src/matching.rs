//! Which subscriptions want an event: filters read once, compiled, and looked up.

mod index;
mod nearest;

use std::collections::BTreeSet;

use tidings_events::{CustomName, EventName, EventType, Visibility};
use tidings_kernel::FieldError;
use tidings_kernel::limits::FILTERS_MAX;

pub use index::Index;

/// The most faults of one list that are told: each costs a search for what was meant.
const FAULTS_MAX: usize = 10;
/// What the names of custom types start with.
const CUSTOM_PREFIX: &str = "custom.";

/// What one line of a subscription asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter(Pattern);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Everything,
    Type(EventType),
    /// All types of the catalog below a prefix, which ends in a full stop.
    Types(Box<str>),
    Custom(CustomName),
    /// All custom types below a prefix, which ends in a full stop.
    Customs(Box<str>),
}

/// A text that is not a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// The text; cut where it is longer than any name.
    pub text: String,
    /// A filter that may have been meant.
    pub nearest: Option<String>,
    /// What is wrong with it.
    pub fault: FilterFault,
}

/// What is wrong with a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterFault {
    /// No event type has this name.
    Unknown,
    /// A wildcard that no event type matches.
    Unmatched,
    /// An asterisk in another place than alone or after the last full stop.
    Asterisk,
    /// A type that is only ever sent to the one endpoint that asked for it.
    Targeted,
}

impl std::fmt::Display for FilterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = &self.text;
        match self.fault {
            FilterFault::Unknown => write!(f, "there is no event type {text:?}")?,
            FilterFault::Unmatched => write!(f, "no event type matches {text:?}")?,
            FilterFault::Asterisk => write!(
                f,
                "{text:?} is not a filter: an asterisk stands alone or after the last full stop, \
                 as in customer.*"
            )?,
            FilterFault::Targeted => write!(
                f,
                "{text:?} needs no subscription: it is sent to the endpoint that is tested"
            )?,
        }
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FilterError {}

/// Whether a filter can match a type: it is delivered, and not to one endpoint only.
fn subscribable(event_type: EventType) -> bool {
    event_type.visibility() == Visibility::Public && event_type != EventType::WebhookTest
}

/// The types that a filter can match.
fn subscribable_types() -> impl Iterator<Item = EventType> {
    EventType::ALL.iter().copied().filter(|&event_type| subscribable(event_type))
}

/// What stands before the asterisk of a wildcard: `customer.` of `customer.*`.
fn wildcard(text: &str) -> Option<&str> {
    text.strip_suffix('*').filter(|prefix| prefix.ends_with('.'))
}

/// The prefixes of a name, shortest first: `custom.`, `custom.order.`.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, stop)| &name[..at + stop.len()])
}

impl EventFilter {
    /// Reads a filter: a name of the catalog or of a registered custom type, a wildcard such as
    /// `customer.*` or `custom.order.*`, or `*`.
    pub fn parse(text: &str, registered: &BTreeSet<CustomName>) -> Result<Self, FilterError> {
        let pattern = Pattern::read(text).and_then(|pattern| {
            let unregistered =
                matches!(&pattern, Pattern::Custom(name) if !registered.contains(name));
            if unregistered { Err(FilterFault::Unknown) } else { Ok(pattern) }
        });
        pattern.map(Self).map_err(|fault| FilterError {
            text: text.chars().take(CustomName::CHARS_MAX).collect(),
            nearest: nearest::filter(text, registered),
            fault,
        })
    }
}

impl std::fmt::Display for EventFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Pattern::Everything => f.write_str("*"),
            Pattern::Type(event_type) => f.write_str(event_type.name()),
            Pattern::Custom(name) => f.write_str(name.as_str()),
            Pattern::Types(prefix) | Pattern::Customs(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl Pattern {
    fn read(text: &str) -> Result<Self, FilterFault> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        if let Some(prefix) = wildcard(text) {
            return Self::below(prefix);
        }
        if text.contains('*') {
            return Err(FilterFault::Asterisk);
        }
        match EventType::find(text) {
            Some(event_type) if subscribable(event_type) => Ok(Self::Type(event_type)),
            Some(EventType::WebhookTest) => Err(FilterFault::Targeted),
            // Types that stay inside are nobody's business outside.
            Some(_) => Err(FilterFault::Unknown),
            None => text.parse().map(Self::Custom).map_err(|_| FilterFault::Unknown),
        }
    }

    fn below(prefix: &str) -> Result<Self, FilterFault> {
        let parent = prefix.trim_end_matches('.');
        // Types that are registered later match too, so none needs to be there yet.
        let one_stop = parent.len() + 1 == prefix.len();
        if prefix == CUSTOM_PREFIX || (one_stop && parent.parse::<CustomName>().is_ok()) {
            return Ok(Self::Customs(Box::from(prefix)));
        }
        if prefix.contains('*') {
            return Err(FilterFault::Asterisk);
        }
        let matches = subscribable_types().any(|event_type| event_type.name().starts_with(prefix));
        if matches { Ok(Self::Types(Box::from(prefix))) } else { Err(FilterFault::Unmatched) }
    }
}

/// A set of types of the catalog, one bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct TypeSet([u64; EventType::ALL.len().div_ceil(64)]);

impl TypeSet {
    fn insert(&mut self, event_type: EventType) {
        let bit = event_type as usize;
        self.0[bit / 64] |= 1 << (bit % 64);
    }

    fn contains(self, event_type: EventType) -> bool {
        let bit = event_type as usize;
        self.0[bit / 64] & (1 << (bit % 64)) != 0
    }
}

/// The filters of one subscription, compiled.
///
/// What is asked for twice, by name and by wildcard or by two wildcards, is kept once, so that an
/// event finds a subscription on one way only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    given: Vec<EventFilter>,
    types: TypeSet,
    names: BTreeSet<CustomName>,
    prefixes: BTreeSet<Box<str>>,
}

impl Filters {
    /// Compiles filters.
    pub fn new(filters: impl IntoIterator<Item = EventFilter>) -> Self {
        let mut compiled = Self::default();
        for filter in filters {
            if !compiled.given.contains(&filter) {
                compiled.add(&filter.0);
                compiled.given.push(filter);
            }
        }
        let all = std::mem::take(&mut compiled.prefixes);
        for prefix in all {
            // In this order a prefix stands before all that it covers.
            if !covered(&compiled.prefixes, &prefix[..prefix.len() - 1]) {
                compiled.prefixes.insert(prefix);
            }
        }
        let prefixes = &compiled.prefixes;
        compiled.names.retain(|name| !covered(prefixes, name.as_str()));
        compiled
    }

    fn add(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Everything => {
                subscribable_types().for_each(|event_type| self.types.insert(event_type));
                self.prefixes.insert(Box::from(CUSTOM_PREFIX));
            }
            Pattern::Type(event_type) => self.types.insert(*event_type),
            Pattern::Types(prefix) => subscribable_types()
                .filter(|event_type| event_type.name().starts_with(&**prefix))
                .for_each(|event_type| self.types.insert(event_type)),
            Pattern::Custom(name) => {
                self.names.insert(name.clone());
            }
            Pattern::Customs(prefix) => {
                self.prefixes.insert(prefix.clone());
            }
        }
    }

    /// Reads the `events` of a subscription as it was sent, and tells every fault in it.
    pub fn parse<T: AsRef<str>>(
        texts: &[T],
        registered: &BTreeSet<CustomName>,
    ) -> Result<Self, Vec<FieldError>> {
        let fault = |code, message| Err(vec![FieldError::new("/events", code, message)]);
        if texts.is_empty() {
            return fault("required", "name at least one event type, or * for all".to_owned());
        }
        if texts.len() > FILTERS_MAX {
            return fault("too_many", format!("there are at most {FILTERS_MAX} filters"));
        }
        let (mut filters, mut faults) = (Vec::with_capacity(texts.len()), Vec::new());
        for (place, text) in texts.iter().enumerate() {
            match EventFilter::parse(text.as_ref(), registered) {
                Ok(filter) => filters.push(filter),
                Err(error) => {
                    let pointer = format!("/events/{place}");
                    faults.push(FieldError::new(pointer, "unknown_event_type", error.to_string()));
                }
            }
            if faults.len() == FAULTS_MAX {
                break;
            }
        }
        if faults.is_empty() { Ok(Self::new(filters)) } else { Err(faults) }
    }

    /// Reads filters that were checked when they were stored. One that names what has since left
    /// the catalog has nothing left to match, and is passed over.
    pub fn stored<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(texts.into_iter().filter_map(|text| Pattern::read(text).ok().map(EventFilter)))
    }

    /// The filters as they were given, each once.
    pub fn given(&self) -> &[EventFilter] {
        &self.given
    }

    /// Whether the subscription wants events of this name.
    pub fn matches(&self, name: &EventName) -> bool {
        match name {
            EventName::Catalog(event_type) => self.types.contains(*event_type),
            EventName::Custom(name) => {
                self.names.contains(name) || covered(&self.prefixes, name.as_str())
            }
        }
    }
}

/// Whether one of the wildcards stands above a name.
fn covered(wildcards: &BTreeSet<Box<str>>, name: &str) -> bool {
    prefixes(name).any(|prefix| wildcards.contains(prefix))
}

#[cfg(test)]
mod tests;
