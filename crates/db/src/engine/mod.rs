//! The two engines.

pub(crate) mod postgres;
mod room;
pub(crate) mod sqlite;
