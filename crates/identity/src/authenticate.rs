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
/// node is refused on every other within this time, and on its own at once. What ends by itself is
/// refused everywhere from its end on.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Credentials that are remembered at most.
const REMEMBERED_MAX: usize = 10_000;

#[derive(Clone)]
struct Known {
    principal: Principal,
    until: Timestamp,
}

/// The credentials that were recognised lately.
#[derive(Default)]
struct Remembered {
    /// How often all were forgotten: what was read before that may open nothing any more.
    epoch: u64,
    by_digest: HashMap<[u8; 32], Known>,
}

impl Remembered {
    fn find(&self, digest: &[u8; 32], now: Timestamp) -> Option<Principal> {
        let known = self.by_digest.get(digest).filter(|known| now < known.until)?;
        Some(known.principal.clone())
    }

    /// Keeps what was read when all had been forgotten `epoch` times, unless they were again since.
    fn keep(&mut self, epoch: u64, digest: [u8; 32], known: Known) {
        if self.epoch != epoch {
            return;
        }
        if self.by_digest.len() >= REMEMBERED_MAX {
            self.by_digest.clear();
        }
        self.by_digest.insert(digest, known);
    }

    fn forget(&mut self) {
        self.epoch += 1;
        self.by_digest.clear();
    }
}

/// Recognises the operator's key and tenants' keys.
pub struct Credentials {
    db: Db,
    operator: RwLock<Option<[u8; 32]>>,
    known: Mutex<Remembered>,
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

    fn known(&self) -> MutexGuard<'_, Remembered> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets every recognised credential, because one of them may open nothing any more.
    pub(crate) fn forget(&self) {
        self.known().forget();
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
        let (epoch, principal) = {
            let known = self.known();
            (known.epoch, known.find(&digest, now))
        };
        if let Some(principal) = principal {
            self.note_use(&principal, now);
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
        let asked_again = now.after(REMEMBERED);
        let until = key.ends_at(&digest).map_or(asked_again, |end| end.min(asked_again));
        self.known().keep(epoch, digest, Known { principal: principal.clone(), until });
        self.note_use(&principal, now);
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

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: [u8; 32] = [7; 32];

    fn known(until: i64) -> Known {
        let principal = Principal {
            tenant_id: None,
            actor: Actor::Operator,
            grants: Grants::default(),
            livemode: true,
        };
        Known { principal, until: Timestamp::from_micros(until) }
    }

    #[test]
    fn what_was_read_before_all_were_forgotten_is_not_kept() {
        let mut remembered = Remembered::default();
        let now = Timestamp::from_micros(1);
        let epoch = remembered.epoch;
        remembered.keep(epoch, DIGEST, known(2));
        assert!(remembered.find(&DIGEST, now).is_some());
        assert!(remembered.find(&DIGEST, Timestamp::from_micros(2)).is_none(), "it has ended");
        remembered.forget();
        assert!(remembered.find(&DIGEST, now).is_none());
        remembered.keep(epoch, DIGEST, known(2));
        assert!(
            remembered.find(&DIGEST, now).is_none(),
            "a lookup that began before brings nothing"
        );
        remembered.keep(remembered.epoch, DIGEST, known(2));
        assert!(remembered.find(&DIGEST, now).is_some());
    }

    #[test]
    fn no_more_are_kept_than_may_be() {
        let mut remembered = Remembered::default();
        for number in 0..=REMEMBERED_MAX {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            remembered.keep(0, digest, known(2));
        }
        assert_eq!(remembered.by_digest.len(), 1);
    }
}
