//! Stories through the front door, each on both engines.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails, with the reason")]

mod api;
mod attempt_log;
mod charts;
mod clock_steps;
mod customer_people;
mod customers;
mod deliveries;
mod delivery_search;
mod diagnosis;
mod erasure;
mod event_types;
mod explain;
mod flow;
mod foreign_library;
mod hostile_clients;
mod idempotency;
mod idempotency_faults;
mod identity;
mod isolation;
mod jobs;
mod live_tail;
mod metrics;
mod payload_filters;
mod poison;
mod publishing;
mod redaction;
mod retention;
mod scenarios;
mod statements;
mod subscription_care;
mod subscription_signing;
mod subscriptions;
mod tour;
mod traces;
mod twins;
