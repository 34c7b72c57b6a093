//! HTTP: declared routes, answers, problems, idempotency, permissions, OpenAPI.
//!
//! **The cast.** An [`Op`] declares one operation: method, path, name, who may call it, what it may
//! emit. [`Routes`] are a domain's operations with their handlers. A [`Call`] is one request that
//! has passed the door. [`Changed`] and [`Answer`] are the only things a handler can answer.
//!
//! **The plot.** The door reads the body within its bound, recognises the credential, checks the
//! declared permission, looks for the stored reply of an `Idempotency-Key`, and calls the handler.
//! A reading handler answers [`Answer`]; a changing one hands a unit of work to [`commit`], which
//! renders and stores the answer inside the unit and returns [`Changed`].
//!
//! **The reasons.** The signature of a handler says what it takes and answers, so the OpenAPI
//! document is read off it and cannot differ. `Changed` cannot be made without a commit, so a
//! handler that forgets to commit does not compile. A route has no default for who may call it.

mod answer;
mod api;
mod arrival;
mod auth;
mod body;
mod call;
mod commit;
mod cursor;
mod door;
mod erase;
mod idempotency;
mod in_flight;
mod live;
mod metrics;
mod numbered;
mod openapi;
pub mod parsers;
mod render;
mod routes;

pub use answer::{Answer, Changed, List, Reply};
pub use api::{Api, OperationInfo, Services};
pub use auth::{Access, AuthFuture, Authenticator, Principal};
pub use body::parse_json;
pub use call::{Body, Call, Input, Path, Query};
pub use commit::{commit, commit_shared};
pub use cursor::Cursors;
pub use in_flight::InFlight;
pub use live::{Frames, Live, Unread};
pub use metrics::HttpMetrics;
pub use numbered::{Numbered, PageNumber};
pub use openapi::Described;
pub use render::problem_response;
pub use routes::{Handler, Op, Routes};

use tidings_db::Statement;

/// The statements of this crate, for the test that prepares all of them.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    idempotency::ALL.iter().chain(erase::ALL).copied()
}

pub use erase::replace_replies;

/// The sweep that ends what stored replies are kept for.
pub use idempotency::{expired as expired_replies, purge as purge_replies};
