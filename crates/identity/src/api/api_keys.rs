//! `/api/v1/auth/api-keys`.

use serde::Serialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{ApiKeyId, Permission, Problem, Timestamp};
use tidings_web::{Access, Answer, Body, Call, Changed, List, Op, Path, Reply, Routes, commit};
use utoipa::ToSchema;

use crate::api_key::{ApiKey, KeyText};
use crate::commands::CreateApiKey;
use crate::service::Identity;

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiKeyView {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// How its text begins.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<&'static str>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes.iter().map(|scope| scope.name()).collect(),
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            created_at: key.created_at,
        }
    }
}

/// An API key with its text, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewApiKeyView {
    /// The key.
    #[serde(flatten)]
    pub key: ApiKeyView,
    /// Its text. Keep it; it is not shown again.
    pub api_key: String,
}

/// What a key may be allowed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScopesView {
    /// The names.
    pub scopes: Vec<&'static str>,
}

const READ: Access = Access::Needs(Permission::ApiKeysRead);
const MANAGE: Access = Access::Needs(Permission::ApiKeysManage);

pub(crate) fn routes(routes: Routes<Identity>) -> Routes<Identity> {
    routes
        .change(
            Op::post("/api/v1/auth/api-keys", "createApiKey", MANAGE)
                .summary("Make a key; its text is shown this once")
                .emits(&[EventType::ApiKeyCreated]),
            create,
        )
        .list(
            Op::get("/api/v1/auth/api-keys", "listApiKeys", READ)
                .summary("The tenant's keys, the newest first"),
            list,
        )
        .read(
            Op::get("/api/v1/auth/api-keys/scopes/available", "listScopes", READ)
                .summary("What a key may be allowed"),
            scopes,
        )
        .read(Op::get("/api/v1/auth/api-keys/{id}", "getApiKey", READ).summary("One key"), get)
        .change(
            Op::post("/api/v1/auth/api-keys/{id}/rotate", "rotateApiKey", MANAGE)
                .status(200)
                .summary("Give a key a new text; the old one works for another 24 hours")
                .emits(&[EventType::ApiKeyRotated]),
            rotate,
        )
        .change(
            Op::delete("/api/v1/auth/api-keys/{id}", "revokeApiKey", MANAGE)
                .summary("End a key at once")
                .emits(&[EventType::ApiKeyRevoked]),
            revoke,
        )
}

fn with_text((key, text): (ApiKey, KeyText)) -> NewApiKeyView {
    NewApiKeyView { key: key.into(), api_key: text.expose().to_owned() }
}

async fn create(
    identity: Identity,
    call: Call,
    Body(input): Body<CreateApiKey>,
) -> Result<Changed<NewApiKeyView>, Problem> {
    let view = |made| Reply::created(with_text(made));
    commit(&call, work!([identity, input], |work| identity.create_api_key(work, input)), view).await
}

async fn list(identity: Identity, call: Call, (): ()) -> Result<List<ApiKeyView>, Problem> {
    let page = identity.list_api_keys(call.ctx.tenant_id, call.page()?).await?;
    Ok(call.list(page))
}

async fn scopes(_: Identity, _: Call, (): ()) -> Result<Answer<ScopesView>, Problem> {
    let scopes = Permission::ALL.iter().filter(|scope| scope.is_tenants());
    Ok(Answer::new(ScopesView { scopes: scopes.map(|scope| scope.name()).collect() }))
}

async fn get(
    identity: Identity,
    call: Call,
    Path(id): Path<ApiKeyId>,
) -> Result<Answer<ApiKeyView>, Problem> {
    let key = identity.get_api_key(call.ctx.tenant_id, id).await?;
    Ok(Answer::new(key.into()))
}

async fn rotate(
    identity: Identity,
    call: Call,
    Path(id): Path<ApiKeyId>,
) -> Result<Changed<NewApiKeyView>, Problem> {
    let view = |made| Reply::ok(with_text(made));
    let rotated =
        commit(&call, work!([identity], |work| identity.rotate_api_key(work, id)), view).await;
    identity.forget_credentials();
    rotated
}

async fn revoke(
    identity: Identity,
    call: Call,
    Path(id): Path<ApiKeyId>,
) -> Result<Changed<()>, Problem> {
    let view = |_: ApiKey| Reply::gone();
    let revoked =
        commit(&call, work!([identity], |work| identity.revoke_api_key(work, id)), view).await;
    identity.forget_credentials();
    revoked
}
