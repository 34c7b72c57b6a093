//! The real engine on several nodes, in virtual time, with seeded faults, and a judge.
//!
//! **The cast.** A [`Scenario`](scenario::Scenario) is what happens, rolled from a seed before it
//! begins. A *node* is one machine with a runtime of its own, whose time stands still until the
//! simulation moves it, and on it the product's own engine, customers and subscriptions. All nodes
//! share a database in memory, each at the end of a *road* that delays and loses. *Receivers* are
//! at the other end of a network in memory. Everything is written into the *book*.
//!
//! **The plot.** Nodes take turns of a few milliseconds, in an order that the seed gives. Between
//! turns they are killed, stand still, lose their roads. Then all is well again, the backlog drains,
//! and the *judge* compares what receivers saw with what was committed.
//!
//! **The reasons.** One thread, one source of randomness and no real clock: a seed gives the same
//! run every time, so what fails once fails again under a debugger.

mod actions;
mod book;
mod judge;
mod mutation;
mod node;
mod observer;
mod receivers;
mod road;
mod scenario;
mod time;
mod world;

pub use mutation::Mutation;

use tidings_db::Statement;

/// What one simulation came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed that it was rolled from.
    pub seed: u64,
    /// The trace as one number: the same on every run of the seed.
    pub digest: String,
    /// What happened, in order.
    pub trace: Vec<String>,
    /// What the judge found; nothing, where every promise was kept.
    pub violations: Vec<String>,
    /// Public events that were committed.
    pub events: usize,
    /// Requests that receivers read.
    pub arrivals: usize,
    /// Kills, stalls, lost questions and answers.
    pub disturbances: usize,
}

/// Runs one simulation. A mutation falsifies what the judge is shown, to see whether it notices.
///
/// # Panics
///
/// Where a simulation cannot be set up.
pub fn simulate(seed: u64, mutation: Option<Mutation>) -> Report {
    world::World::new(seed).run(mutation)
}

/// The statements of this crate, for the tests that prepare all of them.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    [actions::ALL, judge::ALL, observer::ALL].into_iter().flatten().copied()
}
