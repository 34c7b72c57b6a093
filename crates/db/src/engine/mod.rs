//! The two engines, and the database of simulations.

mod connect;
pub(crate) mod group;
pub(crate) mod postgres;
pub(crate) mod queue;
mod room;
pub(crate) mod simulated;
pub(crate) mod sqlite;
