//! Subscriptions, matching, signing and the delivery engine.
//!
//! **The cast.** A [`Subscription`] says where events of which types go.
//! [`Filters`](matching::Filters) say what it wants, and an [`Index`](matching::Index) who wants
//! what in one tenant. A [`Signer`](signing::Signer) proves where a body comes from. A *delivery*
//! is one event for one subscription, and a [`DeliveryStatus`](delivery::DeliveryStatus) says how
//! far it has come; an *attempt* is one try, and a [`NextStep`](plan::NextStep) what follows it. A
//! *lane* is one endpoint's queue, and a [`Window`](window::Window) says how much the endpoint can
//! take at a time. The [`Engine`] moves deliveries through their lanes.
//!
//! **The plot.** An event is committed and handed to the engine in memory; the index names the
//! subscriptions that match; each gets a delivery, which is signed and sent; the outcome and the
//! retry policy give the next step; outcomes are written in batches. Whatever is not in memory any
//! more is found in the database.
//!
//! **The reasons.** Each decision is a pure function: it is given the time and the randomness, so
//! that a table can test it, and the engine is left with claiming, sending and settling. Memory is
//! only ever faster, never the only place: a pointer stays until every pair has its row.

pub mod ageing;
mod api;
pub mod breaker;
pub mod cloudevents;
mod commands;
pub mod delivery;
mod engine;
mod error;
mod event_type;
mod evolution;
pub mod handshake;
pub mod headers;
pub mod health;
pub mod jobs;
pub mod matching;
mod options;
pub mod payload_filter;
pub mod plan;
pub mod rate;
mod sample;
mod sealing;
mod service;
pub mod signing;
pub mod standing;
mod statistics;
mod store;
mod subscription;
pub mod window;
mod wire;

pub use api::routes;
pub use engine::{Engine, EngineMetrics, EngineParts};
pub use commands::{CreateSubscription, UpdateSubscription};
pub use error::WebhookError;
pub use options::Options;
pub use service::{Backlog, Webhooks};
pub use subscription::Subscription;

use tidings_db::Statement;

/// The statements of this crate, for the test that prepares all of them.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    [
        store::activity::ALL,
        store::deliveries::ALL,
        store::event_types::ALL,
        store::health::ALL,
        store::log::ALL,
        store::nodes::ALL,
        store::pointers::ALL,
        store::settle::ALL,
        store::statistics::ALL,
        store::subscriptions::ALL,
        store::type_versions::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}
