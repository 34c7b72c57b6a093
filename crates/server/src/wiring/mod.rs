//! What the domains need of each other and of the platform.

mod sweeps;

pub(crate) use sweeps::idempotent_replies;
