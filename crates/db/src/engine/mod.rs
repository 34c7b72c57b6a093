//! The two engines.

pub(crate) mod postgres;
pub(crate) mod queue;
mod room;
pub(crate) mod sqlite;
