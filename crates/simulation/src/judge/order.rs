//! Order: an object's events at an endpoint that asks for it, and positions without gaps.

use std::collections::BTreeMap;

use super::evidence::{Endpoint, Evidence, LoggedEvent};
use crate::book::{Arrival, Moment};

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

/// Event n+1 of an object is not sent before event n has ended, on whichever nodes.
fn per_object(evidence: &Evidence, endpoint: &Endpoint, found: &mut Vec<String>) {
    let arrivals: Vec<&Arrival> =
        evidence.arrivals.iter().filter(|arrival| arrival.endpoint == endpoint.number).collect();
    // An answer ends an event from the moment at which it was given.
    let mut ended: BTreeMap<&str, Moment> = BTreeMap::new();
    for arrival in &arrivals {
        let (Some((_, 200..300)), Some(moment)) = (arrival.answered, arrival.moments.1) else {
            continue;
        };
        let first = ended.entry(&arrival.event_id).or_insert(moment);
        *first = moment.min(*first);
    }
    for arrival in &arrivals {
        let Some(event) = evidence.event(&arrival.event_id) else { continue };
        for before in waits_for(evidence, endpoint, event) {
            let id_text = before.id.to_string();
            let has_ended = ended.get(id_text.as_str()).is_some_and(|end| *end < arrival.moments.0);
            let in_vain = evidence.deliveries.iter().any(|delivery| {
                (delivery.event_id, delivery.subscription_id) == (before.id, endpoint.id)
                    && delivery.status == "exhausted"
            });
            if !has_ended && !in_vain {
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
