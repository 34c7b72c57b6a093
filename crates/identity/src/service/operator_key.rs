//! The operator's key: set once by the first start, replaced offline.

use tidings_db::{DbError, Silent, work};
use tidings_kernel::{Ctx, TenantId, Uuid};

use crate::operator::OperatorKey;
use crate::service::Identity;
use crate::store::installation;

/// The name of the digest among the installation's values.
pub(crate) const NAME: &str = "operator_key";

/// The name, and the place, of the value that tells one root key from another.
const ROOT_KEY_CHECK: &str = "root_key_check";

impl Identity {
    fn installation_ctx(&self) -> Ctx {
        self.db.system_ctx("operator_key", TenantId::from_uuid(Uuid::nil()), true)
    }

    /// Makes sure that there is an operator's key. The first start wins, once: it gets back the key
    /// that it must print, unless the operator chose it.
    pub async fn ensure_operator_key(
        &self,
        chosen: Option<OperatorKey>,
    ) -> Result<Option<OperatorKey>, DbError> {
        let was_chosen = chosen.is_some();
        let key = chosen.unwrap_or_else(|| OperatorKey::generate(&self.vault));
        let digest = key.digest();
        let set = self
            .db
            .write::<bool, DbError, _>(&self.installation_ctx(), move |work| {
                Box::pin(async move {
                    let now = work.now();
                    let mut writer = work.silent(Silent::Installation);
                    installation::set_once(&mut writer, NAME, &digest, now).await
                })
            })
            .await?;
        self.credentials.load_operator().await?;
        if was_chosen && !self.credentials.is_operator(&digest) {
            tracing::warn!(
                "the operator key given to this start is not the one that is stored, and opens \
                 nothing: only the first start takes one. Give the stored one or none; or stop every \
                 server and run `tidings operator-key rotate` with the given one, which stores it"
            );
        }
        Ok((set.into_inner() && !was_chosen).then_some(key))
    }

    /// Makes sure that this node's root key is the one that the database was sealed with: another
    /// one would open no secret, and every signature would be wrong.
    pub async fn check_root_key(&self) -> Result<bool, DbError> {
        let sealed = self.vault.seal(ROOT_KEY_CHECK, ROOT_KEY_CHECK.as_bytes());
        let ctx = self.installation_ctx();
        let set = self.db.write::<bool, DbError, _>(&ctx, move |work| {
            let sealed = sealed.clone();
            Box::pin(async move {
                let now = work.now();
                let mut writer = work.silent(Silent::Installation);
                installation::set_once(&mut writer, ROOT_KEY_CHECK, &sealed, now).await
            })
        });
        let _committed = set.await?;
        Ok(self.root_key_fits().await?.unwrap_or(false))
    }

    /// Whether this root key is the one that the database was sealed with; none where no server has
    /// started yet. It changes nothing.
    pub async fn root_key_fits(&self) -> Result<Option<bool>, DbError> {
        let mut session = self.db.read_across_tenants().await?;
        let stored = installation::find(session.reader(), ROOT_KEY_CHECK).await?;
        Ok(stored.map(|sealed| self.vault.open(ROOT_KEY_CHECK, &sealed).is_ok()))
    }

    /// Whether the database takes a write; it changes nothing.
    pub async fn try_write(&self) -> Result<(), DbError> {
        let unit = work!([], |work| async move {
            installation::try_write(&mut work.silent(Silent::Installation)).await
        });
        self.db.write(&self.installation_ctx(), unit).await.map(|_| ())
    }

    /// The same by the way of bookkeeping, which has connections of its own where there are any.
    pub async fn try_bookkeeping(&self) -> Result<(), DbError> {
        let unit = work!([], |work| async move {
            installation::try_write(&mut work.silent(Silent::Installation)).await
        });
        self.db.write_bookkeeping(&self.installation_ctx(), unit).await.map(|_| ())
    }

    /// Replaces the operator's key. The old one opens nothing from the next start on.
    pub async fn rotate_operator_key(
        &self,
        chosen: Option<OperatorKey>,
    ) -> Result<OperatorKey, DbError> {
        let key = chosen.unwrap_or_else(|| OperatorKey::generate(&self.vault));
        let digest = key.digest();
        let ctx = self.installation_ctx();
        let replaced = self.db.write::<(), DbError, _>(&ctx, move |work| {
            Box::pin(async move {
                let now = work.now();
                let mut writer = work.silent(Silent::Installation);
                installation::replace(&mut writer, NAME, &digest, now).await
            })
        });
        let _committed = replaced.await?;
        self.credentials.load_operator().await?;
        Ok(key)
    }
}
