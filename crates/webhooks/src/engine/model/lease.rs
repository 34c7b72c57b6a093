//! Processes that die, stand still, say that they live, and take over from each other.

use super::Setup;
use super::sabotage::Sabotage;
use super::world::{Life, Mark, Phase, Process, TICKS_MAX, World, node_id};

impl Setup {
    pub(super) fn crash(world: &mut World, at: usize) -> bool {
        world.left.all -= 1;
        world.left.crashes -= 1;
        world.harm += 1;
        let node = world.processes[at].node;
        world.processes[at] = Process { life: Life::Dead, ..Process::joined(node) };
        true
    }

    /// `Engine::start`.
    pub(super) fn restart(world: &mut World, at: usize) -> bool {
        world.processes[at] = Process::joined(world.database.join());
        true
    }

    pub(super) fn stand_still(world: &mut World, at: usize) -> bool {
        world.left.all -= 1;
        world.left.pauses -= 1;
        world.harm += 1;
        world.processes[at].life = Life::StandingStill;
        true
    }

    /// `membership::beat`, and `rejoin`: who runs says so in time, so this is a step of its own only
    /// where a process stood still.
    pub(super) fn beat(world: &mut World, at: usize) -> bool {
        let node = world.processes[at].node;
        if world.processes[at].silence == 0 && !world.database.is_fenced(node) {
            return false;
        }
        if !world.database.beat(node) {
            let node = world.database.join();
            let process = &mut world.processes[at];
            process.items.retain(|item| item.phase != Phase::Queued);
            process.node = node;
            process.in_hand.begin_again(node_id(node));
        }
        world.processes[at].silence = 0;
        true
    }

    /// `FENCE_DEAD`, by a node that has just said that it lives.
    pub(super) fn fence(&self, world: &mut World, at: usize) -> bool {
        if world.processes[at].silence > 0 || self.has(Sabotage::NeverFences) {
            return false;
        }
        let fenced = world.database.fence_dead();
        let stands_still = fenced.iter().any(|node| {
            Self::process_of(world, *node)
                .is_some_and(|at| world.processes[at].life == Life::StandingStill)
        });
        world.last = if stands_still { Mark::FencedStandingStill } else { Mark::FencedDead };
        !fenced.is_empty()
    }

    /// `membership::adopt`. The node may itself have been fenced since its last heartbeat.
    pub(super) fn adopt(&self, world: &mut World, at: usize) -> bool {
        world.last = Mark::Adopted;
        !self.has(Sabotage::NeverAdopts) && world.database.adopt(world.processes[at].node)
    }

    /// Whoever runs says in time that it lives; who does not grows silent.
    pub(super) fn tick(world: &mut World) -> bool {
        if world.processes.iter().any(|process| process.runs() && process.silence > 0) {
            return false;
        }
        let mut passed = false;
        for process in &mut world.processes {
            if process.life == Life::StandingStill {
                passed |= process.silence < TICKS_MAX;
                process.silence = (process.silence + 1).min(TICKS_MAX);
            }
        }
        for (node, row) in (0..).zip(&mut world.database.nodes) {
            let lives =
                world.processes.iter().any(|process| process.node == node && process.runs());
            if !row.is_fenced && !lives {
                passed |= row.age < TICKS_MAX;
                row.age = (row.age + 1).min(TICKS_MAX);
            }
        }
        passed
    }
}
