//! Rows of the webhooks domain.

pub(crate) mod activity;
pub(crate) mod deliveries;
pub(crate) mod delivery_list;
pub(crate) mod erasures;
pub(crate) mod event_types;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod log;
pub(crate) mod nodes;
pub(crate) mod pointers;
pub(crate) mod purge;
pub(crate) mod replayed;
pub(crate) mod replays;
pub(crate) mod retention;
pub(crate) mod settle;
pub(crate) mod settlements;
pub(crate) mod statistics;
pub(crate) mod stuck;
pub(crate) mod subscriptions;
pub(crate) mod type_versions;
