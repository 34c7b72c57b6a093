//! Subscriptions, matching, signing and the delivery engine.
//!
//! **The cast.** [`Filters`](matching::Filters) say what one subscription wants, and an
//! [`Index`](matching::Index) who wants what in one tenant. A [`Signer`](signing::Signer) proves
//! where a body comes from. A [`DeliveryStatus`](delivery::DeliveryStatus) says how far one event
//! has come towards one endpoint, and a [`NextStep`](plan::NextStep) what follows an attempt. A
//! [`Window`](window::Window) says how much an endpoint can take at a time.
//!
//! **The plot.** An event is committed; the index names the subscriptions that match; each gets a
//! delivery, which is signed and sent; the outcome and the retry policy give the next step.
//!
//! **The reasons.** Each of these decisions is a pure function: it is given the time and the
//! randomness, so that a table can test it, and the engine is left with claiming, sending and
//! settling.

pub mod delivery;
pub mod headers;
pub mod matching;
pub mod plan;
pub mod signing;
pub mod window;
