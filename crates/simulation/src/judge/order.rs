//! Order: an object's events at an endpoint that asks for it, and positions without gaps.

use std::collections::BTreeSet;
use std::time::Duration;

use super::evidence::{Endpoint, Evidence, LoggedEvent};
use super::sends::TURN_MAX;
use crate::book::Arrival;

pub(super) fn check(evidence: &Evidence, found: &mut Vec<String>) {
    for endpoint in &evidence.endpoints {
        if endpoint.plan.ordered && endpoint.never_stopped() {
            per_object(evidence, endpoint, found);
        }
    }
    for (tenant, positions) in evidence.positions.iter().enumerate() {
        let events = evidence.events.iter().filter(|event| event.tenant == tenant).count();
        let gapless = positions.iter().zip(1..).all(|((position, _), wanted)| *position == wanted);
        let in_order = positions.is_sorted_by_key(|(_, seq)| *seq);
        if positions.len() != events || !gapless || !in_order {
            found.push(format!("tenant {tenant} has {events} events at {positions:?}"));
        }
    }
}

/// How much later something may seem that came before: nodes take turns, and the one that lives its
/// turn first has seen the end of it before the other begins.
fn apart(one: &Arrival, other: &Arrival) -> Duration {
    if one.node == other.node { Duration::ZERO } else { TURN_MAX }
}

/// Event n+1 of an object is not sent before event n has ended.
fn per_object(evidence: &Evidence, endpoint: &Endpoint, found: &mut Vec<String>) {
    let mut ended: BTreeSet<&str> = BTreeSet::new();
    let arrivals: Vec<_> =
        evidence.arrivals.iter().filter(|arrival| arrival.endpoint == endpoint.number).collect();
    for arrival in &arrivals {
        // An answer ends an event from the moment at which it was given.
        ended.extend(
            arrivals
                .iter()
                .filter(|earlier| {
                    earlier.answered.is_some_and(|(at, code)| {
                        (200..300).contains(&code)
                            && at <= arrival.connected_at + apart(earlier, arrival)
                    })
                })
                .map(|earlier| earlier.event_id.as_str()),
        );
        let Some(event) = evidence.event(&arrival.event_id) else { continue };
        for before in waits_for(evidence, endpoint, event) {
            let id_text = before.id.to_string();
            let in_vain = evidence.deliveries.iter().any(|delivery| {
                (delivery.event_id, delivery.subscription_id) == (before.id, endpoint.id)
                    && delivery.status == "exhausted"
            });
            if !ended.contains(id_text.as_str()) && !in_vain {
                found.push(format!(
                    "endpoint {} got version {} of {} at {:?}, before version {} had ended",
                    endpoint.number, event.subject.1, event.subject.0, arrival.at, before.subject.1
                ));
            }
        }
    }
}

fn waits_for<'a>(
    evidence: &'a Evidence,
    endpoint: &Endpoint,
    event: &LoggedEvent,
) -> Vec<&'a LoggedEvent> {
    let of_object = evidence.events.iter().filter(|before| {
        before.tenant == event.tenant
            && before.subject.0 == event.subject.0
            && before.subject.1 < event.subject.1
            && before.is_public
            && before.seq > endpoint.made_seq
            && endpoint.wants(&before.name)
    });
    of_object.collect()
}
