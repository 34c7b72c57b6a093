//! The keys whose first call runs in this process, and who waits for it.
//!
//! This decides nothing: the record of a key is the row that its unit of work writes, and two calls
//! with one key, on one node or on two, are settled there. It spares the second call its attempt, and
//! lets it wait for the first one's answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Who is at work on which key.
#[derive(Debug, Default, Clone)]
pub struct InFlight(Arc<Mutex<HashMap<String, Weak<Turn<()>>>>>);

/// The turn of one call with its key, as long as the value lives.
#[derive(Debug)]
pub(crate) struct Slot {
    // In this order: the turn goes before the entry is looked at.
    _turn: OwnedMutexGuard<()>,
    _entry: Entry,
    /// Whether another call with the key ran until now.
    pub(crate) waited: bool,
}

/// Removes its key from the map when nobody else is at it.
#[derive(Debug)]
struct Entry {
    in_flight: InFlight,
    key: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut turns = self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.get(&self.key).is_some_and(|turn| turn.strong_count() == 0) {
            turns.remove(&self.key);
        }
    }
}

impl InFlight {
    /// Takes the key's turn; none where it does not come within `wait`.
    pub(crate) async fn take(&self, key: String, wait: Duration) -> Option<Slot> {
        // Before the turn, so that however this ends the turn goes first.
        let entry = Entry { in_flight: self.clone(), key };
        let turn = self.turn(&entry.key);
        if let Ok(turn) = Arc::clone(&turn).try_lock_owned() {
            return Some(Slot { _turn: turn, _entry: entry, waited: false });
        }
        let turn = tokio::time::timeout(wait, turn.lock_owned()).await.ok()?;
        Some(Slot { _turn: turn, _entry: entry, waited: true })
    }

    fn turn(&self, key: &str) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::new(()));
        turns.insert(key.to_owned(), Arc::downgrade(&turn));
        turn
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn the_second_waits_for_the_first_and_no_longer_than_told() {
        let in_flight = InFlight::default();
        let first = in_flight.take("a".to_owned(), WAIT).await.unwrap();
        assert!(!first.waited);
        assert!(!in_flight.take("b".to_owned(), WAIT).await.unwrap().waited, "another key");
        let began = tokio::time::Instant::now();
        assert!(in_flight.take("a".to_owned(), WAIT).await.is_none());
        assert_eq!(began.elapsed(), WAIT);

        let (second, ()) = tokio::join!(in_flight.take("a".to_owned(), WAIT), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.unwrap().waited);
        assert!(!in_flight.take("a".to_owned(), WAIT).await.unwrap().waited);
        assert_eq!(in_flight.len(), 0, "nothing is left of keys that are done");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_leaves_nothing() {
        let in_flight = InFlight::default();
        let first = in_flight.take("a".to_owned(), WAIT).await.unwrap();
        let gone = tokio::time::timeout(WAIT / 2, in_flight.take("a".to_owned(), WAIT)).await;
        assert!(gone.is_err());
        assert_eq!(in_flight.len(), 1);
        drop(first);
        assert_eq!(in_flight.len(), 0);
    }
}
