//! From the commit to the answer of a receiver: what `hand_over`, `dispatch`, `recover`, `due`, `lane`
//! and `attempt` do.

use super::Setup;
use super::action::Reply;
use super::sabotage::Sabotage;
use super::world::{
    DELIVERIES, Item, Mark, NOW, Node, Outcome, Phase, Read, World, delivery_id, event_id, node_id,
};
use crate::delivery::DeliveryStatus;
use crate::engine::holding::{Claim, Turn, claim, is_held_by, turn};
use crate::plan::{self, Attempt, NextStep, plan_along};

impl Setup {
    /// The unit's commit, through the first process, and `Engine::hand_over`.
    pub(super) fn commit(world: &mut World, answer_lost: bool) -> bool {
        let process = &mut world.processes[0];
        let holder = process.node;
        world.database.event = Some(true);
        world.database.pointer = Some(holder);
        if answer_lost {
            world.left.all -= 1;
            world.left.lost_answers -= 1;
            world.harm += 1;
        } else if process.in_hand.take_event(node_id(holder), event_id()) {
            process.inbox = Some(holder);
        }
        true
    }

    /// `dispatch::run`: the directory is asked anew, and then the event goes to who wants it.
    pub(super) fn dispatch(&self, world: &mut World, at: usize) -> bool {
        let Some(holder) = world.processes[at].inbox.take() else { return false };
        if is_held_by(&holder, &world.processes[at].node) {
            self.plan_pairs(world, at, holder, [false; DELIVERIES]);
        }
        true
    }

    /// `recover::run_once`: a pointer that nobody in this process works on.
    pub(super) fn recover(&self, world: &mut World, at: usize) -> bool {
        let process = &mut world.processes[at];
        let holder = process.node;
        let is_its = world.database.pointer == Some(holder);
        if !is_its
            || !process.lease_holds()
            || !process.in_hand.take_event(node_id(holder), event_id())
        {
            return false;
        }
        let mut known = world.database.rows.map(|row| row.is_some());
        if self.has(Sabotage::PlansPairsTwice) {
            known = [false; DELIVERIES];
        }
        world.last = Mark::Recovered;
        self.plan_pairs(world, at, holder, known);
        true
    }

    /// `dispatch::plan_pairs`.
    fn plan_pairs(&self, world: &mut World, at: usize, holder: Node, known: [bool; DELIVERIES]) {
        let process = &mut world.processes[at];
        process.sees_stopped = world.database.stopped;
        let wanted = |delivery: &usize| !process.sees_stopped[*delivery] && !known[*delivery];
        let pairs: Vec<usize> = (0..DELIVERIES).filter(wanted).collect();
        let item =
            |delivery| Item { delivery, holder, attempts: 0, stored: false, phase: Phase::Queued };
        process.open = u8::try_from(pairs.len()).unwrap_or(u8::MAX);
        if pairs.is_empty() {
            world.last = Mark::Unwanted;
            process.settle(item(0), Outcome::Unwanted);
        }
        for delivery in pairs {
            process.add(item(delivery));
        }
        if self.has(Sabotage::DropsThePointerAtOnce) {
            world.database.pointer = None;
        }
    }

    /// `due::run_once`, up to what is read. Where all of it is in hand, the read is idle.
    pub(super) fn read(&self, world: &mut World, at: usize) -> bool {
        let now = self.clock(at);
        let process = &mut world.processes[at];
        let holder = process.node;
        let mut found = world.database.due(holder, now);
        if self.has(Sabotage::ForgetsTheParked) {
            found = found.map(|attempts| attempts.filter(|attempts| *attempts > 0));
        }
        if process.read.is_some() || !process.lease_holds() || found == [None; DELIVERIES] {
            return false;
        }
        process.in_hand.begin_read();
        let mut hands = process.in_hand.clone();
        let is_free = |delivery: usize| hands.take(node_id(holder), delivery_id(delivery));
        let mut found_there = (0..DELIVERIES).filter(|delivery| found[*delivery].is_some());
        if !found_there.any(is_free) {
            if !world.left.allows(world.left.idle_reads) {
                return false;
            }
            world.left.all -= 1;
            world.left.idle_reads -= 1;
        }
        process.read = Some(Read { holder, found });
        true
    }

    /// `due::run_once`, from there on.
    pub(super) fn take(&self, world: &mut World, at: usize) -> bool {
        let process = &mut world.processes[at];
        let Some(Read { holder, found }) = process.read.take() else { return false };
        process.sees_stopped = world.database.stopped;
        for (delivery, attempts) in found.into_iter().enumerate() {
            let Some(attempts) = attempts else { continue };
            let is_free = process.in_hand.take(node_id(holder), delivery_id(delivery));
            if is_free || self.has(Sabotage::TakesWhatIsInHand) {
                let retry = attempts > 0;
                world.last = if retry { Mark::RetryTakenUp } else { Mark::ParkedTakenUp };
                let phase = Phase::Queued;
                process.add(Item { delivery, holder, attempts, stored: true, phase });
            } else if world.last == Mark::None {
                world.last = Mark::ReadTooEarly;
            }
        }
        true
    }

    /// `lane::push`, where there is no room.
    pub(super) fn park(&self, world: &mut World, at: usize, place: usize) -> bool {
        world.left.all -= 1;
        world.left.parks -= 1;
        let item = world.processes[at].items.remove(place);
        world.processes[at].settle(item, Outcome::Parked { until: self.clock(at) });
        true
    }

    /// `attempt::run`, up to where the request leaves.
    pub(super) fn begin(&self, world: &mut World, at: usize, place: usize) -> bool {
        let until = self.clock(at);
        let is_fenced = world.database.is_fenced(world.processes[at].node);
        let process = &mut world.processes[at];
        let item = process.items.remove(place);
        let lease_holds = process.lease_holds() || self.has(Sabotage::SendsWithoutLease);
        match claim(&item.holder, &process.node, lease_holds) {
            Claim::Good => {}
            Claim::Doubtful => {
                world.last = Mark::PutOff;
                process.settle(item, Outcome::Parked { until });
                return true;
            }
            Claim::Lost => return true,
        }
        let seen = &mut process.sees_stopped[item.delivery];
        if *seen && !self.has(Sabotage::SendsToTheStopped) {
            // That nobody wants it is asked of the database.
            *seen = world.database.stopped[item.delivery];
        }
        let knew = *seen;
        let sends = !knew || self.has(Sabotage::SendsToTheStopped);
        match turn(sends.then_some(()), false, true) {
            Turn::Send(()) => {
                world.broken.sent_fenced |= is_fenced;
                world.broken.sent_stopped |= knew;
                process.add(Item { phase: Phase::Sending, ..item });
            }
            Turn::Discard => {
                let (number, next) = (item.attempts, NextStep::Gone);
                process.settle(item, Outcome::Attempted { number, next });
            }
            // Neither comes up without a replay.
            Turn::Wait | Turn::Leave => return false,
        }
        true
    }

    /// The receiver answers, and `plan` says what follows.
    pub(super) fn answer(&self, world: &mut World, at: usize, place: usize, reply: Reply) -> bool {
        let now = self.clock(at);
        let item = world.processes[at].items.remove(place);
        let receiver = &mut world.receivers[item.delivery];
        if receiver.requests > 0 && !Self::row_knows(world.database.rows[item.delivery], item) {
            world.last = Mark::SentAgain;
        }
        receiver.requests += 1;
        let status = match reply {
            Reply::Takes => 200,
            Reply::Fails => 500,
            Reply::IsGone => 410,
        };
        match reply {
            Reply::Takes => receiver.took_it = true,
            Reply::Fails => world.left.failures -= 1,
            Reply::IsGone => {
                world.left.all -= 1;
                world.left.gone -= 1;
            }
        }
        let number = item.attempts + 1;
        let outcome = plan::Outcome::Status { status, retry_after_seconds: None };
        let attempt = Attempt { number, outcome, first_due_at: NOW };
        let mut next = plan_along(self.schedule, attempt, now, 0);
        if let NextStep::Wait { until } = &mut next {
            if self.has(Sabotage::RetriesAtOnce) {
                *until = now;
            }
            let wait = usize::try_from(number).ok().and_then(|made| self.schedule.get(made));
            world.broken.early |= wait.is_none_or(|wait| *until < now.after(*wait));
            *until = Self::whole_quanta(*until);
        } else if next == NextStep::Exhausted
            && self.has(Sabotage::OneAttemptTooMany)
            && number <= self.attempts_max()
        {
            next = NextStep::Wait { until: now };
        }
        world.processes[at].settle(item, Outcome::Attempted { number, next });
        true
    }

    /// Jitter is rounded up, so that instants do not multiply.
    fn whole_quanta(until: tidings_kernel::Timestamp) -> tidings_kernel::Timestamp {
        let quantum = super::world::QUANTUM.as_micros();
        let quanta = until.since(NOW).as_micros().div_ceil(quantum);
        NOW.after(super::world::QUANTUM * u32::try_from(quanta).unwrap_or(u32::MAX))
    }

    /// Whether every attempt before this one of the item is recorded, so that this is a new one.
    fn row_knows(row: Option<super::database::Row>, item: Item) -> bool {
        row.is_some_and(|row| {
            row.progress.attempts == item.attempts && row.progress.status == DeliveryStatus::Waiting
        })
    }
}
