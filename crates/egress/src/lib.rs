//! The one guarded dialler to the outside world.
//!
//! The cast:
//!
//! - [`Policy`] says which addresses may be reached; [`verdict`] applies it to one address.
//! - [`Egress::vet`] turns text into a [`Target`], once, when an endpoint is saved or loaded.
//! - [`Egress::send`] posts to a target under one deadline (and [`Egress::options`] asks one, to learn
//!   whether it consents) and hands back an [`Exchange`]: a
//!   [`Reply`] or a [`SendError`], and how long each phase took.
//! - [`retry_after`] reads the one header of a reply that steers us, without trusting it.
//!
//! The plot of a send: take an idle connection or dial one (resolve, vet every answer, connect to
//! a vetted address, compare the peer, TLS by name), write, read the head, read a bounded body,
//! put the connection back. Nothing is followed, unpacked or sent twice.
//!
//! The reasons are in the crate's README.

mod body;
mod dial;
mod egress;
mod exchange;
mod failure;
mod link;
mod network;
mod options;
mod policy;
mod pool;
mod resolve;
mod retry_after;
mod stream;
mod target;

pub use egress::Egress;
pub use exchange::{Exchange, Phase, Phases, Reply, SendError};
pub use network::{Connecting, Duplex, Network, NetworkChoice};
pub use options::{Options, ResolverChoice, SetupError, Timeouts};
pub use policy::{AddressRefused, Policy, verdict};
pub use retry_after::retry_after;
pub use target::{Target, UrlRefused};
