//! The routes of the webhooks domain.

mod deliveries;
mod events;
mod log;
mod subscriptions;

use tidings_web::Routes;

use crate::service::Webhooks;

/// The routes of the webhooks domain.
pub fn routes(webhooks: &Webhooks) -> Routes<Webhooks> {
    let routes = Routes::new("webhooks", webhooks.clone());
    log::routes(events::routes(deliveries::routes(subscriptions::routes(routes))))
}
