//! Customers: who the tenant does business with, and where each of them stands.
//!
//! **The cast.** A [`Customer`] is a person or a company, described by a [`Profile`] that callers
//! edit and [`Figures`] that are computed. It stands in one [`CustomerStatus`], and a [`Step`] leads
//! from one to the next. A [`Note`] is what somebody wrote about it, an [`Activity`] is a line of
//! its history. A [`Consent`] is what it allowed or forbade, with the evidence; a [`Contact`] is whom
//! to ask there. A [`Segment`] is a group that criteria or people put customers in.
//!
//! **The plot.** A verb reads a customer inside a unit of work, asks it to change, and applies the
//! [`Change`](tidings_kernel::Change) that it gets: the next state with the events that tell of it.
//! A verb that would change nothing tells nothing. Consequences outside of this domain (pausing
//! subscriptions) join the same unit through a port.
//!
//! **The reasons.** Fields stand in one table (`profile.rs`), so that none is forgotten where
//! changes are told, private ones hidden, or a person erased. Steps stand in one table
//! (`status.rs`), so that every route to a status goes through the same one.

mod activity;
mod api;
mod commands;
mod consent;
mod contact;
mod criteria;
mod customer;
mod error;
mod facts;
mod figures;
pub mod jobs;
mod note;
mod number;
mod ports;
mod profile;
mod segment;
mod service;
mod status;
mod store;
mod validation;

pub use activity::Activity;
pub use api::routes;
pub use commands::{
    AddContact, AddNote, CreateSegment, DeleteCustomer, RecordActivity, RecordConsent,
    RecordPurchase, SetStatus,
};
pub use consent::{Consent, Evidence};
pub use contact::Contact;
pub use criteria::Criteria;
pub use customer::{Customer, Presence};
pub use error::CustomerError;
pub use figures::Figures;
pub use note::Note;
pub use number::CustomerNumber;
pub use ports::{NoSubscriptions, Subscriptions, Touched};
pub use profile::{CreateCustomer, CustomField, PreferredChannel, Profile, UpdateCustomer};
pub use segment::Segment;
pub use service::Customers;
pub use status::Step;
pub use store::overview::Overview;
pub use tidings_events::customers::CustomerStatus;

use tidings_db::Statement;

/// The statements of this crate, for the test that prepares all of them.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    store::ALL.iter().flat_map(|file| file.iter()).copied()
}
