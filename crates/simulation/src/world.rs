//! The course of one simulation: trouble, then calm, then judgement.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tidings_db::SimulatedDatabase;

use crate::actions::Hand;
use crate::book::{Book, Cut};
use crate::judge::{self, Evidence};
use crate::mutation::Mutation;
use crate::node::{Node, Surroundings};
use crate::observer::Observer;
use crate::receivers::Receivers;
use crate::scenario::{Scenario, Step};
use crate::time::WallClock;
use crate::{Report, node};

/// True seconds without trouble after which everything must have been delivered, or be due later.
const DRAIN_SECONDS_MAX: u32 = 600;
/// How often the reactions are given an hour to see the whole log.
const REACT_ROUNDS_MAX: u32 = 40;
/// How far beyond the next retry wall clocks are set, as a part of the time until then.
const FURTHER_MAX: f64 = 1.25;
/// A turn of a node while everything is well.
const CALM_TURN: Duration = Duration::from_millis(250);

/// One simulation.
pub(crate) struct World {
    seed: u64,
    dice: StdRng,
    scenario: Scenario,
    around: Surroundings,
    nodes: Vec<Node>,
    observer: Observer,
    now: Duration,
    done: usize,
    /// Numbers what is created and changed.
    acts: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let scenario = Scenario::roll(&mut dice);
        let database = SimulatedDatabase::new().unwrap_or_else(|error| panic!("{error}"));
        let tempers = scenario.endpoints.iter().map(|endpoint| endpoint.temper);
        let observer = Observer::new(&database);
        let around = node::Surroundings {
            database,
            receivers: Arc::new(Receivers::new(seed, tempers)),
            wall: Arc::new(WallClock::default()),
            book: Book::default(),
            seed,
        };
        let nodes = (0..scenario.nodes).map(|number| Node::new(number, around.clone())).collect();
        let now = Duration::ZERO;
        Self { seed, dice, scenario, around, nodes, observer, now, done: 0, acts: 0 }
    }

    pub(crate) fn run(mut self, mutation: Option<Mutation>) -> Report {
        for tenant in 0..self.scenario.tenants {
            self.observer.add_tenant(tenant);
        }
        for node in &mut self.nodes {
            node.boot(self.now);
        }
        while self.now < self.scenario.ends_at {
            self.trouble();
        }
        self.calm_down();
        let mut drained = self.drain();
        // Whoever stopped gets nothing of this any more; everybody else does.
        let probed_at = self.now;
        for tenant in 0..self.scenario.tenants {
            self.act(0, Step::Create { tenant });
        }
        drained = drained && self.drain();
        // The positions of what came last.
        self.act(0, Step::Sequence);
        (0..4).for_each(|_| self.turn(CALM_TURN));
        self.react();
        self.judge(mutation, drained, probed_at)
    }

    /// A few milliseconds for every node.
    fn trouble(&mut self) {
        let millis = if self.dice.random_range(0..4) == 0 { 1..10 } else { 20..120_u64 };
        let turn = Duration::from_millis(self.dice.random_range(millis));
        while let Some((at, node, step)) = self.scenario.steps.get(self.done).copied()
            && at <= self.now
        {
            self.done += 1;
            self.act(node, step);
        }
        for node in &mut self.nodes {
            if node.down_until.is_some_and(|until| until <= self.now) {
                node.boot(self.now);
            }
            if node.stalled_until.is_some_and(|until| until <= self.now) {
                node.wake(self.now);
            }
        }
        self.turn(turn);
    }

    fn turn(&mut self, turn: Duration) {
        self.now += turn;
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.shuffle(&mut self.dice);
        for node in order {
            self.nodes[node].live_until(self.now);
        }
    }

    fn act(&mut self, wanted: usize, step: Step) {
        self.acts += 1;
        let (now, acts) = (self.now, self.acts);
        match step {
            Step::Kill { node, down } => return self.nodes[node].kill(now, down),
            Step::Stall { node, time } => return self.nodes[node].stall(now, time),
            Step::Misset { node, seconds } => {
                self.around.book.note(now, &format!("node {node}'s clock is wrong by {seconds} s"));
                return self.nodes[node].misset(seconds);
            }
            Step::Trouble { node, per_thousand } => {
                return self.nodes[node].trouble.set(per_thousand);
            }
            Step::Cut { node, time } => return self.cut(node, time),
            Step::Away { time } => return (0..self.nodes.len()).for_each(|n| self.cut(n, time)),
            Step::Subscribe { .. }
            | Step::Pause { .. }
            | Step::Resume { .. }
            | Step::Delete { .. }
            | Step::Create { .. }
            | Step::Change { .. }
            | Step::Repeat { .. }
            | Step::Sweep
            | Step::React
            | Step::Sequence => {}
        }
        let count = self.nodes.len();
        let Some(node) = (0..count)
            .map(|offset| &self.nodes[(wanted + offset) % count])
            .find(|node| node.program().is_some())
        else {
            return;
        };
        let Some(program) = node.program().cloned() else { return };
        let hand = Hand { program, book: self.around.book.clone() };
        let of = |endpoint: usize| self.scenario.endpoints[endpoint].tenant;
        match step {
            Step::Subscribe { endpoint } => {
                node.spawn(hand.subscribe(endpoint, self.scenario.endpoints[endpoint].clone()));
            }
            Step::Pause { endpoint } => node.spawn(hand.switch(endpoint, of(endpoint), false)),
            Step::Resume { endpoint } => node.spawn(hand.switch(endpoint, of(endpoint), true)),
            Step::Delete { endpoint } => node.spawn(hand.delete(endpoint, of(endpoint))),
            Step::Create { tenant } => node.spawn(hand.create(tenant, acts)),
            Step::Change { tenant, which } => node.spawn(hand.change(tenant, which, acts)),
            Step::Repeat { tenant, which } => node.spawn(hand.repeat(tenant, which)),
            Step::Sequence => node.spawn(hand.sequence()),
            Step::Sweep => node.spawn(hand.sweep()),
            Step::React => node.spawn(hand.react()),
            Step::Kill { .. }
            | Step::Stall { .. }
            | Step::Misset { .. }
            | Step::Trouble { .. }
            | Step::Cut { .. }
            | Step::Away { .. } => {}
        }
    }

    /// Lets nothing pass between a node and the database for a time.
    fn cut(&mut self, node: usize, time: Duration) {
        let (from, until) = (self.now, self.now + time);
        self.nodes[node].trouble.cut_until(until);
        self.around.book.note(from, &format!("node {node} is cut off until {until:?}"));
        let mut pages = self.around.book.pages();
        pages.disturbances += 1;
        pages.cuts.push(Cut { node, from, until });
    }

    /// Lets the reactions see the whole log.
    fn react(&mut self) {
        for _ in 0..REACT_ROUNDS_MAX {
            self.act(0, Step::React);
            (0..4).for_each(|_| self.turn(CALM_TURN));
            if (0..self.scenario.tenants).all(|tenant| self.observer.has_reacted(tenant)) {
                return;
            }
            // What failed in the trouble is left alone for a while.
            self.around.wall.set_forward(Duration::from_hours(1));
        }
    }

    /// No fault any more, every node runs, and whoever can be well is.
    fn calm_down(&mut self) {
        self.around.receivers.healed.store(true, Ordering::SeqCst);
        for node in &mut self.nodes {
            node.trouble.set(0);
            node.trouble.cut_until(Duration::ZERO);
            node.misset(0);
            if node.stalled_until.is_some() {
                node.wake(self.now);
            }
            if node.program().is_none() {
                node.boot(self.now);
            }
        }
        self.around.book.note(self.now, "all is well again");
    }

    /// Lets everything be delivered; where the next attempt is due later, wall clocks are set to
    /// that time. Says whether nothing was left.
    fn drain(&mut self) -> bool {
        for _ in 0..DRAIN_SECONDS_MAX {
            for _ in 0..4 {
                self.turn(CALM_TURN);
            }
            self.act(0, Step::Sequence);
            let backlog = self.observer.runtime.block_on(self.observer.webhooks.backlog());
            let backlog = backlog.unwrap_or_else(|error| panic!("{error}"));
            let idle = self.nodes.iter().all(Node::is_idle);
            if backlog.pointers == 0 && backlog.waiting == 0 && idle {
                return true;
            }
            let wall = self.around.wall.at(self.now);
            // What is due and waits for an object's earlier event is no reason to stand still.
            let due = (0..self.scenario.tenants)
                .filter_map(|tenant| self.observer.due_after(tenant, wall))
                .min();
            if let Some(due) = due.filter(|_| backlog.pointers == 0 && idle) {
                // Somewhat further, so that a herd that jitter has spread is one step and not many.
                let further = due.since(wall).mul_f64(self.dice.random_range(1.0..FURTHER_MAX));
                self.around.wall.set_forward(further);
                let shown = self.around.wall.at(self.now);
                self.around.book.note(self.now, &format!("wall clocks show {shown}"));
            }
        }
        false
    }

    fn judge(self, mutation: Option<Mutation>, drained: bool, probed_at: Duration) -> Report {
        let book = self.around.book.clone();
        if let Some(mutation) = mutation {
            mutation.falsify(&mut book.pages());
        }
        let gathered = self.observer.runtime.block_on(Evidence::gather(
            &self.observer.db,
            &self.scenario,
            book.clone(),
        ));
        let mut evidence = gathered.unwrap_or_else(|error| panic!("{error}"));
        if let Some(mutation) = mutation {
            mutation.falsify_counts(&mut evidence.counted);
        }
        let mut violations = judge::violations(&evidence, probed_at);
        if !drained {
            let backlog = self.observer.runtime.block_on(self.observer.webhooks.backlog());
            violations.push(format!("the backlog does not drain: {backlog:?}"));
        }
        let digest = book.digest();
        let pages = book.pages();
        Report {
            seed: self.seed,
            digest,
            trace: pages.lines.clone(),
            violations,
            events: evidence.events.iter().filter(|event| event.is_public).count(),
            arrivals: pages.arrivals.len(),
            disturbances: pages.disturbances,
        }
    }
}
