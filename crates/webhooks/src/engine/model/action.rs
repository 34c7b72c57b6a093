//! What can happen next.

use super::Setup;
use super::world::{DELIVERIES, Life, NOW, PROCESSES, Phase, World};

/// One step. The first number is the process, the second an item or a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The unit with the event is committed, and handed over unless its answer is lost.
    Commit {
        answer_lost: bool,
    },
    /// It is undone.
    Undo,
    /// The event in the inbox is fanned out.
    Dispatch(usize),
    /// The pointer is found in the database.
    Recover(usize),
    /// Rows that are due are read.
    Read(usize),
    /// What was read is taken up.
    Take(usize),
    /// The lane is full.
    Park(usize, usize),
    /// The turn of an item has come.
    Begin(usize, usize),
    /// The receiver answers.
    Answer(usize, usize, Reply),
    /// The first outcome is written.
    Settle(usize, Road),
    /// An end could not be written for too long.
    GiveUp(usize),
    /// The owner of a subscription pauses it, through this process.
    Stop(usize, usize),
    Crash(usize),
    Restart(usize),
    StandStill(usize),
    WakeUp(usize),
    Beat(usize),
    Fence(usize),
    Adopt(usize),
    /// Time passes on the clocks that leases follow.
    Tick,
    /// Time passes on wall clocks.
    Pass,
}

/// What a receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Takes,
    Fails,
    IsGone,
}

/// What becomes of a transaction's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Road {
    Clear,
    /// It is durable, and nobody is told.
    AnswerLost,
    /// It never arrives.
    QuestionLost,
}

impl Setup {
    /// Everything that may happen; some of it changes nothing, which `step` tells.
    pub(super) fn enabled(&self, world: &World, actions: &mut Vec<Action>) {
        let left = &world.left;
        if world.database.event.is_none() {
            actions.extend([Action::Commit { answer_lost: false }, Action::Undo]);
            if left.allows(left.lost_answers) {
                actions.push(Action::Commit { answer_lost: true });
            }
            return;
        }
        for at in 0..PROCESSES {
            match world.processes[at].life {
                Life::Running => self.of_running(world, at, actions),
                Life::StandingStill => actions.push(Action::WakeUp(at)),
                Life::Dead => actions.push(Action::Restart(at)),
            }
        }
        let unfenced = world.database.nodes.iter().filter(|node| !node.is_fenced).count();
        if unfenced > PROCESSES || world.processes.iter().any(|process| !process.runs()) {
            actions.push(Action::Tick);
        }
        if world.database.waits_until().any(|at| at > NOW) {
            actions.push(Action::Pass);
        }
    }

    fn of_running(&self, world: &World, at: usize, actions: &mut Vec<Action>) {
        let (process, left) = (&world.processes[at], &world.left);
        let database = &world.database;
        // What is asked here only saves copies: the step itself asks again.
        actions.extend(process.inbox.map(|_| Action::Dispatch(at)));
        actions.extend(database.pointer.map(|_| Action::Recover(at)));
        actions.extend(database.waits_until().next().map(|_| Action::Read(at)));
        actions.extend(process.read.map(|_| Action::Take(at)));
        if process.silence > 0 || database.is_fenced(process.node) {
            actions.push(Action::Beat(at));
        }
        if database.nodes.iter().any(|node| node.is_expired()) {
            actions.push(Action::Fence(at));
        }
        if database.nodes.iter().any(|node| node.is_fenced) {
            actions.push(Action::Adopt(at));
        }
        for (place, item) in process.items.iter().enumerate() {
            match item.phase {
                Phase::Queued => {
                    actions.push(Action::Begin(at, place));
                    if left.allows(left.parks) {
                        actions.push(Action::Park(at, place));
                    }
                }
                Phase::Sending => {
                    actions.push(Action::Answer(at, place, Reply::Takes));
                    if left.failures > 0 && item.delivery < self.failing {
                        actions.push(Action::Answer(at, place, Reply::Fails));
                    }
                    if left.allows(left.gone) {
                        actions.push(Action::Answer(at, place, Reply::IsGone));
                    }
                }
                Phase::Settling { .. } => {}
            }
        }
        if let Some(first) = process.first_outcome() {
            actions.push(Action::Settle(at, Road::Clear));
            if matches!(process.items[first].phase, Phase::Settling { again: true, .. }) {
                actions.push(Action::GiveUp(at));
            }
            if left.allows(left.lost_answers) {
                actions.push(Action::Settle(at, Road::AnswerLost));
                actions.push(Action::Settle(at, Road::QuestionLost));
            }
        }
        if left.allows(left.stops) {
            actions.extend((0..DELIVERIES).map(|delivery| Action::Stop(at, delivery)));
        }
        if left.allows(left.crashes) {
            actions.push(Action::Crash(at));
        }
        if left.allows(left.pauses) {
            actions.push(Action::StandStill(at));
        }
    }

    /// Takes a step. Says whether it changed anything.
    pub(super) fn step(&self, world: &mut World, action: Action) -> bool {
        match action {
            Action::Commit { answer_lost } => Self::commit(world, answer_lost),
            Action::Undo => {
                world.database.event = Some(false);
                true
            }
            Action::Dispatch(at) => self.dispatch(world, at),
            Action::Recover(at) => self.recover(world, at),
            Action::Read(at) => self.read(world, at),
            Action::Take(at) => self.take(world, at),
            Action::Park(at, place) => self.park(world, at, place),
            Action::Begin(at, place) => self.begin(world, at, place),
            Action::Answer(at, place, reply) => self.answer(world, at, place, reply),
            Action::Settle(at, road) => self.settle(world, at, road),
            Action::GiveUp(at) => self.give_up(world, at),
            Action::Stop(at, delivery) => Self::stop(world, at, delivery),
            Action::Crash(at) => Self::crash(world, at),
            Action::Restart(at) => Self::restart(world, at),
            Action::StandStill(at) => Self::stand_still(world, at),
            Action::WakeUp(at) => {
                world.processes[at].life = Life::Running;
                true
            }
            Action::Beat(at) => Self::beat(world, at),
            Action::Fence(at) => self.fence(world, at),
            Action::Adopt(at) => self.adopt(world, at),
            Action::Tick => Self::tick(world),
            Action::Pass => world.pass(),
        }
    }

    fn stop(world: &mut World, at: usize, delivery: usize) -> bool {
        if world.database.stopped[delivery] {
            return false;
        }
        world.left.all -= 1;
        world.left.stops -= 1;
        world.database.stopped[delivery] = true;
        world.processes[at].sees_stopped[delivery] = true;
        true
    }
}
