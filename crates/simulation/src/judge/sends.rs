//! What was sent: only what was committed, with its bytes, not too often, not too early, not after
//! a stop, not too much at once.

use std::time::Duration;

use super::evidence::{Endpoint, Evidence, LeftDelivery};
use super::pairs::attempts_max;
use tidings_webhooks::plan::RetryPolicy;

/// A stop is known everywhere after so long.
const STOP_KNOWN: Duration = Duration::from_secs(1);
/// How far nodes may be apart within one round of turns.
const TURN_MAX: Duration = Duration::from_millis(260);

pub(super) fn check(evidence: &Evidence, probed_at: Duration, found: &mut Vec<String>) {
    for arrival in &evidence.arrivals {
        match evidence.event(&arrival.event_id) {
            None => found.push(format!("{} was sent and never committed", arrival.event_id)),
            Some(event) if event.body[..] != arrival.body[..] => {
                found.push(format!("{} was sent with other bytes", arrival.event_id));
            }
            Some(_) => {}
        }
    }
    let in_flight = evidence.book.pages().in_flight_most;
    if in_flight > tidings_kernel::limits::WINDOW_MAX {
        found.push(format!("{in_flight} were under way at once towards one endpoint"));
    }
    for endpoint in &evidence.endpoints {
        stopped(evidence, endpoint, probed_at, found);
        for delivery in evidence.deliveries.iter().filter(|d| d.subscription_id == endpoint.id) {
            attempts(evidence, endpoint, delivery, found);
        }
        repetitions(evidence, endpoint, found);
    }
}

/// Nothing new after a stop that was acknowledged.
fn stopped(evidence: &Evidence, endpoint: &Endpoint, probed_at: Duration, found: &mut Vec<String>) {
    let Some(stopped_at) = endpoint.subscribed.stopped_at else { return };
    if endpoint.subscribed.resumed {
        return;
    }
    for arrival in evidence.arrivals.iter().filter(|a| a.endpoint == endpoint.number) {
        let late = arrival.connected_at > stopped_at + STOP_KNOWN + TURN_MAX;
        // A machine that stood still between the question and the sending cannot know.
        if late && !arrival.sender_stalled {
            let when = if arrival.at >= probed_at { "by the probe" } else { "in the trouble" };
            found.push(format!(
                "{} was sent to endpoint {} by node {} at {:?}, {when}, stopped at {stopped_at:?}",
                arrival.event_id, endpoint.number, arrival.node, arrival.at
            ));
        }
    }
}

/// No more attempts than the policy has, in their order, none earlier than the schedule says.
fn attempts(
    evidence: &Evidence,
    endpoint: &Endpoint,
    delivery: &LeftDelivery,
    found: &mut Vec<String>,
) {
    let most = attempts_max(endpoint);
    let highest = delivery.written.iter().map(|(number, ..)| *number).max().unwrap_or(0);
    if delivery.attempts > most || highest > most {
        found.push(format!("{} was tried {} times of {most}", delivery.id, delivery.attempts));
    }
    // With a clock that is wrong, `started_at` says nothing of order.
    let wrong = evidence
        .scenario
        .steps
        .iter()
        .any(|(.., step)| matches!(step, crate::scenario::Step::Misset { .. }));
    let schedule = RetryPolicy::find(endpoint.plan.policy).unwrap_or_default().schedule();
    for pair in delivery.written.windows(2) {
        let [(number, first, _), (next, second, _)] = pair else { continue };
        let wait = schedule.get(usize::try_from(*number).unwrap_or(usize::MAX)).copied();
        let early = second.after(TURN_MAX) < first.after(wait.unwrap_or_default());
        if !wrong && *next == number + 1 && early {
            found.push(format!("{}: attempt {next} came too early", delivery.id));
        }
    }
}

/// What arrived well arrives again only where something went wrong in between.
fn repetitions(evidence: &Evidence, endpoint: &Endpoint, found: &mut Vec<String>) {
    let disturbances = evidence.book.pages().disturbances;
    for event in evidence.events.iter().filter(|event| event.is_public) {
        let id_text = event.id.to_string();
        if evidence.book.pages().repeated.contains(&event.id) {
            continue;
        }
        let good = evidence
            .arrivals
            .iter()
            .filter(|a| a.endpoint == endpoint.number && a.event_id == id_text)
            .filter(|a| a.answered.is_some_and(|(_, code)| (200..300).contains(&code)))
            .count();
        let allowed = if evidence.scenario.calm { 1 } else { 1 + disturbances };
        if good > allowed {
            found.push(format!(
                "{id_text} arrived {good} times at endpoint {} after {disturbances} disturbances",
                endpoint.number
            ));
        }
    }
}
