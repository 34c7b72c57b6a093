//! The door: what every request passes before a handler sees it.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use tidings_kernel::{
    Actor, Ctx, Grants, Permission, Problem, ProblemKind, RequestId, TenantId, TraceContext, Uuid,
    limits,
};
use tidings_trace::{Attribute, Span, SpanKind};

use crate::api::Services;
use crate::arrival::read_body;
use crate::auth::{Access, Principal};
use crate::call::Call;
use crate::idempotency::{self, Key};
use crate::render::problem_response;
use crate::routes::{Op, Registered, replayed};

/// The largest credential that is looked at, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 512;
/// The header by which the operator names a tenant.
const TARGET: &str = "x-target-tenant-id";

/// A request among all, and in its trace.
type Place = (RequestId, Option<TraceContext>);
/// The parameters of a path, where it is UTF-8.
pub(crate) type Params = Result<RawPathParams, RawPathParamsRejection>;

/// Lets a request in, or says why not; then runs its handler.
pub(crate) async fn pass(
    services: Arc<Services>,
    registered: Arc<Registered>,
    params: Params,
    request: Request,
) -> Response<Body> {
    let request_id = services.db.next_request_id();
    let began = std::time::Instant::now();
    let mut span = begin(&services, &registered.op, request.headers(), request_id);
    let place = (request_id, span.context());
    let answered = answer(&services, &registered, params, request, (place, &mut span));
    let response = match tokio::time::timeout(limits::REQUEST_MAX, answered).await {
        Ok(response) => response,
        Err(_) => {
            let problem = timed_out();
            services.metrics.refused(problem.kind);
            problem_response(&problem, request_id).map(Body::from)
        }
    };
    let status = response.status();
    span.set(Attribute::Status(status.as_u16()));
    if status.is_server_error() {
        span.fail("server_error");
    }
    services.metrics.record(registered.op.id, status, began.elapsed());
    if status.is_server_error() {
        tracing::warn!(operation = registered.op.id, %request_id, %status, "request");
    } else {
        tracing::debug!(operation = registered.op.id, %request_id, %status, "request");
    }
    response
}

async fn answer(
    services: &Arc<Services>,
    registered: &Registered,
    params: Params,
    request: Request,
    (place, span): (Place, &mut Span),
) -> Response<Body> {
    match enter(services, registered, params, request, place).await {
        Ok(Entered::Handler(call)) => {
            span.set(Attribute::Tenant(call.ctx.tenant_id));
            (registered.run)(*call).await
        }
        Ok(Entered::Replay(response)) => {
            services.metrics.replayed();
            response.map(Body::from)
        }
        Err(problem) => {
            services.metrics.refused(problem.kind);
            problem_response(&problem, place.0).map(Body::from)
        }
    }
}

/// What it had begun may be done or not: nobody waited for its end.
fn timed_out() -> Problem {
    let seconds = limits::REQUEST_MAX.as_secs();
    Problem::new(
        ProblemKind::RequestTimeout,
        format!(
            "it was not done within {seconds} seconds, and may be done or not; repeat it with the \
             same Idempotency-Key, and without one look first"
        ),
    )
}

/// The span of a request: the first of its trace, or the next of its caller's.
fn begin(services: &Services, op: &Op, headers: &HeaderMap, request_id: RequestId) -> Span {
    let caller = || {
        let header = headers.get("traceparent")?.to_str().ok()?;
        TraceContext::parse(header)
    };
    if !services.tracer.is_on() {
        return Span::default();
    }
    let method = method(&op.method);
    let name = || Cow::Owned(format!("{method} {}", op.path));
    let mut span = services.tracer.enter(SpanKind::Server, caller(), name);
    span.describe(|| {
        [
            Attribute::Method(method),
            Attribute::Route(op.path),
            Attribute::Operation(op.id),
            Attribute::Request(request_id),
        ]
    });
    span
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "GET",
    }
}

enum Entered {
    Handler(Box<Call>),
    Replay(Response<Bytes>),
}

async fn enter(
    services: &Arc<Services>,
    registered: &Registered,
    params: Params,
    request: Request,
    (request_id, trace): Place,
) -> Result<Entered, Problem> {
    let (parts, body) = request.into_parts();
    let principal = authenticate(services, registered.op.access, &parts.headers).await?;
    // A path that is no text names nothing.
    let params = params.map_err(|_| Problem::not_found())?;
    let body = if parts.method == Method::GET {
        Bytes::new()
    } else {
        read_body(&parts.headers, body, registered.op.body_bytes_max).await?
    };
    let query = parts.uri.query().unwrap_or_default();
    let key = match idempotency_key(&parts.headers, &principal)? {
        Some(text) => {
            let key = Key {
                tenant_id: tenant_of(&principal),
                principal: principal.key(),
                route: format!("{} {}", parts.method, parts.uri.path()),
                text,
                body_hash: Key::hash(query, &body),
                slot: None,
            };
            match idempotency::enter(services, key).await? {
                idempotency::Entered::Answered(first) => {
                    return Ok(Entered::Replay(replayed(first, request_id)));
                }
                idempotency::Entered::First(key) => Some(key),
            }
        }
        None => None,
    };
    let path = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let ctx = Ctx {
        livemode: principal.livemode,
        grants: principal.grants.clone(),
        trace,
        ..services.db.ctx(request_id, tenant_of(&principal), principal.actor)
    };
    Ok(Entered::Handler(Box::new(Call {
        ctx,
        services: Arc::clone(services),
        operation: registered.op.id,
        access: registered.op.access,
        path: Arc::new(path),
        query: Arc::from(query),
        headers: Arc::new(parts.headers),
        body,
        key,
    })))
}

/// Whether a request that was let in would be let in again: its credential may have been revoked, or
/// lost a permission, while its answer goes on.
pub(crate) async fn allows(call: &Call) -> Result<(), Problem> {
    authenticate(&call.services, call.access, &call.headers).await.map(|_| ())
}

/// The tenant of a principal; the nil id for the operator, who has none.
fn tenant_of(principal: &Principal) -> TenantId {
    principal.tenant_id.unwrap_or(TenantId::from_uuid(Uuid::nil()))
}

async fn authenticate(
    services: &Services,
    access: Access,
    headers: &HeaderMap,
) -> Result<Principal, Problem> {
    let anonymous = Principal {
        tenant_id: None,
        actor: Actor::Anonymous,
        grants: Grants::default(),
        livemode: true,
    };
    let has_credential =
        || headers.contains_key("authorization") || headers.contains_key("x-api-key");
    let needed = match access {
        Access::Public => return Ok(anonymous),
        Access::Optional(_) if !has_credential() => return Ok(anonymous),
        Access::Operator => None,
        Access::Needs(permission) | Access::Optional(permission) => Some(permission),
    };
    let credential = credential(headers)?;
    let mut principal = services.authenticator.authenticate(credential).await?;
    let Some(permission) = needed else {
        return operators_own(headers, principal);
    };
    target(services, headers, &mut principal).await?;
    match principal.tenant_id {
        None if matches!(access, Access::Optional(_)) => Ok(principal),
        None => Err(Problem::new(
            ProblemKind::Forbidden,
            "this happens inside a tenant; use a tenant's key, or name one with X-Target-Tenant-ID",
        )),
        Some(_) if principal.grants.allow(permission) => Ok(principal),
        Some(_) => Err(lacking(permission)),
    }
}

/// What only the operator does happens in no tenant: with one named, row security would hide or
/// refuse what the operation is about.
fn operators_own(headers: &HeaderMap, principal: Principal) -> Result<Principal, Problem> {
    if principal.actor != Actor::Operator {
        return Err(Problem::new(
            ProblemKind::Forbidden,
            "this needs the operator's key; a tenant's key cannot do it",
        ));
    }
    if headers.contains_key(TARGET) {
        return Err(Problem::invalid_field(
            "X-Target-Tenant-ID",
            "not_allowed",
            "it is for looking into a tenant, and this happens in none; leave the header out",
        ));
    }
    Ok(principal)
}

fn lacking(permission: Permission) -> Problem {
    Problem::new(
        ProblemKind::Forbidden,
        format!("this needs the permission {}, which the key does not have", permission.name()),
    )
}

/// `X-Target-Tenant-ID`: the operator may look into a tenant; anybody else may only name their own.
async fn target(
    services: &Services,
    headers: &HeaderMap,
    principal: &mut Principal,
) -> Result<(), Problem> {
    let Some(named) = headers.get(TARGET) else { return Ok(()) };
    let named = named.to_str().unwrap_or_default();
    if let Some(own) = principal.tenant_id {
        return if named == own.to_string() {
            Ok(())
        } else {
            Err(Problem::new(
                ProblemKind::Forbidden,
                "X-Target-Tenant-ID names another tenant than the credential's; leave it out",
            ))
        };
    }
    let (tenant_id, livemode) = services.authenticator.target(named).await?;
    principal.tenant_id = Some(tenant_id);
    principal.livemode = livemode;
    // The operator looks, and does not touch: changes are the tenant's own.
    principal.grants = Grants::of([
        Permission::ApiKeysRead,
        Permission::CustomersRead,
        Permission::EventsRead,
        Permission::WebhooksRead,
    ]);
    Ok(())
}

/// `Authorization: Bearer …` or `X-API-Key: …`; both only where they say the same.
pub(crate) fn credential(headers: &HeaderMap) -> Result<&str, Problem> {
    let refused = |detail: &str| Problem::new(ProblemKind::Unauthenticated, detail);
    let text = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next();
        if values.next().is_some() {
            return Err(refused("a credential is sent twice; send it once"));
        }
        Ok(first.map(|value| value.to_str().unwrap_or_default().trim()))
    };
    let bearer = match text("authorization")? {
        Some(value) => {
            let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
            if !scheme.eq_ignore_ascii_case("bearer") {
                return Err(refused("send Authorization: Bearer <key>, or X-API-Key: <key>"));
            }
            Some(token.trim())
        }
        None => None,
    };
    let found = match (bearer, text("x-api-key")?) {
        (Some(a), Some(b)) if a != b => {
            return Err(refused("two different credentials are sent; send one"));
        }
        (a, b) => a.or(b),
    };
    match found {
        Some(found) if !found.is_empty() && found.len() <= CREDENTIAL_BYTES_MAX => Ok(found),
        Some(_) => Err(refused("the credential is not known")),
        None => Err(refused("send Authorization: Bearer <key>, or X-API-Key: <key>")),
    }
}

fn idempotency_key(headers: &HeaderMap, principal: &Principal) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    if principal.actor == Actor::Anonymous {
        return Ok(None);
    }
    Key::parse(value.to_str().unwrap_or_default()).map(Some)
}
