//! One way to write every test: a real application, a real receiver, a clock that is moved.
//!
//! **The cast.** A [`TestApp`] is the whole program on one engine, on a port of its own, with a
//! clock that stands still and ids from a seed. A [`Tenant`] talks to it as an integrator does. A
//! [`Receiver`] is an endpoint with scripted answers that checks every signature.
//!
//! **The plot.** A story is written once with [`stories!`] and run on both engines:
//! it drives the public API, calls [`TestApp::settle`], and looks at what arrived.
//!
//! **The reasons.** What a user cannot see is not asserted, and what a user would wait for is not
//! slept for: `settle` dispatches, delivers and runs jobs until nothing is due.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot be set up fails at once, with the reason"
)]

mod app;
mod given;
pub mod postgres;
mod receiver;
mod scratch;
mod statements;
mod twins;
mod wire;

pub use app::{Emission, Tenant, TestApp, TestEngine};
pub use given::given;
pub use receiver::{Arrival, Receiver, Script};
pub use scratch::ScratchDir;
pub use statements::{Description, Ran, StatementLog};
pub use tidings_client::{Answer, Client, Events, Message};
pub use twins::{Twins, sabotaged};
pub use wire::{Cut, Wire};

/// Writes each story once and runs it on SQLite and on PostgreSQL.
///
/// ```ignore
/// stories! {
///     async fn a_customer_arrives(app: &TestApp) { … }
/// }
/// ```
#[macro_export]
macro_rules! stories {
    ($(async fn $name:ident($app:ident: &TestApp) $body:block)+) => {
        $(
            mod $name {
                use super::*;

                async fn story($app: &$crate::TestApp) $body

                #[test]
                fn on_sqlite() {
                    $crate::TestApp::run($crate::TestEngine::Sqlite, |app| Box::pin(story(app)));
                }

                #[test]
                fn on_postgres() {
                    $crate::TestApp::run($crate::TestEngine::Postgres, |app| Box::pin(story(app)));
                }
            }
        )+
    };
}
