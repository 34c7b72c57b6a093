//! `/api/v1/tenants`: the operator's own.

use serde::Serialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{Problem, TenantId, Timestamp};
use tidings_web::{Access, Answer, Body, Call, Changed, List, Op, Path, Reply, Routes, commit};
use utoipa::ToSchema;

use crate::api_key::KeyText;
use crate::commands::{CreateTenant, SuspendTenant};
use crate::service::Identity;
use crate::tenant::{Tenant, TenantStatus};

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenantView {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Whether it is a live one.
    pub livemode: bool,
    /// `active` or `suspended`.
    pub status: &'static str,
    /// Why it is suspended.
    pub suspended_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        let status = tenant.status.as_str();
        let suspended_reason = match tenant.status {
            TenantStatus::Suspended { reason } => reason,
            TenantStatus::Active => None,
        };
        let Tenant { id, name, livemode, created_at, updated_at, .. } = tenant;
        Self { id, name, livemode, status, suspended_reason, created_at, updated_at }
    }
}

/// A tenant with its first key, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedTenantView {
    /// The tenant.
    #[serde(flatten)]
    pub tenant: TenantView,
    /// A key that may do everything in the tenant. Keep it; it is not shown again.
    pub api_key: String,
}

pub(crate) fn routes(routes: Routes<Identity>) -> Routes<Identity> {
    routes
        .change(
            Op::post("/api/v1/tenants", "createTenant", Access::Operator)
                .summary("Make a tenant, and get its first key")
                .emits(&[EventType::TenantCreated, EventType::ApiKeyCreated]),
            create,
        )
        .list(
            Op::get("/api/v1/tenants", "listTenants", Access::Operator)
                .summary("All tenants, the newest first"),
            list,
        )
        .read(
            Op::get("/api/v1/tenants/{id}", "getTenant", Access::Operator).summary("One tenant"),
            get,
        )
        .change(
            Op::post("/api/v1/tenants/{id}/suspend", "suspendTenant", Access::Operator)
                .status(200)
                .summary("Stop a tenant: its keys open nothing")
                .emits(&[EventType::TenantSuspended]),
            suspend,
        )
        .change(
            Op::post("/api/v1/tenants/{id}/reactivate", "reactivateTenant", Access::Operator)
                .status(200)
                .summary("Open a suspended tenant")
                .emits(&[EventType::TenantReactivated]),
            reactivate,
        )
}

async fn create(
    identity: Identity,
    call: Call,
    Body(input): Body<CreateTenant>,
) -> Result<Changed<CreatedTenantView>, Problem> {
    let view = |(tenant, text): (Tenant, KeyText)| {
        let version = tenant.version;
        let api_key = text.expose().to_owned();
        Reply::created(CreatedTenantView { tenant: tenant.into(), api_key }).version(version)
    };
    commit(&call, work!([identity, input], |work| identity.create_tenant(work, input)), view).await
}

async fn list(identity: Identity, call: Call, (): ()) -> Result<List<TenantView>, Problem> {
    let page = identity.list_tenants(call.page()?).await?;
    Ok(call.list(page))
}

async fn get(
    identity: Identity,
    _: Call,
    Path(id): Path<TenantId>,
) -> Result<Answer<TenantView>, Problem> {
    let tenant = identity.get_tenant(id).await?;
    let version = tenant.version;
    Ok(Answer::new(tenant.into()).version(version))
}

fn view(tenant: Tenant) -> Reply<TenantView> {
    let version = tenant.version;
    Reply::ok(tenant.into()).version(version)
}

async fn suspend(
    identity: Identity,
    call: Call,
    (Path(id), Body(input)): (Path<TenantId>, Body<SuspendTenant>),
) -> Result<Changed<TenantView>, Problem> {
    let unit = work!([identity, input], |work| identity.suspend_tenant(work, id, input));
    let suspended = commit(&call, unit, view).await;
    identity.forget_credentials();
    suspended
}

async fn reactivate(
    identity: Identity,
    call: Call,
    Path(id): Path<TenantId>,
) -> Result<Changed<TenantView>, Problem> {
    let unit = work!([identity], |work| identity.reactivate_tenant(work, id));
    let reactivated = commit(&call, unit, view).await;
    identity.forget_credentials();
    reactivated
}
