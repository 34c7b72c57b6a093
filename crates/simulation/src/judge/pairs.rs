//! At least once: every event, towards every endpoint that was there before it and never stopped.

use super::evidence::{Endpoint, Evidence, LeftDelivery, LoggedEvent};
use crate::scenario::Temper;

pub(super) fn check(evidence: &Evidence, found: &mut Vec<String>) {
    accepted_is_committed(evidence, found);
    for endpoint in &evidence.endpoints {
        for event in evidence.events.iter().filter(|event| event.is_public) {
            let same_tenant = event.tenant == endpoint.plan.tenant;
            let expected = same_tenant && endpoint.wants(&event.name);
            let deliveries: Vec<&LeftDelivery> = evidence
                .deliveries
                .iter()
                .filter(|delivery| !delivery.is_manual)
                .filter(|d| (d.event_id, d.subscription_id) == (event.id, endpoint.id))
                .collect();
            match deliveries.as_slice() {
                [] if expected && event.seq > endpoint.made_seq && endpoint.never_stopped() => {
                    found.push(format!(
                        "{} {} has no delivery to endpoint {}",
                        event.name, event.id, endpoint.number
                    ));
                }
                [] => {}
                [delivery] if expected => one(evidence, (endpoint, event), delivery, found),
                _ => found.push(format!("{} is delivered where nobody wants it", event.id)),
            }
        }
    }
}

fn one(
    evidence: &Evidence,
    (endpoint, event): (&Endpoint, &LoggedEvent),
    delivery: &LeftDelivery,
    found: &mut Vec<String>,
) {
    let id_text = event.id.to_string();
    let answered = |good: bool| {
        evidence.arrivals.iter().any(|arrival| {
            arrival.endpoint == endpoint.number
                && arrival.event_id == id_text
                && arrival.answered.is_some_and(|(_, code)| (200..300).contains(&code) == good)
        })
    };
    let fault = match delivery.status.as_str() {
        "delivered" if !answered(true) => Some("is called delivered, and never arrived"),
        "exhausted" if delivery.attempts < attempts_max(endpoint) => {
            Some("is called exhausted before its last attempt")
        }
        "exhausted" if endpoint.plan.temper != Temper::Dead => {
            Some("is exhausted although its endpoint was healed")
        }
        "discarded" if endpoint.never_stopped() => {
            Some("is discarded although its subscription never stopped")
        }
        "delivered" | "exhausted" | "discarded" => None,
        _ => Some("has not ended"),
    };
    if let Some(fault) = fault {
        found.push(format!(
            "{} {id_text} for endpoint {} {fault}: {} after {} attempts",
            event.name, endpoint.number, delivery.status, delivery.attempts
        ));
    }
}

pub(super) fn attempts_max(endpoint: &Endpoint) -> u32 {
    tidings_webhooks::plan::RetryPolicy::find(endpoint.plan.policy)
        .unwrap_or_default()
        .attempts_max()
}

fn accepted_is_committed(evidence: &Evidence, found: &mut Vec<String>) {
    for event in evidence.book.pages().accepted.values().flatten() {
        if !evidence.events.iter().any(|logged| logged.id == *event) {
            found.push(format!("{event} was accepted and is not in the log"));
        }
    }
}
