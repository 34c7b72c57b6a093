//! Tenants: create, suspend, reactivate, read.

use tidings_db::UnitOfWork;
use tidings_kernel::{Page, PageParams, Permission, TenantId};

use crate::api_key::{ApiKey, KeyText};
use crate::commands::{CreateTenant, SuspendTenant};
use crate::error::IdentityError;
use crate::service::Identity;
use crate::store::tenants;
use crate::tenant::Tenant;

impl Identity {
    /// Makes a tenant and its first key, which may do everything in it.
    pub async fn create_tenant(
        &self,
        work: &mut UnitOfWork,
        input: CreateTenant,
    ) -> Result<(Tenant, KeyText), IdentityError> {
        let name = input.check().map_err(IdentityError::Input)?;
        let tenant_id: TenantId = work.mint();
        let key_id = work.mint();
        work.enter(tenant_id, input.livemode);
        let now = work.now();
        let tenant = work.apply(Tenant::create(tenant_id, name, input.livemode, now)).await?;
        let text = KeyText::generate(&self.vault, key_id, tenant.livemode);
        let scopes = Permission::ALL.iter().copied().filter(|scope| scope.is_tenants()).collect();
        let made = ("first key".to_owned(), scopes, None);
        work.apply(ApiKey::create(key_id, tenant_id, made, &text, now)).await?;
        Ok((tenant, text))
    }

    /// Stops a tenant: its keys open nothing, its deliveries go on.
    pub async fn suspend_tenant(
        &self,
        work: &mut UnitOfWork,
        tenant_id: TenantId,
        input: SuspendTenant,
    ) -> Result<Tenant, IdentityError> {
        input.check().map_err(IdentityError::Input)?;
        let tenant = get(work, tenant_id).await?;
        work.enter(tenant_id, tenant.livemode);
        let now = work.now();
        let tenant = work.apply(tenant.suspend(input.reason, now)?).await?;
        Ok(tenant)
    }

    /// Opens a suspended tenant.
    pub async fn reactivate_tenant(
        &self,
        work: &mut UnitOfWork,
        tenant_id: TenantId,
    ) -> Result<Tenant, IdentityError> {
        let tenant = get(work, tenant_id).await?;
        work.enter(tenant_id, tenant.livemode);
        let now = work.now();
        let tenant = work.apply(tenant.reactivate(now)?).await?;
        Ok(tenant)
    }

    /// The tenant with this id.
    pub async fn get_tenant(&self, tenant_id: TenantId) -> Result<Tenant, IdentityError> {
        let mut session = self.db.read(tenant_id).await?;
        tenants::find(session.reader(), tenant_id).await?.ok_or(IdentityError::NotFound)
    }

    /// All tenants, the newest first.
    pub async fn list_tenants(&self, page: PageParams) -> Result<Page<Tenant>, IdentityError> {
        let mut session = self.db.read_across_tenants().await?;
        Ok(tenants::list(session.reader(), page).await?)
    }
}

async fn get(work: &mut UnitOfWork, tenant_id: TenantId) -> Result<Tenant, IdentityError> {
    tenants::find(work.reader(), tenant_id).await?.ok_or(IdentityError::NotFound)
}
