//! Whether the database takes a write, asked for whoever probes.
//!
//! Anybody may probe, without a key, and each question is a write of its own; so an answer that is good
//! counts for a second, and questions that came while another was asked share its answer.

use std::time::Duration;

use tidings_db::DbError;
use tidings_identity::Identity;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What a probe waits for a write; whoever probes waits not much longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a good answer counts.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// What a database is that takes writes.
pub(crate) const OK: &str = "ok";

#[derive(Debug, Clone)]
struct Known {
    ended_at: Instant,
    answer: String,
}

/// What was last found.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<Known>>);

impl Readiness {
    /// Says [`OK`], or what the database says instead. One that answers questions only (a standby, a
    /// writer that stands still, a disk that is read-only now) can accept no change.
    pub(crate) async fn database(&self, identity: &Identity, is_shared: bool) -> String {
        let came_at = Instant::now();
        let mut known = self.0.lock().await;
        if let Some(known) = known.as_ref().filter(|known| counts(known, came_at)) {
            return known.answer.clone();
        }
        let requests = patiently(identity.try_write());
        // Loops have connections of their own: they may be deaf where requests are well.
        let answer = if is_shared {
            let (requests, loops) = tokio::join!(requests, patiently(identity.try_bookkeeping()));
            both(requests, &loops)
        } else {
            requests.await
        };
        *known = Some(Known { ended_at: Instant::now(), answer: answer.clone() });
        answer
    }
}

/// Whether what is known answers somebody who came at an instant: it was found after that, or it is
/// good and hardly older.
fn counts(known: &Known, came_at: Instant) -> bool {
    let age = came_at.saturating_duration_since(known.ended_at);
    known.ended_at >= came_at || (known.answer == OK && age < FRESH_FOR)
}

/// What requests found, and what the loops' connections found where that differs.
fn both(requests: String, loops: &str) -> String {
    if requests == OK && loops != OK { format!("bookkeeping: {loops}") } else { requests }
}

async fn patiently(writing: impl Future<Output = Result<(), DbError>>) -> String {
    match tokio::time::timeout(PATIENCE, writing).await {
        Ok(Ok(())) => OK.to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no write within {} seconds", PATIENCE.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_answer_counts_for_a_second_and_any_for_who_waited_for_it() {
        let came_at = Instant::now() + Duration::from_mins(1);
        for (answer, found, counted) in [
            (OK, came_at - Duration::from_millis(999), true),
            (OK, came_at - FRESH_FOR, false),
            ("no room", came_at - Duration::from_millis(1), false),
            ("no room", came_at, true),
            ("no room", came_at + Duration::from_secs(2), true),
        ] {
            let known = Known { ended_at: found, answer: answer.to_owned() };
            assert_eq!(counts(&known, came_at), counted, "{answer} {found:?}");
        }
    }

    #[test]
    fn the_pool_that_is_not_well_is_named() {
        for (requests, loops, said) in [
            (OK, OK, "ok"),
            ("no write within 2 seconds", OK, "no write within 2 seconds"),
            (OK, "no write within 2 seconds", "bookkeeping: no write within 2 seconds"),
            ("there is no room", "there is no room", "there is no room"),
        ] {
            assert_eq!(both(requests.to_owned(), loops), said);
        }
    }
}
