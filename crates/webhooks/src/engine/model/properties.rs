//! What holds always, what holds at the end of every path, and what happens at all.

use stateright::{Model, Property};

use super::Setup;
use super::world::{DELIVERIES, Mark, Outcome, Phase, Process, World, node_id};
use crate::delivery::DeliveryStatus;
use crate::engine::holding::is_held_by;

/// S1.
pub(super) const ONE_TOKEN: &str = "S1 only one process may settle a delivery";
/// S2.
pub(super) const STALE_REFUSED: &str = "S2 nothing is written of what another node holds";
/// S3.
pub(super) const END_ABSORBS: &str = "S3 a delivery that has ended stays as it is";
/// S4.
pub(super) const ATTEMPTS_MAX: &str = "S4 nothing is tried more often than the schedule says";
/// S5.
pub(super) const STOPPED: &str = "S5 nothing is sent after the stop was seen";
/// S6.
pub(super) const EVERY_PAIR: &str = "S6 a pair exists just where its event was committed";
/// P5.
pub(super) const FEW_REPEATED: &str = "P5 each repetition has its crash, pause or lost answer";
/// P9.
pub(super) const NOT_EARLY: &str = "P9 no retry is due before its wait is over";
/// R9.
pub(super) const LEASED: &str = "R9 no attempt is begun by a node that was fenced";
/// What is delivered has arrived.
pub(super) const ARRIVED: &str = "what is delivered has arrived";
/// L1.
pub(super) const ALL_END: &str = "L1 every delivery ends";
/// L1, where the receiver fails less often than the schedule has attempts.
pub(super) const ALL_ARRIVE: &str = "L1 what a receiver takes in time is delivered";
/// L2.
pub(super) const NONE_LEFT: &str = "L2 nothing is left with the dead, and nothing in hand";

/// Every property.
pub(super) fn all() -> Vec<Property<Setup>> {
    let mut all = vec![
        Property::<Setup>::always(ONE_TOKEN, |_, world| has_one_token(world)),
        Property::<Setup>::always(STALE_REFUSED, |_, world| !world.broken.stale_write),
        Property::<Setup>::always(END_ABSORBS, |_, world| !world.broken.left_the_end),
        Property::<Setup>::always(ATTEMPTS_MAX, keeps_to_the_schedule),
        Property::<Setup>::always(STOPPED, |_, world| !world.broken.sent_stopped),
        Property::<Setup>::always(EVERY_PAIR, |_, world| has_every_pair(world)),
        Property::<Setup>::always(FEW_REPEATED, |_, world| repeats_little(world)),
        Property::<Setup>::always(NOT_EARLY, |_, world| !world.broken.early),
        Property::<Setup>::always(LEASED, |_, world| !world.broken.sent_fenced),
        Property::<Setup>::always(ARRIVED, |_, world| what_is_delivered_arrived(world)),
        Property::<Setup>::eventually(ALL_END, |_, world| all_ended(world)),
        Property::<Setup>::eventually(ALL_ARRIVE, all_arrived),
        Property::<Setup>::eventually(NONE_LEFT, leaves_nothing),
    ];
    all.extend(sometimes());
    all
}

fn sometimes() -> [Property<Setup>; 19] {
    macro_rules! shows {
        ($name:literal, $mark:ident) => {
            Property::<Setup>::sometimes($name, |_, world: &World| world.last == Mark::$mark)
        };
    }
    [
        shows!("delivered", Delivered),
        shows!("exhausted", Exhausted),
        shows!("discarded, for the endpoint is gone", DiscardedGone),
        shows!("discarded, for the subscription stopped", DiscardedStopped),
        shows!("parked, and taken up again", ParkedTakenUp),
        shows!("a retry taken up", RetryTakenUp),
        shows!("an outcome dropped by the node that came after", StaleDropped),
        shows!("an outcome refused by the database", StaleRefused),
        shows!("fenced while it stood still", FencedStandingStill),
        shows!("fenced after it died", FencedDead),
        shows!("taken over from a node that was fenced", Adopted),
        shows!("written again, for the answer was lost", WrittenAgain),
        shows!("an end found written", EndFoundWritten),
        shows!("an end left for later", EndGivenUp),
        shows!("put off, for the lease was over", PutOff),
        shows!("a read that came too early", ReadTooEarly),
        shows!("sent again, for the outcome was lost", SentAgain),
        shows!("an event that nobody wants", Unwanted),
        shows!("a pointer recovered", Recovered),
    ]
}

/// Whether what is in memory of a delivery could be settled by one process only. In that one it may
/// be there twice: as what was written and is written again because the answer was lost, and as what
/// was taken up from the row that it wrote.
fn has_one_token(world: &World) -> bool {
    (0..DELIVERIES).all(|delivery| {
        let valid = |process: &&Process| {
            !world.database.is_fenced(process.node) && holds(process, delivery) > 0
        };
        let mut processes = world.processes.iter().filter(valid);
        processes.next().is_none_or(|process| holds(process, delivery) == 1)
            && processes.next().is_none()
    })
}

/// How often a process holds a delivery, but for what is being written again.
fn holds(process: &Process, delivery: usize) -> usize {
    let is_first = |item: &&super::world::Item| {
        item.delivery == delivery
            && is_held_by(&item.holder, &process.node)
            && !matches!(
                item.phase,
                Phase::Settling { again: true, .. }
                    | Phase::Settling { what: Outcome::Unwanted | Outcome::Ended, .. }
            )
    };
    process.items.iter().filter(is_first).count()
}

fn keeps_to_the_schedule(setup: &Setup, world: &World) -> bool {
    let rows = world.database.rows.iter().flatten();
    let items = world.processes.iter().flat_map(|process| &process.items);
    rows.map(|row| row.progress.attempts).max().unwrap_or(0) <= setup.attempts_max()
        && items
            .filter(|item| item.phase == Phase::Sending)
            .all(|item| item.attempts < setup.attempts_max())
}

fn has_every_pair(world: &World) -> bool {
    let database = &world.database;
    if database.event == Some(true) {
        let exists = |at: usize| database.rows[at].is_some() || database.pointer.is_some();
        return (0..DELIVERIES).all(|at| exists(at) || database.stopped[at]);
    }
    database.pointer.is_none()
        && database.rows == [None; DELIVERIES]
        && world.receivers.iter().all(|receiver| receiver.requests == 0)
}

fn repeats_little(world: &World) -> bool {
    (0..DELIVERIES).all(|delivery| {
        let recorded = world.database.rows[delivery].map_or(0, |row| row.progress.attempts);
        let items = world.processes.iter().flat_map(|process| &process.items);
        let unwritten = items.filter(|item| item.delivery == delivery).filter(|item| {
            matches!(item.phase, Phase::Settling { what: Outcome::Attempted { number, .. }, .. }
                if number > item.attempts)
        });
        let known = recorded + u32::try_from(unwritten.count()).unwrap_or(u32::MAX);
        world.receivers[delivery].requests <= known + world.harm
    })
}

fn what_is_delivered_arrived(world: &World) -> bool {
    world.database.rows.iter().zip(&world.receivers).all(|(row, receiver)| {
        receiver.took_it || row.is_none_or(|row| row.progress.status != DeliveryStatus::Delivered)
    })
}

/// Whether all that was committed has ended. It stays so, for an end absorbs.
fn all_ended(world: &World) -> bool {
    let database = &world.database;
    let ended = |at: usize| match database.rows[at] {
        Some(row) => row.has_ended(),
        None => database.stopped[at],
    };
    match database.event {
        None => false,
        Some(false) => true,
        Some(true) => database.pointer.is_none() && (0..DELIVERIES).all(ended),
    }
}

/// The same where nobody stops and the receivers' failures leave one attempt for each.
fn all_arrived(setup: &Setup, world: &World) -> bool {
    let is_in_vain = setup.budget.stops > 0
        || setup.budget.gone > 0
        || u32::from(setup.budget.failures) >= setup.attempts_max();
    let arrived = |row: &Option<super::database::Row>| {
        row.is_some_and(|row| row.progress.status == DeliveryStatus::Delivered)
    };
    all_ended(world)
        && (is_in_vain
            || world.database.event == Some(false)
            || world.database.rows.iter().all(arrived))
}

/// Whether nobody can do anything any more, and that is right.
fn leaves_nothing(setup: &Setup, world: &World) -> bool {
    let is_clean = all_ended(world)
        && !world.database.nodes.iter().any(|node| node.is_expired())
        && world.processes.iter().all(|process| {
            process.items.is_empty()
                && process.in_hand.is_empty()
                && process.in_hand.holder() == node_id(process.node)
        });
    is_clean && setup.next_states(world).is_empty()
}
