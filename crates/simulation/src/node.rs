//! One machine: its own runtime, whose time stands still until it is moved, with the real engine.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_bus::{Bus, Tasks};
use tidings_customers::{Customers, NoSubscriptions};
use tidings_db::{Db, DbError, LeaseClock, Location, Options, SimulatedDatabase, WriterMode};
use tidings_egress::{Egress, NetworkChoice, Policy, ResolverChoice};
use tidings_jobs::{Leases, Runner, RunnerBuilder};
use tidings_kernel::{Clock, IdSeed};
use tidings_trace::Tracer;
use tidings_vault::Vault;
use tidings_webhooks::{Engine, EngineParts, Webhooks, jobs};
use tokio::runtime::{Builder, Runtime};

use crate::book::Book;
use crate::receivers::{NodeNetwork, Receivers};
use crate::road::{NodeRoad, Trouble};
use crate::time::{NodeClock, WallClock};

/// What all nodes share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) database: SimulatedDatabase,
    pub(crate) receivers: Arc<Receivers>,
    pub(crate) wall: Arc<WallClock>,
    pub(crate) book: Book,
    pub(crate) seed: u64,
}

/// The program on one node, from one boot on.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) db: Db,
    pub(crate) engine: Engine,
    pub(crate) webhooks: Webhooks,
    pub(crate) customers: Customers,
    pub(crate) runner: Runner,
    pub(crate) clock: Arc<NodeClock>,
}

/// Who could not start is started again after so long.
const START_AGAIN: Duration = Duration::from_millis(500);

struct Running {
    runtime: Runtime,
    program: Program,
}

/// One machine.
pub(crate) struct Node {
    pub(crate) number: usize,
    around: Surroundings,
    boots: u64,
    running: Option<Running>,
    /// Its wall clock is wrong by so many microseconds.
    wrong_by: Arc<AtomicI64>,
    pub(crate) trouble: Arc<Trouble>,
    back_at: Arc<Mutex<Duration>>,
    /// Until when it is switched off, or stands still.
    pub(crate) down_until: Option<Duration>,
    pub(crate) stalled_until: Option<Duration>,
}

impl Node {
    pub(crate) fn new(number: usize, around: Surroundings) -> Self {
        Self {
            number,
            around,
            boots: 0,
            running: None,
            wrong_by: Arc::default(),
            trouble: Arc::default(),
            back_at: Arc::default(),
            down_until: None,
            stalled_until: None,
        }
    }

    /// Starts the program. One that cannot reach its database is started again a little later.
    pub(crate) fn boot(&mut self, now: Duration) {
        self.down_until = None;
        self.boots += 1;
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let Ok(runtime) = runtime else { unreachable!("a runtime needs nothing of the machine") };
        match runtime.block_on(self.start(now)) {
            Ok(program) => {
                self.running = Some(Running { runtime, program });
                self.note(now, &format!("boots, the {}. time", self.boots));
            }
            Err(error) => {
                self.note(now, &format!("could not start: {error}"));
                self.down_until = Some(now + START_AGAIN);
            }
        }
    }

    async fn start(&self, now: Duration) -> Result<Program, DbError> {
        let Surroundings { database, receivers, wall, book, seed } = self.around.clone();
        let clock = Arc::new(NodeClock::new(now, wall, Arc::clone(&self.wrong_by)));
        let number = u64::try_from(self.number).unwrap_or_default();
        let own_seed = seed ^ (number << 48) ^ (self.boots << 32);
        let with = (Arc::clone(&clock), Arc::clone(&self.trouble), book.clone());
        let road = Arc::new(NodeRoad::new(with, self.number, own_seed));
        let db = Db::open(Options {
            location: Location::Simulated { database, road },
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            seed: IdSeed::from_number(own_seed),
            lease_clock: LeaseClock::Database,
            writer: WriterMode::Inline,
            on_fatal: Arc::new(|error| panic!("a flush failed: {error}")),
        })
        .await?;
        let (node, back_at) = (self.number, Arc::clone(&self.back_at));
        let network = NodeNetwork { receivers, clock: Arc::clone(&clock), book, node, back_at };
        let egress = Egress::new(
            Policy { allow_loopback: true, ..Policy::default() },
            tidings_egress::Options {
                network: NetworkChoice::Given(Arc::new(network)),
                resolver: ResolverChoice::Fixed(std::collections::HashMap::new()),
                ..tidings_egress::Options::default()
            },
        );
        let Ok(egress) = egress else { unreachable!("a dialler without roots can be built") };
        // All nodes have one root key; what is random differs from node to node.
        let vault = Arc::new(Vault::seeded(own_seed));
        let bus = Bus::new(Arc::clone(db.clock()));
        let webhooks = Webhooks::new(db.clone(), Arc::clone(&vault), egress.clone(), bus.clone());
        let customers = Customers::new(db.clone(), Arc::new(NoSubscriptions));
        let engine = Engine::start(EngineParts {
            db: db.clone(),
            vault,
            egress,
            bus: bus.clone(),
            tasks: Tasks::default(),
            name: format!("node {}", self.number),
            tracer: Tracer::off(),
        })
        .await?;
        let leases = Leases::new(db.clone(), engine.node_id());
        let runner = runner(&webhooks, &customers).build(db.clone(), bus, leases);
        Ok(Program { db, engine, webhooks, customers, runner, clock })
    }

    fn note(&self, now: Duration, what: &str) {
        self.around.book.note(now, &format!("node {} {what}", self.number));
    }

    /// The program, where it runs and does not stand still.
    pub(crate) fn program(&self) -> Option<&Program> {
        self.running.as_ref().filter(|_| self.stalled_until.is_none()).map(|r| &r.program)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(running) = &self.running {
            drop(running.runtime.spawn(task));
        }
    }

    /// Lets the node live until a true time.
    pub(crate) fn live_until(&mut self, until: Duration) {
        let Some(Running { runtime, program }) = &self.running else { return };
        if self.stalled_until.is_some() {
            return;
        }
        let until = program.clock.instant_of(until);
        // A sleep is made inside the runtime whose clock it follows.
        runtime.block_on(async { tokio::time::sleep_until(until).await });
    }

    /// Ends the program at once, wherever it was: nothing is drained, nothing said.
    pub(crate) fn kill(&mut self, now: Duration, down: Duration) {
        if let Some(Running { runtime, program }) = self.running.take() {
            drop(program);
            runtime.shutdown_background();
            let mut pages = self.around.book.pages();
            pages.disturbances += 1;
            pages.in_flight.retain(|(node, _), _| *node != self.number);
        }
        self.note(now, "is killed");
        self.stalled_until = None;
        self.down_until = Some(now + down);
    }

    /// Stands still, as a machine that swaps or is suspended does.
    pub(crate) fn stall(&mut self, now: Duration, time: Duration) {
        if self.running.is_some() && self.stalled_until.is_none() {
            self.note(now, "stands still");
            self.around.book.pages().disturbances += 1;
            self.stalled_until = Some(now + time);
        }
    }

    /// Comes back: its clocks went on, and whatever fell due meanwhile is due at once.
    pub(crate) fn wake(&mut self, now: Duration) {
        self.stalled_until = None;
        let Some(Running { runtime, program }) = &self.running else { return };
        let missed = runtime.block_on(async { now.saturating_sub(program.clock.true_time()) });
        *self.back_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
        runtime.block_on(tokio::time::advance(missed));
        self.note(now, "comes back");
    }

    pub(crate) fn misset(&self, seconds: i64) {
        self.wrong_by.store(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Whether its engine has nothing under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.as_ref().is_none_or(|r| r.program.engine.activity().count() == 0)
    }
}

/// What happens without anyone asking for it. Nobody asks for erasures and segments here.
fn runner(webhooks: &Webhooks, customers: &Customers) -> RunnerBuilder {
    let sweeps = jobs::retention().into_iter().chain(tidings_customers::jobs::sweeps(customers));
    let builder = RunnerBuilder::default()
        .job(jobs::GoOnWithReplay::new(webhooks))
        .sweep(jobs::purge_statistics())
        .sweep(jobs::forget_publications())
        .sweep(jobs::forget_settlements())
        .sweep(jobs::tend_endpoints())
        .reaction(jobs::EventActivity);
    sweeps.fold(builder, RunnerBuilder::sweep)
}
