//! API keys: create, rotate, revoke, read.

use tidings_db::UnitOfWork;
use tidings_kernel::{ApiKeyId, Page, PageParams, TenantId, limits};

use crate::api_key::{ApiKey, KeyText};
use crate::commands::CreateApiKey;
use crate::error::IdentityError;
use crate::service::Identity;
use crate::store::api_keys;

impl Identity {
    /// Makes a key that may do at most what its maker may.
    pub async fn create_api_key(
        &self,
        work: &mut UnitOfWork,
        input: CreateApiKey,
    ) -> Result<(ApiKey, KeyText), IdentityError> {
        let (name, scopes) = input.check(work.now()).map_err(IdentityError::Input)?;
        let ctx = work.ctx().clone();
        if let Some(scope) = scopes.iter().find(|scope| !ctx.grants.allow(**scope)) {
            return Err(IdentityError::ScopeNotYours(*scope));
        }
        if api_keys::count_live(work.reader(), ctx.tenant_id).await? >= limits::API_KEYS_MAX {
            return Err(IdentityError::TooManyKeys);
        }
        let id = work.mint();
        let text = KeyText::generate(&self.vault, id, ctx.livemode);
        let made = (name, scopes, input.expires_at);
        let key = work.apply(ApiKey::create(id, ctx.tenant_id, made, &text, ctx.now)).await?;
        Ok((key, text))
    }

    /// Gives a key a new text; the old one works for another day. Who gets the text can do what the
    /// key can, so only a caller who can do all of that may rotate it.
    pub async fn rotate_api_key(
        &self,
        work: &mut UnitOfWork,
        id: ApiKeyId,
    ) -> Result<(ApiKey, KeyText), IdentityError> {
        let key = get(work, id).await?;
        let grants = &work.ctx().grants;
        if let Some(scope) = key.scopes.iter().find(|scope| !grants.allow(**scope)) {
            return Err(IdentityError::KeyCanMore(*scope));
        }
        let text = KeyText::generate(&self.vault, id, work.ctx().livemode);
        let now = work.now();
        let key = work.apply(key.rotate(&text, now)?).await?;
        Ok((key, text))
    }

    /// Ends a key at once.
    pub async fn revoke_api_key(
        &self,
        work: &mut UnitOfWork,
        id: ApiKeyId,
    ) -> Result<ApiKey, IdentityError> {
        let key = get(work, id).await?;
        let now = work.now();
        let key = work.apply(key.revoke(now)?).await?;
        Ok(key)
    }

    /// The tenant's key with this id.
    pub async fn get_api_key(
        &self,
        tenant_id: TenantId,
        id: ApiKeyId,
    ) -> Result<ApiKey, IdentityError> {
        let mut session = self.db.read(tenant_id).await?;
        api_keys::find(session.reader(), tenant_id, id).await?.ok_or(IdentityError::NotFound)
    }

    /// The tenant's keys, the newest first.
    pub async fn list_api_keys(
        &self,
        tenant_id: TenantId,
        page: PageParams,
    ) -> Result<Page<ApiKey>, IdentityError> {
        let mut session = self.db.read(tenant_id).await?;
        Ok(api_keys::list(session.reader(), tenant_id, page).await?)
    }
}

async fn get(work: &mut UnitOfWork, id: ApiKeyId) -> Result<ApiKey, IdentityError> {
    let tenant_id = work.ctx().tenant_id;
    api_keys::find(work.reader(), tenant_id, id).await?.ok_or(IdentityError::NotFound)
}

/// Writes when keys were last used.
pub(crate) async fn write_last_used(
    writer: &mut tidings_db::Writer<'_>,
    used: &[(TenantId, ApiKeyId, tidings_kernel::Timestamp)],
) -> Result<(), tidings_db::DbError> {
    api_keys::touch(writer, used).await
}
