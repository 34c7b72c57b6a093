//! Stories through the front door, each on both engines.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails, with the reason")]

mod api;
mod clock_steps;
mod customer_people;
mod customers;
mod deliveries;
mod diagnosis;
mod event_types;
mod flow;
mod foreign_library;
mod idempotency;
mod idempotency_faults;
mod identity;
mod isolation;
mod jobs;
mod metrics;
mod payload_filters;
mod publishing;
mod replay_selection;
mod replays;
mod scenarios;
mod statements;
mod subscription_care;
mod subscription_signing;
mod subscriptions;
mod tour;
mod traces;
mod twins;
