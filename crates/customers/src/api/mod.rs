//! The routes of the customers domain.

mod customers;
mod history;
mod lifecycle;
mod metrics;
mod people;
mod segments;
mod views;

use tidings_web::Routes;

use crate::service::Customers;

/// The routes of the customers domain.
pub fn routes(customers: &Customers) -> Routes<Customers> {
    let routes = Routes::new("customers", customers.clone());
    let routes = history::routes(lifecycle::routes(customers::routes(routes)));
    segments::routes(metrics::routes(people::routes(routes)))
}
