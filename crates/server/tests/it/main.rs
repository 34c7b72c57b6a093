//! Stories through the front door, each on both engines.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails, with the reason")]

mod api;
mod customers;
mod deliveries;
mod flow;
mod foreign_library;
mod idempotency;
mod identity;
mod isolation;
mod jobs;
mod publishing;
mod scenarios;
mod statements;
mod subscriptions;
mod tour;
mod twins;
