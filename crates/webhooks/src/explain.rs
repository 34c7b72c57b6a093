//! Why a subscription got an event, or did not: one verdict, with the reason that decided. Pure.

use tidings_events::EventName;
use tidings_kernel::{EventId, Timestamp};

use crate::delivery::{Delivery, DeliveryStatus};
use crate::matching::Filters;
use crate::payload_filter::{PayloadFilter, ReadBody};
use crate::subscription::{DeliveryOrder, Subscription};

/// What is known of the event.
#[derive(Debug)]
pub(crate) struct EventFacts {
    /// None where the type has left the catalog.
    pub(crate) name: Option<EventName>,
    /// Its type as the log has it.
    pub(crate) text: String,
    pub(crate) is_public: bool,
    pub(crate) occurred_at: Timestamp,
    /// None once retention or erasure has taken it.
    pub(crate) body: Option<ReadBody>,
    /// Whether it still waits to be fanned out.
    pub(crate) is_undispatched: bool,
    /// Deliveries of what happened before are kept no longer.
    pub(crate) deliveries_since: Timestamp,
}

/// What is known of the pair of event and subscription.
#[derive(Debug, Default)]
pub(crate) struct PairFacts {
    /// Whether the subscription's making stands behind the event in the log.
    pub(crate) made_later: bool,
    /// The delivery of the pair that decides.
    pub(crate) delivery: Option<Delivery>,
    /// Until when this node leaves the endpoint alone.
    pub(crate) left_alone_until: Option<Timestamp>,
    /// An earlier event of the same object that has not arrived, where order is wanted.
    pub(crate) waits_for: Option<EventId>,
}

/// What came of an event for a subscription, or comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    Exhausted,
    Discarded,
    WaitingForRetry,
    LeftAlone,
    HeldByRate,
    WaitingForEarlierEvent,
    Due,
    PendingDispatch,
    InternalEvent,
    TypeGone,
    SentToOneEndpoint,
    Deleted,
    CreatedLater,
    TypeNotSubscribed,
    FilteredOut,
    LogGone,
    PayloadGone,
    Disabled,
    Paused,
    AwaitingConsent,
    ChangedSince,
}

impl Verdict {
    /// The word in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Exhausted => "exhausted",
            Self::Discarded => "discarded",
            Self::WaitingForRetry => "waiting_for_retry",
            Self::LeftAlone => "left_alone",
            Self::HeldByRate => "held_by_rate",
            Self::WaitingForEarlierEvent => "waiting_for_earlier_event",
            Self::Due => "due",
            Self::PendingDispatch => "pending_dispatch",
            Self::InternalEvent => "internal_event",
            Self::TypeGone => "type_gone",
            Self::SentToOneEndpoint => "sent_to_one_endpoint",
            Self::Deleted => "deleted",
            Self::CreatedLater => "created_later",
            Self::TypeNotSubscribed => "type_not_subscribed",
            Self::FilteredOut => "filtered_out",
            Self::LogGone => "log_gone",
            Self::PayloadGone => "payload_gone",
            Self::Disabled => "disabled",
            Self::Paused => "paused",
            Self::AwaitingConsent => "awaiting_consent",
            Self::ChangedSince => "changed_since",
        }
    }
}

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explained {
    pub(crate) verdict: Verdict,
    /// In a sentence.
    pub(crate) reason: String,
    /// The instant that the reason speaks of.
    pub(crate) at: Option<Timestamp>,
    /// The clause of the payload filter that decided, as a JSON pointer.
    pub(crate) clause: Option<String>,
    /// The line of the subscription that comes nearest.
    pub(crate) nearest: Option<String>,
}

impl Explained {
    fn new(verdict: Verdict, at: Option<Timestamp>, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), at, clause: None, nearest: None }
    }
}

/// The delivery that tells what came of a pair: the newest that arrived, whatever came of others;
/// else the newest that is under way, else the newest.
pub(crate) fn deciding(deliveries: Vec<Delivery>) -> Option<Delivery> {
    let weight = |status: DeliveryStatus| match status {
        DeliveryStatus::Delivered => 2,
        DeliveryStatus::Pending | DeliveryStatus::Waiting => 1,
        DeliveryStatus::Exhausted | DeliveryStatus::Discarded => 0,
    };
    deliveries.into_iter().max_by_key(|delivery| (weight(delivery.status), delivery.created_at))
}

/// Says what came of an event for a subscription, as far as can be told now.
pub(crate) fn explain(
    event: &EventFacts,
    subscription: &Subscription,
    pair: &PairFacts,
    now: Timestamp,
) -> Explained {
    match &pair.delivery {
        Some(delivery) => of_delivery(delivery, subscription, pair, now),
        None => without_delivery(event, subscription, pair.made_later),
    }
}

fn of_delivery(
    delivery: &Delivery,
    subscription: &Subscription,
    pair: &PairFacts,
    now: Timestamp,
) -> Explained {
    let tries = match delivery.attempts {
        1 => "1 attempt".to_owned(),
        count => format!("{count} attempts"),
    };
    let ended = Some(delivery.updated_at);
    match delivery.status {
        DeliveryStatus::Delivered => {
            Explained::new(Verdict::Delivered, ended, format!("it arrived after {tries}"))
        }
        DeliveryStatus::Exhausted => Explained::new(
            Verdict::Exhausted,
            ended,
            format!("all {tries} failed, the last with {}", last_failure(delivery)),
        ),
        DeliveryStatus::Discarded => {
            let why = match delivery.reason.as_deref() {
                Some("gone") => "the endpoint answered 410, which says that it is no more",
                Some("erased") => "the event was erased",
                Some("not_sending") => "the subscription sent no more when its turn came",
                Some("cancelled") => "the replay that it belonged to was cancelled",
                Some("payload_gone") => "the event's payload was kept no longer",
                _ => "there was no use in trying",
            };
            Explained::new(Verdict::Discarded, ended, why)
        }
        DeliveryStatus::Pending | DeliveryStatus::Waiting => {
            still_open(delivery, subscription, pair, (now, &tries))
        }
    }
}

/// What a delivery waits for. Of several things the one that comes last is told.
fn still_open(
    delivery: &Delivery,
    subscription: &Subscription,
    pair: &PairFacts,
    (now, tries): (Timestamp, &str),
) -> Explained {
    let due_at = delivery.next_attempt_at;
    if let Some(status) = stopped(subscription) {
        return status;
    }
    if subscription.ordering == DeliveryOrder::PerObject
        && let Some(event_id) = pair.waits_for
    {
        let reason = format!("an earlier event of the same object has to arrive first: {event_id}");
        return Explained::new(Verdict::WaitingForEarlierEvent, due_at, reason);
    }
    let later = due_at.filter(|at| *at > now);
    if let Some(until) = pair.left_alone_until.filter(|until| *until > now) {
        let reason = "the endpoint failed again and again and is left alone for a while; waiting \
                      uses up no attempt";
        return Explained::new(Verdict::LeftAlone, later.max(Some(until)), reason);
    }
    match (later, delivery.attempts) {
        (None, _) => {
            let reason = format!("it is sent as soon as there is room, after {tries}");
            Explained::new(Verdict::Due, due_at, reason)
        }
        (Some(at), 0) => {
            if let Some(rate) = subscription.rate_per_second {
                let reason = format!("the endpoint takes {rate} deliveries a second at most");
                Explained::new(Verdict::HeldByRate, Some(at), reason)
            } else {
                let reason = "the endpoint is left alone for a while after failures";
                Explained::new(Verdict::LeftAlone, Some(at), reason)
            }
        }
        (Some(at), made) => {
            let reason = format!(
                "{tries} of {} failed, the last with {}; attempt {} follows",
                subscription.retry_policy.attempts_max(),
                last_failure(delivery),
                made + 1
            );
            Explained::new(Verdict::WaitingForRetry, Some(at), reason)
        }
    }
}

fn last_failure(delivery: &Delivery) -> String {
    match (delivery.last_status, delivery.last_error.as_deref()) {
        (Some(status), _) => format!("status {status}"),
        (None, Some(class)) => class.to_owned(),
        (None, None) => "an unknown failure".to_owned(),
    }
}

fn without_delivery(
    event: &EventFacts,
    subscription: &Subscription,
    made_later: bool,
) -> Explained {
    let type_of = &event.text;
    if !event.is_public {
        let reason = format!("{type_of} is internal: it is in the log and delivered to nobody");
        return Explained::new(Verdict::InternalEvent, None, reason);
    }
    let Some(name) = &event.name else {
        let reason = format!("{type_of} is in the catalog no longer");
        return Explained::new(Verdict::TypeGone, None, reason);
    };
    if *name == EventName::Catalog(tidings_events::EventType::WebhookTest) {
        let reason = "a test goes to the one endpoint that is tested";
        return Explained::new(Verdict::SentToOneEndpoint, None, reason);
    }
    if made_later {
        let at = Some(subscription.created_at);
        let reason = "the subscription was made after the event; a subscription gets what happens \
                      after it";
        return Explained::new(Verdict::CreatedLater, at, reason);
    }
    if !event.is_undispatched && event.occurred_at < event.deliveries_since {
        let reason = "the event is older than what is kept of deliveries, so that nobody can say any \
                      more whether it was delivered";
        return Explained::new(Verdict::LogGone, Some(event.deliveries_since), reason);
    }
    if let Some(unwanted) = unwanted(event, name, subscription) {
        return unwanted;
    }
    if let Some(status) = stopped(subscription) {
        return status;
    }
    if event.is_undispatched {
        let reason = "the event is committed and about to be sent out";
        return Explained::new(Verdict::PendingDispatch, Some(event.occurred_at), reason);
    }
    let reason = "the subscription wants the event as it is now, and got none of it: it was changed \
                  after the event";
    Explained::new(Verdict::ChangedSince, Some(subscription.updated_at), reason)
}

/// Why a subscription does not want an event, where it does not.
fn unwanted(
    event: &EventFacts,
    name: &EventName,
    subscription: &Subscription,
) -> Option<Explained> {
    let filters = Filters::stored(subscription.events.iter().map(String::as_str));
    if !filters.matches(name) {
        let nearest = nearest(&event.text, &subscription.events);
        let reason = match &nearest {
            Some(line) => format!("it subscribed to no {}; {line} comes nearest", event.text),
            None => format!("it subscribed to nothing like {}", event.text),
        };
        let told = Explained::new(Verdict::TypeNotSubscribed, None, reason);
        return Some(Explained { nearest, ..told });
    }
    let filter = subscription.options.payload_filter.as_ref().and_then(PayloadFilter::stored)?;
    let Some(body) = &event.body else {
        let reason = "the event's payload is kept no longer, so that nobody can say whether the \
                      payload filter let it through";
        return Some(Explained::new(Verdict::PayloadGone, None, reason));
    };
    let told = filter.explain(body);
    if told.matches {
        return None;
    }
    let reason = format!("its payload filter did not let it through: {}", told.decided_by.reason);
    let clause = Some(told.decided_by.pointer);
    Some(Explained { clause, ..Explained::new(Verdict::FilteredOut, None, reason) })
}

/// Why a subscription sends nothing at present, where it does not.
fn stopped(subscription: &Subscription) -> Option<Explained> {
    if let Some(at) = subscription.deleted_at {
        return Some(Explained::new(Verdict::Deleted, Some(at), "the subscription was deleted"));
    }
    if let Some(disabled) = &subscription.disabled {
        let why = match disabled.reason.as_str() {
            "gone" => "its endpoint answered 410",
            _ => "its endpoint had failed for too long",
        };
        let reason = format!("Tidings disabled the subscription, because {why}");
        return Some(Explained::new(Verdict::Disabled, Some(disabled.at), reason));
    }
    if !subscription.is_active {
        let reason = "its owner has paused the subscription; it changed last at this time";
        return Some(Explained::new(Verdict::Paused, Some(subscription.updated_at), reason));
    }
    if !subscription.options.may_send() {
        let reason = match &subscription.options.handshake_refusal {
            Some(refusal) => format!("its endpoint has not consented: {refusal}"),
            None => "its endpoint has not consented yet".to_owned(),
        };
        return Some(Explained::new(Verdict::AwaitingConsent, None, reason));
    }
    None
}

/// The line that has most of its beginning in common with a type; none where no line has any.
fn nearest(name: &str, lines: &[String]) -> Option<String> {
    let common = |line: &str| {
        line.bytes().zip(name.bytes()).take_while(|(left, right)| left == right).count()
    };
    lines
        .iter()
        .map(|line| (common(line), line))
        .filter(|(common, _)| *common > 0)
        .max_by_key(|(common, _)| *common)
        .map(|(_, line)| line.clone())
}

#[cfg(test)]
mod tests;
