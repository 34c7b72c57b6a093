//! The verbs over a database, with their jobs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod consents;
mod contacts;
mod deletion;
mod segments;
mod subscriptions;
mod verbs;
mod world;
