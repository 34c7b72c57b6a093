//! A queue by priority in which nothing waits for ever.

use std::collections::VecDeque;
use std::time::Duration;

use tidings_events::Priority;
use tidings_kernel::Timestamp;

/// How long something of one priority waits before it counts as one of the next higher.
pub const AGES_AFTER: Duration = Duration::from_secs(2);

/// Items by priority; within one in the order in which they came.
///
/// Each has a virtual deadline: when it came, and two seconds more for each step below the highest
/// priority. The earliest goes first, so a flood of high ones delays a low one by four seconds at
/// most.
#[derive(Debug)]
pub struct AgeingQueue<T> {
    queues: [VecDeque<(Timestamp, T)>; 3],
}

impl<T> Default for AgeingQueue<T> {
    fn default() -> Self {
        Self { queues: std::array::from_fn(|_| VecDeque::new()) }
    }
}

const fn class(priority: Priority) -> usize {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}

impl<T> AgeingQueue<T> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// Adds an item that came at `now`.
    pub fn push(&mut self, priority: Priority, now: Timestamp, item: T) {
        let class = class(priority);
        let steps = u32::try_from(class).unwrap_or(0);
        self.queues[class].push_back((now.after(AGES_AFTER * steps), item));
    }

    /// Takes the item whose deadline is the earliest; of equals the higher priority.
    pub fn pop(&mut self) -> Option<T> {
        let deadline = |queue: &VecDeque<(Timestamp, T)>| queue.front().map(|head| head.0);
        let next = self
            .queues
            .iter()
            .enumerate()
            .filter_map(|(class, queue)| Some((deadline(queue)?, class)))
            .min()?;
        self.queues[next.1].pop_front().map(|(_, item)| item)
    }

    /// Takes all items out.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.queues.iter_mut().flat_map(|queue| queue.drain(..)).map(|(_, item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000 + millis * 1_000)
    }

    type Queued<'a> = &'a [(Priority, i64, &'static str)];

    fn order(items: Queued<'_>) -> Vec<&'static str> {
        let mut queue = AgeingQueue::default();
        for &(priority, millis, name) in items {
            queue.push(priority, at(millis), name);
        }
        assert_eq!(queue.len(), items.len());
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn higher_goes_first_unless_lower_has_waited_long_enough() {
        use Priority::{High, Low, Normal};
        let table: &[(Queued<'_>, &[&str])] = &[
            (&[(Low, 0, "l"), (Normal, 0, "n"), (High, 0, "h")], &["h", "n", "l"]),
            (&[(Normal, 0, "a"), (Normal, 1, "b"), (Normal, 2, "c")], &["a", "b", "c"]),
            (&[(Normal, 0, "old"), (High, 1_999, "h")], &["h", "old"]),
            (&[(Normal, 0, "old"), (High, 2_001, "h")], &["old", "h"]),
            (
                &[(Low, 0, "oldest"), (Normal, 2_001, "n"), (High, 4_002, "h")],
                &["oldest", "n", "h"],
            ),
        ];
        for (items, wanted) in table {
            assert_eq!(order(items), *wanted, "{items:?}");
        }
    }

    #[test]
    fn a_flood_of_high_ones_cannot_starve_a_low_one() {
        let mut queue = AgeingQueue::default();
        queue.push(Priority::Low, at(0), "low");
        let mut millis = 0;
        let waited = loop {
            queue.push(Priority::High, at(millis), "high");
            if queue.pop() == Some("low") {
                break millis;
            }
            millis += 10;
        };
        assert!(waited <= 4_010, "{waited} ms");
    }
}
