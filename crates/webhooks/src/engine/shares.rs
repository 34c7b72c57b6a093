//! Fair shares: who may have how many attempts under way, when all want more than there is room for.
//!
//! A tenant may have up to three times as many attempts under way as there are free slots. Alone it
//! gets three quarters of all; two get three sevenths each; and there is always room for one more,
//! who need not wait until a hanging endpoint of somebody else's gives up. Endpoints that are slow,
//! failing or unproven share a quarter of all slots among them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_kernel::TenantId;
use tokio::sync::oneshot;

use super::standing_now::SlotsNow;

/// A tenant's attempts under way are at most this many times the free slots.
const TIMES_FREE: usize = 3;
/// Slow endpoints have at most this part of all slots.
const SLOW_PART: usize = 4;

/// Which share an attempt belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    Quick,
    Slow,
}

/// A place in the queue: one tenant's attempts of one class.
type Place = (TenantId, Class);

/// The slots of all attempts.
#[derive(Debug)]
pub(crate) struct Shares {
    total: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    slow: usize,
    held: HashMap<TenantId, usize>,
    waiting: HashMap<Place, Waiting>,
    /// Who is next: by what its tenant has under way, then by turn.
    order: BTreeSet<(usize, u64, Place)>,
    turn: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    turn: u64,
    queue: VecDeque<oneshot::Sender<Permit>>,
}

/// One attempt's slot; dropping it gives it to the next.
#[derive(Debug)]
pub(crate) struct Permit {
    shares: Arc<Shares>,
    place: Place,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shares.release(self.place);
    }
}

impl Shares {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        let state = State {
            free: total,
            slow: 0,
            held: HashMap::new(),
            waiting: HashMap::new(),
            order: BTreeSet::new(),
            turn: 0,
        };
        Arc::new(Self { total, state: Mutex::new(state) })
    }

    /// The slots as they are now.
    pub(crate) fn now(&self) -> SlotsNow {
        let state = self.state();
        SlotsNow {
            free: state.free,
            quick: self.total - state.free - state.slow,
            slow: state.slow,
            waiting: state.waiting.values().map(|waiting| waiting.queue.len()).sum(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot, as soon as it is this tenant's turn.
    pub(crate) async fn acquire(self: &Arc<Self>, tenant_id: TenantId, class: Class) -> Permit {
        let place = (tenant_id, class);
        loop {
            let granted = {
                let mut state = self.state();
                // Whoever waits at the same place was there before.
                if !state.waiting.contains_key(&place) && state.may_have(place, self.total) {
                    state.grant(place);
                    return Permit { shares: Arc::clone(self), place };
                }
                state.enqueue(place)
            };
            // A sender is only dropped with everything else; asking again is then as good.
            if let Ok(permit) = granted.await {
                return permit;
            }
        }
    }

    fn release(self: &Arc<Self>, place: Place) {
        let granted = {
            let mut state = self.state();
            state.give_back(place);
            let mut granted = Vec::new();
            while let Some((place, sender)) = state.next(self.total) {
                state.grant(place);
                granted.push((place, sender));
            }
            granted
        };
        for (place, sender) in granted {
            // One that does not wait any more gives its slot back by dropping it.
            drop(sender.send(Permit { shares: Arc::clone(self), place }));
        }
    }
}

impl State {
    fn held(&self, tenant_id: TenantId) -> usize {
        self.held.get(&tenant_id).copied().unwrap_or(0)
    }

    fn may_have(&self, (tenant_id, class): Place, total: usize) -> bool {
        self.held(tenant_id) < TIMES_FREE * self.free
            && (class == Class::Quick || self.slow < (total / SLOW_PART).max(1))
    }

    fn grant(&mut self, place: Place) {
        self.free -= 1;
        self.slow += usize::from(place.1 == Class::Slow);
        self.count(place.0, |held| held + 1);
    }

    fn give_back(&mut self, place: Place) {
        self.free += 1;
        self.slow -= usize::from(place.1 == Class::Slow);
        self.count(place.0, |held| held - 1);
    }

    /// Changes what a tenant has under way, and its places in the order with it.
    fn count(&mut self, tenant_id: TenantId, change: impl Fn(usize) -> usize) {
        let before = self.held(tenant_id);
        let after = change(before);
        if after == 0 {
            self.held.remove(&tenant_id);
        } else {
            self.held.insert(tenant_id, after);
        }
        for class in [Class::Quick, Class::Slow] {
            let place = (tenant_id, class);
            if let Some(waiting) = self.waiting.get(&place) {
                self.order.remove(&(before, waiting.turn, place));
                self.order.insert((after, waiting.turn, place));
            }
        }
    }

    fn enqueue(&mut self, place: Place) -> oneshot::Receiver<Permit> {
        let (sender, granted) = oneshot::channel();
        if !self.waiting.contains_key(&place) {
            let turn = self.take_turn();
            self.order.insert((self.held(place.0), turn, place));
            self.waiting.insert(place, Waiting { turn, ..Waiting::default() });
        }
        if let Some(waiting) = self.waiting.get_mut(&place) {
            waiting.queue.push_back(sender);
        }
        granted
    }

    fn take_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// Takes out whoever is next and may have a slot.
    fn next(&mut self, total: usize) -> Option<(Place, oneshot::Sender<Permit>)> {
        // Who is first may have one if anybody may, unless its class is full: then the first of the
        // other class.
        let first = |class: Option<Class>| {
            self.order
                .iter()
                .find(|entry| class.is_none_or(|class| entry.2.1 == class))
                .filter(|entry| self.may_have(entry.2, total))
                .copied()
        };
        let entry = first(None).or_else(|| first(Some(Class::Quick)))?;
        self.order.remove(&entry);
        let (held, _, place) = entry;
        let turn = self.take_turn();
        let waiting = self.waiting.get_mut(&place)?;
        let sender = waiting.queue.pop_front()?;
        if waiting.queue.is_empty() {
            self.waiting.remove(&place);
        } else {
            // The next of the same place goes behind others who have as many.
            waiting.turn = turn;
            self.order.insert((held, turn, place));
        }
        Some((place, sender))
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use tidings_kernel::Uuid;

    use super::*;

    type Wait = Pin<Box<dyn Future<Output = Permit>>>;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    /// Everybody who asks, in turn; those who got a slot hold it.
    struct Crowd {
        shares: Arc<Shares>,
        waiting: Vec<(u128, Wait)>,
        holding: Vec<(u128, Permit)>,
    }

    impl Crowd {
        fn new(total: usize) -> Self {
            Self { shares: Shares::new(total), waiting: Vec::new(), holding: Vec::new() }
        }

        fn ask(&mut self, who: u128, class: Class, times: usize) {
            for _ in 0..times {
                let shares = Arc::clone(&self.shares);
                let wait = async move { shares.acquire(tenant(who), class).await };
                self.waiting.push((who, Box::pin(wait)));
                self.poll();
            }
        }

        fn poll(&mut self) {
            let mut context = Context::from_waker(Waker::noop());
            let mut index = 0;
            while let Some((who, wait)) = self.waiting.get_mut(index) {
                if let Poll::Ready(permit) = wait.as_mut().poll(&mut context) {
                    self.holding.push((*who, permit));
                    drop(self.waiting.remove(index));
                } else {
                    index += 1;
                }
            }
        }

        fn release(&mut self, who: u128) {
            let index = self.holding.iter().position(|(holder, _)| *holder == who).unwrap();
            drop(self.holding.remove(index));
            self.poll();
        }

        fn has(&self, who: u128) -> usize {
            self.holding.iter().filter(|(holder, _)| *holder == who).count()
        }
    }

    #[test]
    fn one_alone_gets_three_quarters_and_a_newcomer_never_waits() {
        let mut crowd = Crowd::new(64);
        crowd.ask(1, Class::Quick, 100);
        assert_eq!(crowd.has(1), 48);
        crowd.ask(2, Class::Quick, 1);
        assert_eq!(crowd.has(2), 1);
        crowd.ask(3, Class::Quick, 1);
        assert_eq!(crowd.has(3), 1);
    }

    #[test]
    fn under_contention_shares_become_equal() {
        let mut crowd = Crowd::new(64);
        crowd.ask(1, Class::Quick, 500);
        crowd.ask(2, Class::Quick, 500);
        for _ in 0..200 {
            let most = if crowd.has(1) >= crowd.has(2) { 1 } else { 2 };
            crowd.release(most);
        }
        let (one, two) = (crowd.has(1), crowd.has(2));
        assert!(one.abs_diff(two) <= 2 && one + two >= 50, "{one} and {two}");
    }

    #[test]
    fn slow_ones_share_a_quarter_and_leave_the_rest() {
        let mut crowd = Crowd::new(64);
        crowd.ask(1, Class::Slow, 60);
        assert_eq!(crowd.has(1), 16);
        crowd.ask(2, Class::Quick, 20);
        assert_eq!(crowd.has(2), 20);
        crowd.ask(1, Class::Quick, 1);
        assert_eq!(crowd.has(1), 17);
        crowd.ask(2, Class::Slow, 1);
        assert_eq!(crowd.has(2), 20);
        // A slow slot that is free again goes to whoever has fewer under way.
        crowd.release(1);
        assert_eq!((crowd.has(1), crowd.has(2)), (17, 20));
    }

    #[test]
    fn who_goes_away_leaves_nothing_behind() {
        let mut crowd = Crowd::new(4);
        crowd.ask(1, Class::Quick, 4);
        assert_eq!((crowd.has(1), crowd.waiting.len()), (3, 1));
        crowd.ask(1, Class::Quick, 1);
        drop(crowd.waiting.remove(0));
        crowd.release(1);
        assert_eq!((crowd.has(1), crowd.waiting.len()), (3, 0));
        for _ in 0..3 {
            crowd.release(1);
        }
        let state = crowd.shares.state();
        assert_eq!((state.free, state.slow), (4, 0));
        assert!(state.held.is_empty() && state.waiting.is_empty() && state.order.is_empty());
    }
}
