//! The dialler seen from outside: addresses, URLs, replies and connections.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod addresses;
mod connections;
mod replies;
mod scripted;
mod urls;
