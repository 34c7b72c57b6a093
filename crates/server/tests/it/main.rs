//! Stories through the front door, each on both engines.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails, with the reason")]

mod api;
mod attempt_log;
mod charts;
mod customers;
mod deliveries;
mod delivery_search;
mod event_types;
mod explain;
mod flow;
mod foreign_library;
mod idempotency;
mod identity;
mod isolation;
mod jobs;
mod live_tail;
mod payload_filters;
mod publishing;
mod scenarios;
mod statements;
mod subscription_care;
mod subscription_signing;
mod subscriptions;
mod tour;
mod twins;
