//! The catalog: each event type is defined once, and everything else about it is derived.
//!
//! **The cast.** A payload is a struct with the facts of one kind of happening. An [`EventType`]
//! is its name, with a version, a [`Priority`] and a [`Visibility`]. An [`Event`] is a payload that
//! is ready to be recorded. An [`Envelope`] is what a receiver gets.
//!
//! **The plot.** A payload becomes an [`Event`] by `From`; the unit of work gives it an id, a
//! subject version and an envelope, and records it with the change that it tells of. Schemas,
//! OpenAPI, pages, examples and the coverage page are read off [`EventType::for_each`].
//!
//! **The reasons.** A name that stands in two places will differ in one of them some day. So the
//! name, the version and the priority stand on one line of [`catalog`], the prose and the fields
//! on the struct, and nowhere else.

pub mod asyncapi;
mod catalog;
mod custom;
pub mod customers;
mod diff;
mod envelope;
mod example;
pub mod identity;
pub mod privacy;
mod roll;
pub mod schema;
pub mod webhooks;

pub use catalog::{
    Category, CustomerEvent, Event, EventName, EventType, IdentityEvent, Payload, PayloadVisitor,
    Priority, PrivacyEvent, Visibility, WebhookEvent,
};
pub use custom::{CustomName, CustomNameError};
pub use diff::{Diff, Previous};
pub use envelope::{ActorView, CauseView, CommittedEvent, Envelope, Subject};
pub use example::example_envelope;
pub use roll::{ROLL, RollCategory};
pub use schema::{Example, data_schema, envelope_schema};
