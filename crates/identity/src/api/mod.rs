//! The routes of the identity domain.

mod api_keys;
mod tenants;

use tidings_web::Routes;

use crate::service::Identity;

/// The routes of the identity domain.
pub fn routes(identity: &Identity) -> Routes<Identity> {
    let routes = Routes::new("identity", identity.clone());
    api_keys::routes(tenants::routes(routes))
}
