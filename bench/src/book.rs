//! The book of one run: when each event was published and when it arrived.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Stands before an event's number wherever it is written.
const MARK: &[u8] = b"bench-";
/// Digits of a number.
const DIGITS: usize = 9;

/// What happened to one event. Instants are microseconds since the book was opened; 0 is never.
#[derive(Default)]
struct Entry {
    sent: AtomicU64,
    accepted: AtomicU64,
    first_arrival: AtomicU64,
    arrivals: AtomicU32,
}

/// When each event was published and when it arrived, by its number.
pub(crate) struct Book {
    opened: Instant,
    entries: Vec<Entry>,
    accepted: AtomicUsize,
    arrived: AtomicUsize,
    last_arrival: AtomicU64,
}

/// Half, and all but one of a hundred, are at most this.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Spread {
    /// Milliseconds.
    pub(crate) p50: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
}

impl Book {
    /// A book for at most so many events.
    pub(crate) fn open(events: usize) -> Self {
        Self {
            opened: Instant::now(),
            entries: (0..events).map(|_| Entry::default()).collect(),
            accepted: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
            last_arrival: AtomicU64::new(0),
        }
    }

    /// How many events it has room for.
    pub(crate) fn room(&self) -> usize {
        self.entries.len()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }

    /// How an event's number is written into its body.
    pub(crate) fn mark(number: usize) -> String {
        format!("bench-{number:09}")
    }

    /// The number in a body.
    pub(crate) fn number(body: &[u8]) -> Option<usize> {
        let at = body.windows(MARK.len()).position(|part| part == MARK)? + MARK.len();
        std::str::from_utf8(body.get(at..at + DIGITS)?).ok()?.parse().ok()
    }

    pub(crate) fn sent(&self, number: usize) {
        self.entries[number].sent.store(self.now(), Relaxed);
    }

    pub(crate) fn accepted(&self, number: usize) {
        self.entries[number].accepted.store(self.now(), Relaxed);
        self.accepted.fetch_add(1, Relaxed);
    }

    /// Books an arrival; says whether it is the event's first.
    pub(crate) fn arrived(&self, number: usize) -> bool {
        let Some(entry) = self.entries.get(number) else { return false };
        let now = self.now();
        let first = entry.arrivals.fetch_add(1, Relaxed) == 0;
        if first {
            entry.first_arrival.store(now, Relaxed);
        }
        self.arrived.fetch_add(1, Relaxed);
        self.last_arrival.fetch_max(now, Relaxed);
        first
    }

    /// Arrivals of all events, repetitions included.
    pub(crate) fn arrivals(&self) -> usize {
        self.arrived.load(Relaxed)
    }

    /// Events that were accepted.
    pub(crate) fn acceptances(&self) -> usize {
        self.accepted.load(Relaxed)
    }

    /// Accepted events that arrived fewer, and events that arrived more times than they should.
    pub(crate) fn amiss(&self, times: u32) -> (usize, usize) {
        let was_accepted = |entry: &&Entry| entry.accepted.load(Relaxed) > 0;
        let arrivals = |entry: &Entry| entry.arrivals.load(Relaxed);
        let lost = self.entries.iter().filter(was_accepted).filter(|e| arrivals(e) < times).count();
        let repeated = self.entries.iter().filter(|e| arrivals(e) > times).count();
        (lost, repeated)
    }

    /// From the first publish to the last answer, and to the last arrival.
    pub(crate) fn spans(&self) -> (Duration, Duration) {
        let instants = |of: fn(&Entry) -> &AtomicU64| {
            self.entries.iter().map(move |e| of(e).load(Relaxed)).filter(|at| *at > 0)
        };
        let began = instants(|e| &e.sent).min().unwrap_or(0);
        let answered = instants(|e| &e.accepted).max().unwrap_or(began);
        let arrived = self.last_arrival.load(Relaxed).max(began);
        (Duration::from_micros(answered - began), Duration::from_micros(arrived - began))
    }

    /// From the request to its answer.
    pub(crate) fn publishing(&self) -> Spread {
        self.spread(|e| &e.accepted)
    }

    /// From the request to the event's first arrival.
    pub(crate) fn delivering(&self) -> Spread {
        self.spread(|e| &e.first_arrival)
    }

    fn spread(&self, end: fn(&Entry) -> &AtomicU64) -> Spread {
        let mut took: Vec<u64> = self
            .entries
            .iter()
            .map(|e| (e.sent.load(Relaxed), end(e).load(Relaxed)))
            .filter(|(began, ended)| *began > 0 && *ended >= *began)
            .map(|(began, ended)| ended - began)
            .collect();
        took.sort_unstable();
        let at = |share: usize| {
            let index = (took.len() * share / 100).min(took.len().saturating_sub(1));
            Duration::from_micros(took.get(index).copied().unwrap_or(0)).as_secs_f64() * 1_000.0
        };
        Spread { p50: at(50), p99: at(99) }
    }
}
