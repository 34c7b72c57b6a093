//! The road between a node and the database.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_db::{Crossing, Fate, Question, Road};
use tidings_kernel::Timestamp;

use crate::book::Book;
use crate::time::NodeClock;

/// After so long somebody who gets no answer gives up.
const PATIENCE: Duration = Duration::from_secs(2);

/// How bad a road is.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Losses among a thousand questions.
    per_thousand: AtomicU32,
    /// Nothing passes before that, in microseconds of true time.
    cut_until: AtomicU64,
}

impl Trouble {
    pub(crate) fn set(&self, per_thousand: u32) {
        self.per_thousand.store(per_thousand, Ordering::SeqCst);
    }

    /// Lets nothing pass before that true time.
    pub(crate) fn cut_until(&self, until: Duration) {
        self.cut_until
            .store(u64::try_from(until.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    fn is_cut(&self, now: Duration) -> bool {
        now < Duration::from_micros(self.cut_until.load(Ordering::SeqCst))
    }
}

pub(crate) struct NodeRoad {
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) trouble: Arc<Trouble>,
    pub(crate) book: Book,
    pub(crate) node: usize,
    dice: Mutex<StdRng>,
}

impl NodeRoad {
    pub(crate) fn new(
        (clock, trouble, book): (Arc<NodeClock>, Arc<Trouble>, Book),
        node: usize,
        seed: u64,
    ) -> Self {
        Self { clock, trouble, book, node, dice: Mutex::new(StdRng::seed_from_u64(seed)) }
    }
}

impl Road for NodeRoad {
    fn crossing(&self, question: Question) -> Crossing {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        if self.trouble.is_cut(self.clock.true_time()) {
            // Some are refused at once, some hear nothing.
            let there = if dice.random() { PATIENCE } else { Duration::from_millis(1) };
            return Crossing { there, back: Duration::ZERO, fate: Fate::QuestionLost };
        }
        let trouble = self.trouble.per_thousand.load(Ordering::SeqCst);
        let mut travel = || {
            // Mostly within the millisecond; in trouble a packet may be sent again, and again.
            let millis = if dice.random_range(0..1_000) < trouble {
                dice.random_range(20..900)
            } else {
                dice.random_range(0..8_u64).saturating_sub(4)
            };
            Duration::from_millis(millis)
        };
        let (there, back) = (travel(), travel());
        let fate = match dice.random_range(0..3_000) {
            lot if lot < trouble => Fate::QuestionLost,
            lot if lot < 2 * trouble => Fate::AnswerLost,
            lot if lot < 3 * trouble && question == Question::Unit => Fate::Conflict,
            _ => Fate::Answered,
        };
        drop(dice);
        if fate != Fate::Answered {
            self.book.pages().disturbances += 1;
            let line = format!("node {} {question:?}: {fate:?}", self.node);
            self.book.note(self.clock.true_time(), &line);
        }
        Crossing { there, back, fate }
    }

    fn database_time(&self) -> Timestamp {
        self.clock.database_time()
    }
}
