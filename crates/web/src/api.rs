//! All routes together, as one service.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::MethodRouter;
use bytes::Bytes;
use http::{Method, Response};
use serde_json::Value;
use tidings_db::Db;
use tidings_events::EventType;
use tidings_kernel::{Problem, ProblemKind};
use tidings_trace::Tracer;
use tidings_vault::Vault;

use crate::auth::{Access, Authenticator};
use crate::door;
use crate::in_flight::InFlight;
use crate::metrics::HttpMetrics;
use crate::openapi;
use crate::render::problem_response;
use crate::routes::{Registered, Routes};

/// What every request needs.
pub struct Services {
    /// The database.
    pub db: Db,
    /// Seals cursors and stored replies.
    pub vault: Arc<Vault>,
    /// Recognises credentials.
    pub authenticator: Arc<dyn Authenticator>,
    /// Counts requests.
    pub metrics: HttpMetrics,
    /// Which idempotency keys are at work in this process.
    pub in_flight: InFlight,
    /// Records requests that belong to a trace.
    pub tracer: Tracer,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Services")
    }
}

/// One operation, for tests that walk over all of them.
#[derive(Debug, Clone)]
pub struct OperationInfo {
    /// `GET`, `POST`, …
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// The operation's name.
    pub id: &'static str,
    /// Who may call it.
    pub access: Access,
    /// The event types that it may write.
    pub emits: &'static [EventType],
    /// Why it writes no event of the catalog, where it says so.
    pub silent: Option<&'static str>,
}

/// All routes together.
pub struct Api {
    services: Arc<Services>,
    registered: Vec<(&'static str, Arc<Registered>)>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("operations", &self.registered.len()).finish_non_exhaustive()
    }
}

impl Api {
    /// No routes yet.
    pub fn new(services: Services) -> Self {
        Self { services: Arc::new(services), registered: Vec::new() }
    }

    /// Adds a domain's routes.
    #[must_use]
    pub fn with<S>(mut self, routes: Routes<S>) -> Self {
        let tag = routes.tag;
        self.registered
            .extend(routes.registered.into_iter().map(|registered| (tag, Arc::new(registered))));
        self
    }

    /// Every operation.
    pub fn operations(&self) -> Vec<OperationInfo> {
        self.registered
            .iter()
            .map(|(_, registered)| OperationInfo {
                method: registered.op.method.clone(),
                path: registered.op.path,
                id: registered.op.id,
                access: registered.op.access,
                emits: registered.op.emits,
                silent: registered.op.silent,
            })
            .collect()
    }

    /// The OpenAPI 3.1 document of these routes and of every event that is delivered.
    pub fn openapi(&self) -> Value {
        openapi::document(self.registered.iter().map(|(tag, r)| (*tag, &r.op, &r.described)))
    }

    /// The routes as a service.
    pub fn into_router(self) -> Router {
        let mut by_path: BTreeMap<&'static str, MethodRouter> = BTreeMap::new();
        for (_, registered) in &self.registered {
            let services = Arc::clone(&self.services);
            let shared = Arc::clone(registered);
            let handler = move |params: door::Params, request: Request| {
                let (services, shared) = (Arc::clone(&services), Arc::clone(&shared));
                async move { door::pass(services, shared, params, request).await }
            };
            let filter = match registered.op.method {
                Method::POST => axum::routing::MethodFilter::POST,
                Method::PATCH => axum::routing::MethodFilter::PATCH,
                Method::DELETE => axum::routing::MethodFilter::DELETE,
                _ => axum::routing::MethodFilter::GET,
            };
            let routes = by_path.remove(registered.op.path).unwrap_or_default();
            by_path.insert(registered.op.path, routes.on(filter, handler));
        }
        let mut router = Router::new();
        for (path, routes) in by_path {
            let services = Arc::clone(&self.services);
            router = router.route(
                path,
                routes.fallback(async move || {
                    refuse(
                        &services,
                        ProblemKind::MethodNotAllowed,
                        "this path exists, but not with this method; see /api/v1/openapi.json",
                    )
                }),
            );
        }
        let services = Arc::clone(&self.services);
        router.fallback(async move || {
            refuse(
                &services,
                ProblemKind::NotFound,
                "there is no such path; all are in /api/v1/openapi.json",
            )
        })
    }
}

fn refuse(services: &Services, kind: ProblemKind, detail: &str) -> axum::response::Response {
    into_axum(problem_response(&Problem::new(kind, detail), services.db.next_request_id()))
}

fn into_axum(response: Response<Bytes>) -> axum::response::Response {
    response.map(axum::body::Body::from)
}
