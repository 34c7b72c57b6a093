//! The words that every other crate speaks.
//!
//! **The cast.** An [`Id`] names one thing and knows its kind. A [`Timestamp`] is an instant in
//! microseconds; a [`Clock`] tells which one is now. A [`Change`] is a next state together with
//! the events that tell of it. A [`Ctx`] says who acts, for which tenant, at which instant. A
//! [`Problem`] is what a refused caller is told. A [`Page`] is one screenful of a list.
//!
//! **The plot.** A request arrives with a credential and becomes a [`Ctx`]. A domain function
//! turns one state into a [`Change`], or refuses with an error that maps to a [`Problem`].
//!
//! **The reasons.** This crate does no I/O, has no `async` and reads no clock, so everything that
//! is built on it can be run twice with the same result.

mod change;
mod ctx;
mod id;
pub mod limits;
mod mention;
mod page;
mod patch;
mod problem;
mod seed;
pub mod text;
mod time;
mod trace;

pub use change::{Change, ChangeParts, Entity, Metadata, Version};
pub use ctx::{Actor, Cause, Ctx, Grants, Permission};
pub use id::*;
pub use mention::Mentions;
pub use page::{Cursor, CursorError, Page, PageParams};
pub use patch::Patch;
pub use problem::{FieldError, Problem, ProblemKind};
pub use seed::{IdSeed, Ordinals};
pub use time::{Clock, OnJump, SystemClock, TestClock, Timestamp, TimestampError, time_zone};
pub use trace::TraceContext;
pub use uuid::Uuid;
