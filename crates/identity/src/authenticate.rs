//! From a credential to whom it belongs.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tidings_db::{Db, DbError};
use tidings_kernel::{Actor, ApiKeyId, Grants, Problem, ProblemKind, TenantId, Timestamp};
use tidings_vault::{equal, sha256};
use tidings_web::{AuthFuture, Authenticator, Principal};

use crate::api_key::KeyText;
use crate::service::OPERATOR_KEY_NAME;
use crate::store::{api_keys, installation, tenants};
use crate::tenant::TenantStatus;

/// How long a recognised credential is taken without asking the database: what is revoked on one
/// node is refused on every other within this time, and on its own at once.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Credentials that are remembered at most.
const REMEMBERED_MAX: usize = 10_000;

#[derive(Clone)]
struct Known {
    principal: Principal,
    until: Timestamp,
}

/// Recognises the operator's key and tenants' keys.
pub struct Credentials {
    db: Db,
    operator: RwLock<Option<[u8; 32]>>,
    known: Mutex<HashMap<[u8; 32], Known>>,
    used: Mutex<HashMap<(TenantId, ApiKeyId), Timestamp>>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// The one answer for a credential that is unknown, wrong, revoked or expired.
fn unknown() -> Problem {
    Problem::new(
        ProblemKind::Unauthenticated,
        "the credential is not known; check that the key is whole, and neither revoked nor expired",
    )
}

impl Credentials {
    pub(crate) fn new(db: Db) -> Self {
        Self { db, operator: RwLock::new(None), known: Mutex::default(), used: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets every recognised credential, because one of them may open nothing any more.
    pub(crate) fn forget(&self) {
        self.known().clear();
    }

    /// Reads the operator's digest.
    pub(crate) async fn load_operator(&self) -> Result<(), DbError> {
        let mut session = self.db.read_across_tenants().await?;
        let digest = installation::find(session.reader(), OPERATOR_KEY_NAME).await?;
        let digest = digest.and_then(|bytes| bytes.as_ref().try_into().ok());
        *self.operator.write().unwrap_or_else(PoisonError::into_inner) = digest;
        Ok(())
    }

    pub(crate) fn is_operator(&self, digest: &[u8; 32]) -> bool {
        let operator = self.operator.read().unwrap_or_else(PoisonError::into_inner);
        operator.is_some_and(|known| equal(&known, digest))
    }

    fn recall(&self, digest: &[u8; 32], now: Timestamp) -> Option<Principal> {
        let known = self.known().get(digest).filter(|known| now < known.until).cloned()?;
        self.note_use(&known.principal, now);
        Some(known.principal)
    }

    fn remember(&self, digest: [u8; 32], principal: &Principal, now: Timestamp) {
        let mut known = self.known();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(digest, Known { principal: principal.clone(), until: now.after(REMEMBERED) });
        drop(known);
        self.note_use(principal, now);
    }

    fn note_use(&self, principal: &Principal, now: Timestamp) {
        if let (Some(tenant_id), Actor::ApiKey(id)) = (principal.tenant_id, &principal.actor) {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            if used.len() < REMEMBERED_MAX {
                used.insert((tenant_id, *id), now);
            }
        }
    }

    /// Takes the notes of which keys were used when, to write them.
    pub(crate) fn take_used(&self) -> Vec<(TenantId, ApiKeyId, Timestamp)> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.drain().map(|((tenant_id, id), at)| (tenant_id, id, at)).collect()
    }

    async fn recognise(&self, credential: &str) -> Result<Principal, Problem> {
        let digest = sha256(credential.as_bytes());
        if self.is_operator(&digest) {
            return Ok(Principal {
                tenant_id: None,
                actor: Actor::Operator,
                grants: Grants::default(),
                livemode: true,
            });
        }
        let now = self.db.now();
        if let Some(principal) = self.recall(&digest, now) {
            return Ok(principal);
        }
        let id = KeyText::id_of(credential).ok_or_else(unknown)?;
        let mut session = self.db.read_across_tenants().await?;
        let key = api_keys::find_by_id(session.reader(), id).await?.ok_or_else(unknown)?;
        if !key.opens_with(&digest, now) {
            return Err(unknown());
        }
        let tenant = tenants::find(session.reader(), key.tenant_id).await?.ok_or_else(unknown)?;
        if let TenantStatus::Suspended { .. } = tenant.status {
            return Err(Problem::new(
                ProblemKind::TenantSuspended,
                "the tenant is suspended; ask the operator to open it again",
            ));
        }
        let principal = Principal {
            tenant_id: Some(key.tenant_id),
            actor: Actor::ApiKey(key.id),
            grants: key.grants(),
            livemode: tenant.livemode,
        };
        self.remember(digest, &principal, now);
        Ok(principal)
    }
}

impl Authenticator for Credentials {
    fn authenticate<'a>(&'a self, credential: &'a str) -> AuthFuture<'a, Principal> {
        Box::pin(self.recognise(credential))
    }

    fn target<'a>(&'a self, tenant: &'a str) -> AuthFuture<'a, (TenantId, bool)> {
        Box::pin(async move {
            let tenant_id: TenantId = tenant.parse().map_err(|_| Problem::not_found())?;
            let mut session = self.db.read(tenant_id).await?;
            let tenant = tenants::find(session.reader(), tenant_id).await?;
            let tenant = tenant.ok_or_else(Problem::not_found)?;
            Ok((tenant.id, tenant.livemode))
        })
    }
}
