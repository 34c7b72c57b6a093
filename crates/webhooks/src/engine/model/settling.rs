//! What `settle` does with the first of the outcomes that wait. Batches of one: a larger batch is
//! several of them with nothing in between.

use super::Setup;
use super::action::Road;
use super::database::{Row, is_open};
use super::sabotage::Sabotage;
use super::world::{
    Closing, Item, Mark, Node, Outcome, Phase, QUANTUM, World, delivery_id, event_id, node_id,
};
use crate::delivery::DeliveryStatus;
use crate::engine::holding::is_held_by;
use crate::engine::progress::{Parking, Progress, closing, parking};
use crate::plan::NextStep;

/// What became of writing something.
enum Written {
    /// It is durable, and the database said so.
    Known,
    /// It is durable or not, and nobody knows.
    Unknown,
    /// The node was fenced.
    Refused,
}

impl Setup {
    /// One more try to write the first outcome.
    pub(super) fn settle(&self, world: &mut World, at: usize, road: Road) -> bool {
        let process = &world.processes[at];
        let Some(place) = process.first_outcome() else { return false };
        let item = process.items[place];
        let Phase::Settling { what, again, closing } = item.phase else { return false };
        let may_be_others = self.has(Sabotage::IgnoresTheHolder)
            || (what == Outcome::Unwanted && self.has(Sabotage::UnwantedByAnybody));
        if !is_held_by(&item.holder, &process.node) && !may_be_others {
            world.last = Mark::StaleDropped;
            world.processes[at].items.remove(place);
            return true;
        }
        let now = self.clock(at);
        let is_end =
            matches!(what, Outcome::Attempted { next: NextStep::Exhausted | NextStep::Gone, .. });
        // An end is written by itself, and what ends with it after that.
        let closing =
            (!is_end).then(|| closing.unwrap_or_else(|| self.closes(world, at, item, what)));
        let writes = is_end
            || closing == Some(Closing::Pointer)
            || matches!(what, Outcome::Attempted { .. })
            || matches!(what, Outcome::Parked { until }
                if parking(item.stored, until, now) != Parking::AsItIs);
        if !writes {
            if road != Road::Clear {
                return false;
            }
            Self::finish(world, at, place, closing);
            return true;
        }
        match self.write(world, at, item, closing, road) {
            Written::Refused => {
                world.last = Mark::StaleRefused;
                world.processes[at].items.remove(place);
            }
            Written::Unknown => {
                let phase = Phase::Settling { what, again: true, closing };
                world.processes[at].items[place].phase = phase;
            }
            Written::Known if is_end => {
                let what = Outcome::Ended;
                let phase = Phase::Settling { what, again: false, closing: None };
                world.processes[at].items[place].phase = phase;
            }
            Written::Known => {
                if again {
                    world.last = Mark::WrittenAgain;
                }
                Self::finish(world, at, place, closing);
            }
        }
        true
    }

    /// `settle::end` after too many tries: the delivery is left for later.
    pub(super) fn give_up(&self, world: &mut World, at: usize) -> bool {
        let until = self.clock(at).after(QUANTUM);
        let process = &mut world.processes[at];
        let Some(place) = process.first_outcome() else { return false };
        let Phase::Settling { what, again: true, .. } = process.items[place].phase else {
            return false;
        };
        let Outcome::Attempted { next: NextStep::Exhausted | NextStep::Gone, .. } = what else {
            return false;
        };
        let what = Outcome::Parked { until };
        process.items[place].phase = Phase::Settling { what, again: false, closing: None };
        world.last = Mark::EndGivenUp;
        true
    }

    fn closes(&self, world: &mut World, at: usize, item: Item, what: Outcome) -> Closing {
        if what == Outcome::Unwanted || self.has(Sabotage::DropsThePointerEarly) {
            return if item.stored { Closing::Delivery } else { Closing::Pointer };
        }
        let open = &mut world.processes[at].open;
        closing(item.stored, || {
            let was_last = *open == 1;
            *open = open.saturating_sub(1);
            was_last
        })
    }

    /// `write_once` and `end_once`: one transaction.
    fn write(
        &self,
        world: &mut World,
        at: usize,
        item: Item,
        closing: Option<Closing>,
        road: Road,
    ) -> Written {
        if road != Road::Clear {
            world.left.all -= 1;
            world.left.lost_answers -= 1;
            world.harm += 1;
        }
        if road == Road::QuestionLost {
            return Written::Unknown;
        }
        let node = world.processes[at].node;
        let is_fenced = world.database.is_fenced(node);
        if is_fenced && !self.has(Sabotage::IgnoresItsFence) {
            return Written::Refused;
        }
        let Phase::Settling { what, .. } = item.phase else { return Written::Refused };
        match what {
            Outcome::Attempted { number, next } => {
                let progress = Progress::after(item.attempts, number, next);
                self.write_row(world, item, (node, progress));
                if next == NextStep::Gone && number > item.attempts {
                    world.database.stopped[item.delivery] = true;
                    world.processes[at].sees_stopped[item.delivery] = true;
                }
            }
            Outcome::Parked { until } => match parking(item.stored, until, self.clock(at)) {
                Parking::NewRow => self.write_row(world, item, (node, Progress::untried(until))),
                Parking::Longer => self.postpone(world, item, (node, until)),
                Parking::AsItIs => {}
            },
            Outcome::Ended | Outcome::Unwanted => {}
        }
        if closing == Some(Closing::Pointer) {
            let others = world.database.pointer.is_some_and(|holder| holder != item.holder);
            world.broken.stale_write |= is_fenced || others;
            world.database.pointer = None;
        }
        if road == Road::AnswerLost { Written::Unknown } else { Written::Known }
    }

    /// `settle::DELIVERIES`.
    fn write_row(&self, world: &mut World, item: Item, (node, progress): (Node, Progress)) {
        let known = world.database.rows[item.delivery];
        let is_ended = !is_open(known.map(|row| row.progress.status));
        if is_ended && !self.has(Sabotage::LeavesTheEnd) {
            if progress.status.is_terminal() {
                world.last = Mark::EndFoundWritten;
            }
            return;
        }
        world.broken.left_the_end |= is_ended && known.is_some_and(|row| row.progress != progress);
        // A row that is not there yet is held by whoever holds the pointer.
        let holder = known.map(|row| row.holder).or(world.database.pointer);
        world.broken.stale_write |=
            holder.is_some_and(|holder| holder != item.holder) || world.database.is_fenced(node);
        world.database.rows[item.delivery] = Some(Row { progress, holder: item.holder });
        world.last = match progress.status {
            DeliveryStatus::Delivered => Mark::Delivered,
            DeliveryStatus::Exhausted => Mark::Exhausted,
            DeliveryStatus::Discarded if progress.attempts > item.attempts => Mark::DiscardedGone,
            DeliveryStatus::Discarded => Mark::DiscardedStopped,
            DeliveryStatus::Pending | DeliveryStatus::Waiting => Mark::None,
        };
    }

    /// `settle::POSTPONE`.
    fn postpone(
        &self,
        world: &mut World,
        item: Item,
        (node, until): (Node, tidings_kernel::Timestamp),
    ) {
        let Some(row) = world.database.rows[item.delivery] else { return };
        if row.has_ended() && !self.has(Sabotage::LeavesTheEnd) {
            return;
        }
        world.broken.left_the_end |= row.has_ended();
        world.broken.stale_write |= row.holder != item.holder || world.database.is_fenced(node);
        let progress = Progress { next_attempt_at: Some(until), ..row.progress };
        world.database.rows[item.delivery] = Some(Row { progress, ..row });
    }

    /// The end of `write_batch`: nobody works on it any more.
    fn finish(world: &mut World, at: usize, place: usize, closing: Option<Closing>) {
        let process = &mut world.processes[at];
        let item = process.items.remove(place);
        match closing {
            Some(Closing::Pointer) => {
                process.in_hand.finish_event(node_id(item.holder), event_id());
            }
            Some(Closing::Delivery) => {
                process.in_hand.finish(node_id(item.holder), delivery_id(item.delivery));
            }
            Some(Closing::Nothing) | None => {}
        }
    }
}
