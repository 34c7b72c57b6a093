//! The routes of the webhooks domain.

mod asyncapi;
mod attempts;
mod deliveries;
mod erasures;
mod event_types;
mod events;
mod explain;
mod log;
mod narrowed;
mod options;
mod replays;
mod retention;
mod statistics;
mod streams;
mod subscriptions;

use tidings_web::Routes;

use crate::service::Webhooks;

/// The routes of retention and erasure, which reach over every domain's events.
pub fn privacy_routes(webhooks: &Webhooks) -> Routes<Webhooks> {
    erasures::routes(retention::routes(Routes::new("privacy", webhooks.clone())))
}

/// The routes of the webhooks domain.
pub fn routes(webhooks: &Webhooks) -> Routes<Webhooks> {
    let routes = Routes::new("webhooks", webhooks.clone());
    let routes = options::routes(subscriptions::routes(routes));
    let routes = streams::routes(explain::routes(statistics::routes(routes)));
    let routes = asyncapi::routes(event_types::routes(routes));
    replays::routes(log::routes(events::routes(deliveries::routes(routes))))
}
