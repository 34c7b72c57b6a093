//! Idle connections, by scheme, host and port. Small critical sections, no tasks.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::link::Link;
use crate::options::Options;
use crate::target::Key;

/// A connection older than this is not kept, so that changes in the DNS take effect.
const AGE_MAX: Duration = Duration::from_mins(5);

pub(crate) struct Pool {
    shelves: Mutex<Shelves>,
    idle_per_target: usize,
    idle_max: usize,
    idle_for: Duration,
}

struct Shelves {
    by_key: HashMap<Key, Vec<Idle>>,
    idle_count: usize,
    swept_at: Instant,
}

struct Idle {
    link: Box<Link>,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(options: &Options) -> Self {
        let Options { idle_per_target, idle_max, idle_for, .. } = *options;
        let shelves = Shelves { by_key: HashMap::new(), idle_count: 0, swept_at: Instant::now() };
        Self { shelves: Mutex::new(shelves), idle_per_target, idle_max, idle_for }
    }

    /// Closes every idle connection: somebody needs their descriptors more.
    pub(crate) fn clear(&self) {
        let mut shelves = self.lock();
        shelves.idle_count = 0;
        let idle = std::mem::take(&mut shelves.by_key);
        drop(shelves);
        drop(idle);
    }

    /// The youngest idle connection to `key` that has not expired.
    pub(crate) fn take(&self, key: &Key, now: Instant) -> Option<Box<Link>> {
        let mut shelves = self.lock();
        let links = shelves.by_key.get_mut(key)?;
        let idle = links.pop()?;
        if now.saturating_duration_since(idle.since) <= self.idle_for {
            shelves.idle_count = shelves.idle_count.saturating_sub(1);
            return Some(idle.link);
        }
        // The others are older still. Sockets are closed after the lock is released.
        links.push(idle);
        let expired = std::mem::take(links);
        shelves.idle_count = shelves.idle_count.saturating_sub(expired.len());
        drop(shelves);
        drop(expired);
        None
    }

    /// Keeps a connection that is ready for another request, if there is room for it.
    pub(crate) fn put(&self, key: &Key, link: Box<Link>, now: Instant) {
        if now.saturating_duration_since(link.born_at()) > AGE_MAX {
            return;
        }
        let idle = Idle { link, since: now };
        let mut shelves = self.lock();
        let expired = shelves.sweep_when_due(now, self.idle_for);
        let refused = if shelves.idle_count >= self.idle_max {
            Some(idle)
        } else {
            shelves.shelve(key, idle, self.idle_per_target)
        };
        drop(shelves);
        drop((expired, refused));
    }

    /// A panic elsewhere leaves the shelves consistent enough: they only hold connections.
    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    /// Puts a connection on its shelf, or hands it back when the shelf is full.
    fn shelve(&mut self, key: &Key, idle: Idle, idle_per_target: usize) -> Option<Idle> {
        if !self.by_key.contains_key(key) {
            self.by_key.insert(key.clone(), Vec::new());
        }
        let Some(links) = self.by_key.get_mut(key) else { return Some(idle) };
        if links.len() >= idle_per_target {
            return Some(idle);
        }
        links.push(idle);
        self.idle_count = self.idle_count.saturating_add(1);
        None
    }

    /// Takes out what expired, and forgets targets without connections, now and then.
    fn sweep_when_due(&mut self, now: Instant, idle_for: Duration) -> Vec<Idle> {
        let mut expired = Vec::new();
        if now.saturating_duration_since(self.swept_at) < idle_for / 2 {
            return expired;
        }
        self.swept_at = now;
        for shelf in self.by_key.values_mut() {
            expired.extend(
                shelf.extract_if(.., |idle| now.saturating_duration_since(idle.since) > idle_for),
            );
        }
        self.by_key.retain(|_, shelf| !shelf.is_empty());
        self.idle_count = self.idle_count.saturating_sub(expired.len());
        expired
    }
}
