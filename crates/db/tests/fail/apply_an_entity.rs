//! A unit of work takes a change, which has an event, and not a mere next state.

use tidings_db::{DbError, Stored, UnitOfWork};
use tidings_events::Event;

async fn save_in_silence<S>(work: &mut UnitOfWork, next: S) -> Result<S, DbError>
where
    S: Stored,
    S::Event: Into<Event>,
{
    work.apply(next).await
}

fn main() {}
