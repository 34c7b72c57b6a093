//! Endpoints whose deliveries wait: each reason in words.

use tidings_webhooks::stuck::{Hindrance, Sends, StuckEndpoint};

use super::facts::Facts;
use super::finding::Finding;

/// What is the case with one endpoint's deliveries.
pub(super) fn endpoint(stuck: &StuckEndpoint, facts: &Facts) -> Finding {
    let what = format!(
        "{} deliveries to {} wait, {} of them are due",
        stuck.waiting, stuck.subscription_id, stuck.due
    );
    let hindrance = stuck.hindrance(facts.live.as_ref(), facts.now);
    let (code, why, action) = told(&hindrance, stuck);
    let finding = match code {
        "deliveries_without_node" | "deliveries_without_lease" | "deliveries_stuck" => {
            Finding::problem(code, what)
        }
        _ => Finding::notice(code, what),
    };
    finding
        .about(&stuck.subscription_id)
        .of_tenant(&stuck.tenant_id)
        .since(stuck.oldest_at)
        .because(why)
        .do_this(action)
}

/// A code, the reason, and what to do.
type Told = (&'static str, String, String);

const fn why_not(sends: Sends) -> &'static str {
    match sends {
        Sends::Paused => "its owner has paused the subscription",
        Sends::Disabled => "the subscription is disabled: the endpoint took nothing",
        Sends::Deleted | Sends::Yes => "the subscription is deleted",
    }
}

/// What holds deliveries up, in words.
fn told(hindrance: &Hindrance, stuck: &StuckEndpoint) -> Told {
    let class = stuck.error.as_deref();
    let failed = class.map_or_else(String::new, |class| format!("; the last failures: {class}"));
    let see = format!("/api/v1/webhooks/subscriptions/{}/deliveries", stuck.subscription_id);
    match hindrance {
        Hindrance::NoLivingNode => (
            "deliveries_without_node",
            "the node that holds them is gone, and no other has taken them over".to_owned(),
            "start a server; a living one adopts them within half a minute".to_owned(),
        ),
        Hindrance::NoLease => (
            "deliveries_without_lease",
            "this node may not send: it could not say that it lives".to_owned(),
            "look at the connection to the database".to_owned(),
        ),
        Hindrance::Elsewhere(node) => (
            "deliveries_late",
            format!(
                "{node} holds them, and only it knows: breaker, pace, window and share are in its memory"
            ),
            format!("ask it: tidings doctor --server with the URL of {node}"),
        ),
        Hindrance::Unknown => (
            "deliveries_stuck",
            "nothing that is known holds them up".to_owned(),
            "look at tidings_loop_age_seconds{task=\"due\"} and the log, and report it".to_owned(),
        ),
        Hindrance::NotSending(sends) => (
            "subscription_not_sending",
            why_not(*sends).to_owned(),
            "nothing: when they are due they end as discarded".to_owned(),
        ),
        Hindrance::BreakerOpen(until) => (
            "breaker_open",
            format!("the endpoint failed too often and is left alone until {until}{failed}"),
            format!("tell the tenant to mend the receiver; its attempts are at {see}"),
        ),
        Hindrance::Failing(since) => (
            "endpoint_failing",
            format!("nothing has arrived at the endpoint since {since}{failed}"),
            format!("tell the tenant to mend the receiver; its attempts are at {see}"),
        ),
        Hindrance::Pace(per_second) => (
            "endpoint_paced",
            format!("the subscription takes {per_second} a second at most"),
            "the tenant can raise rate_per_second".to_owned(),
        ),
        Hindrance::Share => (
            "slots_taken",
            "more attempts are wanted than there are slots, and each tenant has its share"
                .to_owned(),
            "look at tidings_slots_awaited; more nodes give more slots".to_owned(),
        ),
        Hindrance::Window(window) => (
            "window_full",
            format!("the endpoint answers slowly: {window} attempts are under way at once"),
            "tell the tenant that a receiver should answer first and work then".to_owned(),
        ),
        Hindrance::Order => (
            "waits_for_order",
            "the subscription wants each object's events in order, and an earlier one is not there"
                .to_owned(),
            format!("look at the oldest of {see}"),
        ),
        Hindrance::Planned(at) => (
            "retry_planned",
            format!("their next attempt is planned for {at}{failed}"),
            "nothing".to_owned(),
        ),
    }
}
