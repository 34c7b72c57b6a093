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
mod ambiguity;
mod api;
pub mod breaker;
mod chart;
pub mod cloudevents;
mod commands;
pub mod delivery;
mod engine;
mod erasure;
mod error;
mod event_type;
mod evolution;
mod explain;
pub mod handshake;
pub mod headers;
pub mod health;
pub mod jobs;
mod kept;
mod log_filter;
pub mod matching;
mod options;
pub mod parsers;
pub mod payload_filter;
pub mod plan;
pub mod rate;
mod redaction;
mod replay;
mod retention;
mod sample;
mod sealing;
mod search;
mod service;
mod settlement;
pub mod signing;
pub mod standing;
mod statistics;
mod store;
pub mod stuck;
mod subscription;
pub mod window;
mod wire;

pub use api::{privacy_routes, routes};
pub use commands::{CreateSubscription, UpdateSubscription};
pub use engine::{Engine, EngineMetrics, EngineNow, EngineParts, LaneNow, SlotsNow};
pub use error::WebhookError;
pub use options::Options;
pub use service::{Backlog, NodeSeen, Webhooks};
pub use subscription::Subscription;

use tidings_db::Statement;

/// The statements of this crate, for the test that prepares all of them.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    [
        store::activity::ALL,
        store::deliveries::ALL,
        store::delivery_list::ALL,
        store::erasures::ALL,
        store::event_types::ALL,
        store::explain::ALL,
        store::health::ALL,
        store::log::ALL,
        store::nodes::ALL,
        store::pointers::ALL,
        store::purge::ALL,
        store::replayed::ALL,
        store::replays::ALL,
        store::retention::ALL,
        store::settle::ALL,
        store::settlements::ALL,
        store::statistics::ALL,
        store::stuck::ALL,
        store::subscriptions::ALL,
        store::type_versions::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}
