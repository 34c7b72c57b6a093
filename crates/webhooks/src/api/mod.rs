//! The routes of the webhooks domain.

mod asyncapi;
mod deliveries;
mod event_types;
mod events;
mod log;
mod options;
mod replays;
mod subscriptions;

use tidings_web::Routes;

use crate::service::Webhooks;

/// The routes of the webhooks domain.
pub fn routes(webhooks: &Webhooks) -> Routes<Webhooks> {
    let routes = Routes::new("webhooks", webhooks.clone());
    let routes = options::routes(subscriptions::routes(routes));
    let routes = asyncapi::routes(event_types::routes(routes));
    replays::routes(log::routes(events::routes(deliveries::routes(routes))))
}
