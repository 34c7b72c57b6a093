//! Liveness, readiness, metrics, the API document and the problem pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use tidings_bus::{LATE_AFTER, Tasks, late};
use tidings_db::Db;
use tidings_identity::Identity;
use tidings_kernel::{Actor, ProblemKind};
use tidings_web::Authenticator;

use crate::metrics::Metrics;
use crate::readiness::{OK, Readiness};

struct Inner {
    db: Db,
    tasks: Tasks,
    metrics: Metrics,
    identity: Identity,
    readiness: Readiness,
    draining: AtomicBool,
}

/// What tells how the process is.
#[derive(Clone)]
pub struct Probes(Arc<Inner>);

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probes")
    }
}

impl Probes {
    pub(crate) fn new(db: Db, tasks: Tasks, metrics: Metrics, identity: Identity) -> Self {
        let (readiness, draining) = (Readiness::default(), AtomicBool::new(false));
        Self(Arc::new(Inner { db, tasks, metrics, identity, readiness, draining }))
    }

    /// Says that no new work should come here.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// The page of `/metrics`.
    pub async fn metrics(&self) -> String {
        self.0.metrics.page().await
    }

    /// Metrics on a listener of their own, without a key.
    pub fn metrics_router(&self) -> Router {
        let probes = self.clone();
        Router::new().route("/metrics", get(move || async move { metrics_response(&probes).await }))
    }
}

pub(crate) fn routes(probes: &Probes, openapi: &serde_json::Value) -> Router {
    let document = openapi.to_string();
    let json = [(header::CONTENT_TYPE, "application/json")];
    let pages = utoipa_swagger_ui::SwaggerUi::new("/docs")
        .config(utoipa_swagger_ui::Config::from("/api/v1/openapi.json"));
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/problems/{slug}", get(problem))
        .with_state(probes.clone())
        .route(
            "/api/v1/openapi.json",
            get(move || {
                let document = document.clone();
                async move { (json, document) }
            }),
        )
        .merge(pages)
}

async fn readyz(State(probes): State<Probes>) -> Response {
    let Inner { db, identity, readiness, .. } = &*probes.0;
    let database = readiness.database(identity, db.is_shared()).await;
    let draining = probes.0.draining.load(Ordering::Acquire);
    let beats = probes.0.tasks.beats();
    let slowest = beats.iter().map(|beat| beat.age.as_secs()).max();
    // The watchdog ends the process when they have stood still for twice as long.
    let late: Vec<_> = late(beats, LATE_AFTER)
        .into_iter()
        .map(|beat| {
            json!({"loop": beat.name, "seconds": beat.age.as_secs(), "waits_for": beat.waits_for})
        })
        .collect();
    let ready = database == OK && !draining && late.is_empty();
    let body = json!({
        "ready": ready,
        "draining": draining,
        "engine": db.engine_name(),
        "database": database,
        "slowest_loop_seconds": slowest,
        "late_loops": late,
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn metrics_response(probes: &Probes) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], probes.metrics().await).into_response()
}

/// The numbers say how much business there is, so they are the operator's.
async fn metrics(State(probes): State<Probes>, headers: HeaderMap) -> Response {
    let credential = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()));
    let known = match credential {
        Some(credential) => probes.0.identity.credentials().authenticate(credential).await.ok(),
        None => None,
    };
    if known.is_some_and(|principal| principal.actor == Actor::Operator) {
        metrics_response(&probes).await
    } else {
        let text =
            "send the operator's key as Authorization: Bearer <key>, or use --metrics-listen\n";
        (StatusCode::UNAUTHORIZED, text).into_response()
    }
}

async fn problem(Path(slug): Path<String>) -> Response {
    match ProblemKind::ALL.iter().find(|kind| kind.slug() == slug) {
        Some(kind) => {
            ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], kind.page()).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no such problem\n").into_response(),
    }
}
