//! The life of a delivery, explored completely: two processes on one database, two deliveries of
//! one event, and whatever order their steps and a few faults come in.
//!
//! What decides is the product's own code: `DeliveryStatus::next` and `plan_along` say what follows
//! an attempt, `holding` who may send and settle, `progress` what is written, and `InHand` what is
//! taken up. Written once more are the statements, as functions of `database`, and the order in
//! which the loops do things.
//!
//! No path goes in circles (a test says so) and faults are counted, so every path ends, and it ends
//! only where nobody can do anything any more. `eventually` therefore means: under whatever fair
//! order, once faults have stopped.

mod action;
mod circles;
mod database;
mod lease;
mod properties;
mod sabotage;
mod sending;
mod settling;
mod tests;
mod world;

use std::time::Duration;

use stateright::{Model, Property};

use action::Action;
use database::{Database, NodeRow};
use sabotage::Sabotage;
use tidings_kernel::Timestamp;
use world::{
    Broken, Budget, DELIVERIES, Mark, NOW, Node, PROCESSES, Process, QUANTUM, Receiver, World,
};

/// What is explored.
#[derive(Debug, Clone)]
struct Setup {
    /// The waits before the attempts.
    schedule: &'static [Duration],
    /// Which faults happen at most.
    budget: Budget,
    /// Whether the first process's clock is ahead and the second one's is right.
    is_skewed: bool,
    /// How many of the receivers may fail.
    failing: usize,
    /// Whether states tell what the last step showed. Where only laws matter, they are fewer without.
    is_watched: bool,
    /// A fault of the program, which must be found.
    sabotage: Option<Sabotage>,
}

/// Two attempts: the first at once, the second a quantum later.
const TWO_ATTEMPTS: &[Duration] = &[Duration::ZERO, QUANTUM];

impl Setup {
    fn new(schedule: &'static [Duration], budget: Budget) -> Self {
        let (is_skewed, failing, is_watched) = (true, DELIVERIES, false);
        Self { schedule, budget, is_skewed, failing, is_watched, sabotage: None }
    }

    /// Both clocks are right, and one of the receivers takes whatever comes.
    fn calm(self) -> Self {
        Self { is_skewed: false, failing: 1, ..self }
    }

    fn watched(self) -> Self {
        Self { is_watched: true, ..self }
    }

    fn with(self, sabotage: Sabotage) -> Self {
        Self { sabotage: Some(sabotage), ..self }
    }

    fn attempts_max(&self) -> u32 {
        u32::try_from(self.schedule.len()).unwrap_or(u32::MAX)
    }

    /// Whether the program is broken in this way.
    fn has(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// What the wall clock of a process shows.
    fn clock(&self, process: usize) -> Timestamp {
        if self.is_skewed && process == 0 { NOW.after(QUANTUM) } else { NOW }
    }

    /// The process that is a node at present.
    fn process_of(world: &World, node: Node) -> Option<usize> {
        (0..PROCESSES).find(|&at| world.processes[at].node == node && !world.is_dead(at))
    }
}

impl World {
    fn first(budget: Budget) -> Self {
        let alive = NodeRow { age: 0, is_fenced: false };
        Self {
            database: Database {
                event: None,
                pointer: None,
                rows: [None; DELIVERIES],
                nodes: vec![alive; PROCESSES],
                stopped: [false; DELIVERIES],
            },
            processes: [Process::joined(0), Process::joined(1)],
            receivers: [Receiver::default(); DELIVERIES],
            left: budget,
            harm: 0,
            broken: Broken::default(),
            last: Mark::None,
        }
    }

    fn is_dead(&self, process: usize) -> bool {
        self.processes[process].life == world::Life::Dead
    }

    /// A quantum passes on the wall clocks.
    fn pass(&mut self) -> bool {
        let mut passed = false;
        let mut shift = |at: &mut Timestamp| {
            let earlier = at.before(QUANTUM).max(NOW);
            passed |= earlier != *at;
            *at = earlier;
        };
        for row in self.database.rows.iter_mut().flatten() {
            row.progress.next_attempt_at.iter_mut().for_each(&mut shift);
        }
        // What waits to be written gets older as well; it is not what time passes for.
        let mut older = |at: &mut Timestamp| *at = at.before(QUANTUM).max(NOW);
        for item in self.processes.iter_mut().flat_map(|process| &mut process.items) {
            item.instants().for_each(&mut older);
        }
        passed
    }
}

impl world::Item {
    fn instants(&mut self) -> impl Iterator<Item = &mut Timestamp> {
        use crate::plan::NextStep;
        match &mut self.phase {
            world::Phase::Settling {
                what:
                    world::Outcome::Parked { until }
                    | world::Outcome::Attempted { next: NextStep::Wait { until }, .. },
                ..
            } => Some(until),
            world::Phase::Queued | world::Phase::Sending | world::Phase::Settling { .. } => None,
        }
        .into_iter()
    }
}

impl Model for Setup {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::first(self.budget)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.enabled(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.last = Mark::None;
        if !self.step(&mut next, action) {
            return None;
        }
        if !self.is_watched {
            next.last = Mark::None;
        }
        next.left.forget_what_cannot_happen();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
