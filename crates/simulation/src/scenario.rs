//! What happens in one simulation, rolled from its seed before it begins.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    /// Answers 200, soon.
    Steady,
    /// Answers 200, late.
    Slow,
    /// Fails in every way, until it is healed.
    Flaky,
    /// Cannot be reached most of the time, until it is healed.
    Unreachable,
    /// Always answers 500.
    Dead,
    /// Answers 410 after so many requests.
    Gone { after: u32 },
}

/// One endpoint: a receiver and its subscription.
#[derive(Debug, Clone)]
pub(crate) struct EndpointPlan {
    pub(crate) tenant: usize,
    pub(crate) temper: Temper,
    pub(crate) events: &'static str,
    pub(crate) ordered: bool,
    pub(crate) policy: &'static str,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Subscribe {
        endpoint: usize,
    },
    Pause {
        endpoint: usize,
    },
    Resume {
        endpoint: usize,
    },
    Delete {
        endpoint: usize,
    },
    /// Makes a customer.
    Create {
        tenant: usize,
    },
    /// Changes one of the tenant's customers.
    Change {
        tenant: usize,
        which: usize,
    },
    /// Repeats a delivery that has ended.
    Repeat {
        tenant: usize,
        which: usize,
    },
    /// Gives positions.
    Sequence,
    /// Runs the sweeps and jobs that are due.
    Sweep,
    /// Runs the reactions.
    React,
    /// Lets nothing pass between a node and the database.
    Cut {
        node: usize,
        time: Duration,
    },
    /// Lets nothing pass between any node and the database.
    Away {
        time: Duration,
    },
    Kill {
        node: usize,
        down: Duration,
    },
    Stall {
        node: usize,
        time: Duration,
    },
    /// Sets a node's wall clock wrong, forwards or backwards.
    Misset {
        node: usize,
        seconds: i64,
    },
    /// Makes the roads to the database as bad as that.
    Trouble {
        node: usize,
        per_thousand: u32,
    },
}

/// A whole simulation, as planned.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) nodes: usize,
    pub(crate) tenants: usize,
    pub(crate) endpoints: Vec<EndpointPlan>,
    /// By time; the number of the node that does it, where it runs.
    pub(crate) steps: Vec<(Duration, usize, Step)>,
    /// Nothing goes wrong: then nothing may arrive twice.
    pub(crate) calm: bool,
    pub(crate) ends_at: Duration,
}

/// How long the troubled part lasts.
const LENGTH_MILLIS: u64 = 10_000;

/// How long the database is away from everybody.
const AWAY: Duration = Duration::from_secs(10);

struct Draft<'a> {
    dice: &'a mut StdRng,
    steps: Vec<(Duration, usize, Step)>,
    nodes: usize,
}

impl Draft<'_> {
    fn at(&mut self, millis: std::ops::Range<u64>, step: Step) {
        let node = self.dice.random_range(0..self.nodes);
        let at = Duration::from_millis(self.dice.random_range(millis));
        self.steps.push((at, node, step));
    }

    fn node(&mut self) -> usize {
        self.dice.random_range(0..self.nodes)
    }

    fn faults(&mut self) {
        for _ in 0..self.dice.random_range(0..4) {
            let (node, down) = (self.node(), self.dice.random_range(50..4_500));
            self.at(1_000..LENGTH_MILLIS, Step::Kill { node, down: Duration::from_millis(down) });
        }
        for _ in 0..self.dice.random_range(0..3) {
            let (node, time) = (self.node(), self.dice.random_range(500..6_000));
            self.at(1_000..LENGTH_MILLIS, Step::Stall { node, time: Duration::from_millis(time) });
        }
        if self.dice.random_range(0..4) == 0 {
            // Forwards and backwards, one after the other, by seconds or by an hour.
            for _ in 0..self.dice.random_range(1..4) {
                let node = self.node();
                let most = if self.dice.random() { 3_600 } else { 10 };
                let seconds = self.dice.random_range(-most..=most);
                self.at(1_000..LENGTH_MILLIS, Step::Misset { node, seconds });
            }
        }
        match self.dice.random_range(0..12) {
            // Longer than it takes until others may fence the node.
            0 | 1 => {
                let (node, time) = (self.node(), self.dice.random_range(3_500..8_000));
                self.at(1_000..6_000, Step::Cut { node, time: Duration::from_millis(time) });
            }
            2 => self.at(1_000..4_000, Step::Away { time: AWAY }),
            _ => {}
        }
        for _ in 0..self.dice.random_range(0..4) {
            let (node, per_thousand) = (self.node(), self.dice.random_range(5..150));
            self.at(500..LENGTH_MILLIS, Step::Trouble { node, per_thousand });
            self.at(500..LENGTH_MILLIS, Step::Trouble { node, per_thousand: 0 });
        }
    }

    fn changes(&mut self, tenants: usize) {
        for tenant in 0..tenants {
            self.at(600..1_200, Step::Create { tenant });
            for _ in 0..self.dice.random_range(2..5) {
                self.at(800..LENGTH_MILLIS, Step::Create { tenant });
            }
            for _ in 0..self.dice.random_range(4..12) {
                let which = self.dice.random_range(0..3);
                self.at(1_000..LENGTH_MILLIS, Step::Change { tenant, which });
            }
            for _ in 0..self.dice.random_range(0..3) {
                let which = self.dice.random_range(0..20);
                self.at(4_000..LENGTH_MILLIS, Step::Repeat { tenant, which });
            }
        }
        for _ in 0..4 {
            self.at(1_000..LENGTH_MILLIS, Step::Sequence);
            self.at(1_000..LENGTH_MILLIS, Step::React);
        }
        for _ in 0..2 {
            self.at(1_000..LENGTH_MILLIS, Step::Sweep);
        }
    }

    /// A subscription is made early or in the middle; some are paused, resumed, deleted.
    fn life_of(&mut self, endpoint: usize) {
        let made = if self.dice.random_range(0..4) == 0 { 500..6_000 } else { 100..500 };
        self.at(made, Step::Subscribe { endpoint });
        match self.dice.random_range(0..10) {
            0 | 1 => {
                self.at(2_000..6_000, Step::Pause { endpoint });
                if self.dice.random() {
                    self.at(6_000..9_000, Step::Resume { endpoint });
                }
            }
            2 => self.at(3_000..9_000, Step::Delete { endpoint }),
            _ => {}
        }
    }
}

fn temper(dice: &mut StdRng) -> Temper {
    match dice.random_range(0..12) {
        0..4 => Temper::Steady,
        4 | 5 => Temper::Slow,
        6..9 => Temper::Flaky,
        9 => Temper::Unreachable,
        10 => Temper::Dead,
        _ => Temper::Gone { after: dice.random_range(0..6) },
    }
}

impl Scenario {
    pub(crate) fn roll(dice: &mut StdRng) -> Self {
        let nodes = dice.random_range(2..4);
        let tenants = dice.random_range(1..3);
        let calm = dice.random_range(0..8) == 0;
        let endpoints: Vec<EndpointPlan> = (0..dice.random_range(2..5))
            .map(|number| EndpointPlan {
                tenant: number % tenants,
                temper: if calm { Temper::Steady } else { temper(dice) },
                events: ["customer.*", "customer.updated", "*"][dice.random_range(0..3)],
                ordered: dice.random_range(0..3) == 0,
                policy: if dice.random_range(0..4) == 0 { "standard" } else { "original" },
            })
            .collect();
        let mut draft = Draft { dice, steps: Vec::new(), nodes };
        for endpoint in 0..endpoints.len() {
            draft.life_of(endpoint);
        }
        draft.changes(tenants);
        if !calm {
            draft.faults();
        }
        let mut steps = draft.steps;
        steps.sort_by_key(|(at, ..)| *at);
        // Who was cut off finds the database again in the trouble, and some of it is left.
        let back_at = steps.iter().filter_map(|(at, _, step)| {
            if let Step::Cut { time, .. } | Step::Away { time } = step {
                Some(*at + *time)
            } else {
                None
            }
        });
        let back_at = back_at.max().unwrap_or_default();
        let ends_at =
            back_at.max(Duration::from_millis(LENGTH_MILLIS)) + Duration::from_millis(500);
        Self { nodes, tenants, endpoints, steps, calm, ends_at }
    }
}
