//! The course of one simulation: trouble, then calm, then judgement.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tidings_db::{
    Crossing, Db, DbError, Fate, LeaseClock, Location, Options, Question, Road, Silent,
    SimulatedDatabase, WriterMode, args,
};
use tidings_egress::Egress;
use tidings_kernel::{Clock, IdSeed, TestClock, Timestamp};
use tidings_vault::Vault;
use tidings_webhooks::Webhooks;
use tokio::runtime::{Builder, Runtime};

use crate::actions::{Hand, tenant_id};
use crate::book::Book;
use crate::judge::{self, Evidence};
use crate::mutation::Mutation;
use crate::node::{Node, Surroundings};
use crate::receivers::Receivers;
use crate::scenario::{Scenario, Step};
use crate::time::WallClock;
use crate::{Report, node};

tidings_db::statements! {
    command ADD_TENANT = "INSERT INTO tenants (tenant_id, name, livemode, status, created_at, \
        updated_at, version) VALUES ($1, 'Acme', $2, 'active', 0, 0, 1)";
    query DUE_AFTER = "SELECT MIN(next_attempt_at) FROM deliveries \
        WHERE tenant_id = $1 AND next_attempt_at > $2";
}

/// True seconds without trouble after which everything must have been delivered, or be due later.
const DRAIN_SECONDS_MAX: u32 = 600;
/// How far beyond the next retry wall clocks are set, as a part of the time until then.
const FURTHER_MAX: f64 = 1.25;
/// A turn of a node while everything is well.
const CALM_TURN: Duration = Duration::from_millis(250);

/// The way to the database of who only looks.
struct ShortRoad;

impl Road for ShortRoad {
    fn crossing(&self, _: Question) -> Crossing {
        Crossing { there: Duration::ZERO, back: Duration::ZERO, fate: Fate::Answered }
    }

    fn database_time(&self) -> Timestamp {
        Timestamp::default()
    }
}

/// Looks at the database from outside of all nodes.
struct Observer {
    runtime: Runtime,
    db: Db,
    webhooks: Webhooks,
}

impl Observer {
    fn new(database: &SimulatedDatabase) -> Self {
        let Ok(runtime) = Builder::new_current_thread().enable_time().build() else {
            unreachable!("a runtime needs nothing of the machine")
        };
        let location =
            Location::Simulated { database: database.clone(), road: Arc::new(ShortRoad) };
        let clock: Arc<dyn Clock> = Arc::new(TestClock::at(Timestamp::default()));
        let options = Options {
            location,
            clock: Arc::clone(&clock),
            seed: IdSeed::from_number(0),
            lease_clock: LeaseClock::Database,
            writer: WriterMode::Inline,
            on_fatal: Arc::new(|error| panic!("{error}")),
        };
        let opened = runtime.block_on(Db::open(options));
        let db = opened.unwrap_or_else(|error| panic!("{error}"));
        let network = tidings_egress::Options {
            network: tidings_egress::NetworkChoice::Given(Arc::new(NoNetwork)),
            resolver: tidings_egress::ResolverChoice::Fixed(std::collections::HashMap::new()),
            ..tidings_egress::Options::default()
        };
        let egress = Egress::new(tidings_egress::Policy::default(), network);
        let egress = egress.unwrap_or_else(|error| panic!("{error}"));
        let bus = tidings_bus::Bus::new(clock);
        let webhooks = Webhooks::new(db.clone(), Arc::new(Vault::seeded(0)), egress, bus);
        Self { runtime, db, webhooks }
    }

    fn add_tenant(&self, tenant: usize) {
        let id = tenant_id(tenant);
        let ctx = self.db.system_ctx("simulation", id, true);
        let added = self.runtime.block_on(self.db.write::<(), DbError, _>(&ctx, move |work| {
            Box::pin(async move {
                let mut writer = work.silent(Silent::Installation);
                writer.execute(&ADD_TENANT, args![id, true]).await.map(|_| ())
            })
        }));
        drop(added.unwrap_or_else(|error| panic!("{error}")));
    }

    /// When the tenant's next delivery after that time is due.
    fn due_after(&self, tenant: usize, wall: Timestamp) -> Option<Timestamp> {
        let id = tenant_id(tenant);
        let found = self.runtime.block_on(async {
            let mut session = self.db.read(id).await?;
            session.reader().scalar(&DUE_AFTER, args![id, wall]).await
        });
        found.unwrap_or_else(|error: DbError| panic!("{error}"))
    }
}

struct NoNetwork;

impl tidings_egress::Network for NoNetwork {
    fn connect(&self, _: std::net::SocketAddr) -> tidings_egress::Connecting {
        Box::pin(async { Err(std::io::ErrorKind::ConnectionRefused.into()) })
    }
}

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
            Step::Subscribe { .. }
            | Step::Pause { .. }
            | Step::Resume { .. }
            | Step::Delete { .. }
            | Step::Create { .. }
            | Step::Change { .. }
            | Step::Repeat { .. }
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
            Step::Kill { .. } | Step::Stall { .. } | Step::Misset { .. } | Step::Trouble { .. } => {
            }
        }
    }

    /// No fault any more, every node runs, and whoever can be well is.
    fn calm_down(&mut self) {
        self.around.receivers.healed.store(true, Ordering::SeqCst);
        for node in &mut self.nodes {
            node.trouble.set(0);
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
            mutation.falsify(&mut book.pages().arrivals);
        }
        let gathered = self.observer.runtime.block_on(Evidence::gather(
            &self.observer.db,
            &self.scenario,
            book.clone(),
        ));
        let evidence = gathered.unwrap_or_else(|error| panic!("{error}"));
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
