//! Who calls, and whether they may.

use std::future::Future;
use std::pin::Pin;

use tidings_kernel::{Actor, Grants, Permission, Problem, TenantId};

/// Who may call an operation. There is no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a credential.
    Public,
    /// Everybody; who sends a tenant's credential must hold this permission, and gets the tenant's
    /// own things too.
    Optional(Permission),
    /// The operator of the installation.
    Operator,
    /// A tenant's credential with this permission.
    Needs(Permission),
}

/// Who a credential belongs to.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The tenant; none for the operator.
    pub tenant_id: Option<TenantId>,
    /// Who acts.
    pub actor: Actor,
    /// What they may do.
    pub grants: Grants,
    /// Whether the tenant is a live one.
    pub livemode: bool,
}

impl Principal {
    /// What separates one caller's idempotency keys from another's.
    pub(crate) fn key(&self) -> String {
        format!("{}:{}", self.actor.kind(), self.actor.id().unwrap_or_default())
    }
}

/// A future of an authenticator's.
pub type AuthFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// Recognises credentials. Implemented by the identity domain.
pub trait Authenticator: Send + Sync + 'static {
    /// Who this credential belongs to; the same problem for unknown, revoked and expired.
    fn authenticate<'a>(&'a self, credential: &'a str) -> AuthFuture<'a, Principal>;

    /// The tenant that the operator named, with whether it is a live one.
    fn target<'a>(&'a self, tenant: &'a str) -> AuthFuture<'a, (TenantId, bool)>;
}
