//! A change of state and its events, as one value.

use std::collections::BTreeMap;
use std::panic::Location;

use crate::AnyId;

/// What the owner of an object attached to it; sent as `custom_metadata`.
pub type Metadata = BTreeMap<String, String>;

/// How many events an object has had: it grows by one with each, and is the consumer's ordering
/// key (`subject.version`).
pub type Version = i64;

/// A thing with a state that changes, and whose changes are told.
pub trait Entity: Sized {
    /// The events of this kind of thing.
    type Event;

    /// What `subject.type` says: `customer`.
    const KIND: &'static str;

    /// The id that `subject.id` carries.
    fn id(&self) -> AnyId;

    /// The number of events so far; 0 for a thing that is not stored yet.
    fn version(&self) -> Version;

    /// Sets the version; called by the unit of work, once for each change.
    fn set_version(&mut self, version: Version);

    /// What the object's owner attached to it.
    fn metadata(&self) -> Option<&Metadata> {
        None
    }
}

/// The next state and the events that tell of it: the only thing a transition returns.
///
/// There is no way to make one without an event, and none to take the state out of it but to give
/// it to a unit of work.
#[must_use = "a change does nothing until a unit of work applies it"]
#[derive(Debug)]
pub struct Change<S: Entity> {
    state: S,
    first: S::Event,
    rest: Vec<S::Event>,
    dedupe_key: Option<String>,
    made_at: &'static Location<'static>,
}

impl<S: Entity> Change<S> {
    /// A state and the first event that tells of it.
    #[track_caller]
    pub fn new(state: S, event: impl Into<S::Event>) -> Self {
        Self {
            state,
            first: event.into(),
            rest: Vec::new(),
            dedupe_key: None,
            made_at: Location::caller(),
        }
    }

    /// Adds an event, to come after those that are there.
    pub fn and(mut self, event: impl Into<S::Event>) -> Self {
        self.rest.push(event.into());
        self
    }

    /// Allows this change once for each key in a tenant: a second one with the same key rolls its
    /// unit of work back.
    pub fn once(mut self, dedupe_key: impl Into<String>) -> Self {
        self.dedupe_key = Some(dedupe_key.into());
        self
    }

    /// Reads the state that would be, to decide or to test.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Reads the events, in order.
    pub fn events(&self) -> impl Iterator<Item = &S::Event> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// Takes it apart, for the unit of work.
    #[doc(hidden)]
    pub fn into_parts(self) -> ChangeParts<S> {
        let mut events = Vec::with_capacity(1 + self.rest.len());
        events.push(self.first);
        events.extend(self.rest);
        let Self { state, dedupe_key, made_at, .. } = self;
        ChangeParts { state, events, dedupe_key, made_at }
    }
}

/// A change, taken apart.
#[doc(hidden)]
#[derive(Debug)]
pub struct ChangeParts<S: Entity> {
    /// The next state.
    pub state: S,
    /// The events, in order.
    pub events: Vec<S::Event>,
    /// Once for each of these in a tenant.
    pub dedupe_key: Option<String>,
    /// The place in the source that made the change: what the coverage page shows.
    pub made_at: &'static Location<'static>,
}
