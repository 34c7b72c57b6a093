//! An API key: what is stored of it, and its text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::Duration;
use tidings_events::IdentityEvent;
use tidings_events::identity::{ApiKeyCreated, ApiKeyRevoked, ApiKeyRotated};
use tidings_kernel::{
    AnyId, ApiKeyId, Change, Entity, Grants, Permission, TenantId, Timestamp, Version,
};
use tidings_vault::{Vault, equal, sha256};

use crate::error::IdentityError;

/// How long the old secret works after a rotation.
pub(crate) const OVERLAP: Duration = Duration::from_hours(24);
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;

/// The whole text of a key. It is shown once and is in no log.
pub struct KeyText(String);

impl std::fmt::Debug for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyText(..)")
    }
}

impl KeyText {
    /// A fresh key: `tdk_live_`, the key's id, and a random secret.
    pub fn generate(vault: &Vault, id: ApiKeyId, livemode: bool) -> Self {
        let secret = URL_SAFE_NO_PAD.encode(vault.random::<SECRET_BYTES>());
        let mode = if livemode { "live" } else { "test" };
        let id = id.to_string();
        let suffix = id.strip_prefix("key_").unwrap_or(&id);
        Self(format!("tdk_{mode}_{suffix}_{secret}"))
    }

    /// The text, to hand out once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown of it for ever.
    pub fn prefix(&self) -> String {
        self.0.chars().take(18).collect()
    }

    /// What is stored of it.
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }

    /// The key's id that a text names; `None` where it is no key at all.
    pub fn id_of(text: &str) -> Option<ApiKeyId> {
        let rest = text.strip_prefix("tdk_live_").or_else(|| text.strip_prefix("tdk_test_"))?;
        let (suffix, _) = rest.split_once('_')?;
        format!("key_{suffix}").parse().ok()
    }
}

/// A program's credential in one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// What it is for.
    pub name: String,
    /// What may be shown of its text.
    pub prefix: String,
    /// The digest of its text.
    pub digest: [u8; 32],
    /// The digest of the text before a rotation, and until when that one works.
    pub previous: Option<([u8; 32], Timestamp)>,
    /// What it may do.
    pub scopes: Vec<Permission>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many events it has had.
    pub version: Version,
}

impl Entity for ApiKey {
    type Event = IdentityEvent;
    const KIND: &'static str = "api_key";

    fn id(&self) -> AnyId {
        self.id.any()
    }

    fn version(&self) -> Version {
        self.version
    }

    fn set_version(&mut self, version: Version) {
        self.version = version;
    }
}

impl ApiKey {
    /// Makes a key.
    pub fn create(
        id: ApiKeyId,
        tenant_id: TenantId,
        (name, scopes, expires_at): (String, Vec<Permission>, Option<Timestamp>),
        text: &KeyText,
        now: Timestamp,
    ) -> Change<Self> {
        let event = ApiKeyCreated {
            api_key_id: id,
            name: name.clone(),
            scopes: scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            expires_at,
        };
        let key = Self {
            id,
            tenant_id,
            name,
            prefix: text.prefix(),
            digest: text.digest(),
            previous: None,
            scopes,
            expires_at,
            revoked_at: None,
            last_used_at: None,
            created_at: now,
            version: 0,
        };
        Change::new(key, event)
    }

    /// Gives the key a new text; the old one works for another day.
    pub fn rotate(self, text: &KeyText, now: Timestamp) -> Result<Change<Self>, IdentityError> {
        if self.revoked_at.is_some() {
            return Err(IdentityError::KeyRevoked);
        }
        let until = now.after(OVERLAP);
        let event = ApiKeyRotated { api_key_id: self.id, previous_valid_until: until };
        let previous = Some((self.digest, until));
        let (prefix, digest) = (text.prefix(), text.digest());
        Ok(Change::new(Self { prefix, digest, previous, ..self }, event))
    }

    /// Ends the key at once.
    pub fn revoke(self, now: Timestamp) -> Result<Change<Self>, IdentityError> {
        if self.revoked_at.is_some() {
            return Err(IdentityError::KeyRevoked);
        }
        let event = ApiKeyRevoked { api_key_id: self.id };
        Ok(Change::new(Self { revoked_at: Some(now), previous: None, ..self }, event))
    }

    /// Whether this digest opens the key now.
    pub fn opens_with(&self, digest: &[u8; 32], now: Timestamp) -> bool {
        let usable = self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end);
        let current = equal(&self.digest, digest);
        let previous = self.previous.is_some_and(|(old, until)| now < until && equal(&old, digest));
        usable && (current || previous)
    }

    /// When this digest opens the key no more, if that is known already.
    pub fn ends_at(&self, digest: &[u8; 32]) -> Option<Timestamp> {
        let overlap = self.previous.filter(|(old, _)| equal(old, digest)).map(|(_, until)| until);
        [self.expires_at, overlap].into_iter().flatten().min()
    }

    /// What the key may do.
    pub fn grants(&self) -> Grants {
        Grants::of(self.scopes.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_kernel::Uuid;

    fn key(vault: &Vault) -> (ApiKey, KeyText) {
        let id = ApiKeyId::from_uuid(Uuid::from_u128(1));
        let text = KeyText::generate(vault, id, true);
        let tenant_id = TenantId::from_uuid(Uuid::from_u128(2));
        let made = ("shop".to_owned(), vec![Permission::CustomersRead], None);
        let change = ApiKey::create(id, tenant_id, made, &text, Timestamp::default());
        (change.state().clone(), text)
    }

    #[test]
    fn a_key_opens_until_it_is_revoked_and_the_old_one_for_a_day() {
        let vault = Vault::seeded(1);
        let (key, text) = key(&vault);
        let now = Timestamp::default();
        assert_eq!(KeyText::id_of(text.expose()), Some(key.id));
        assert!(key.opens_with(&text.digest(), now));
        assert!(!key.opens_with(&sha256(b"guess"), now));

        let fresh = KeyText::generate(&vault, key.id, true);
        let rotated = key.rotate(&fresh, now).unwrap().state().clone();
        assert!(rotated.opens_with(&fresh.digest(), now));
        assert!(rotated.opens_with(&text.digest(), now));
        assert!(!rotated.opens_with(&text.digest(), now.after(OVERLAP)));
        assert_eq!(rotated.ends_at(&fresh.digest()), None);
        assert_eq!(rotated.ends_at(&text.digest()), Some(now.after(OVERLAP)));
        let early = now.after(Duration::from_secs(1));
        let ending = ApiKey { expires_at: Some(early), ..rotated.clone() };
        assert_eq!(ending.ends_at(&fresh.digest()), Some(early));
        assert_eq!(ending.ends_at(&text.digest()), Some(early));

        let revoked = rotated.revoke(now).unwrap().state().clone();
        assert!(!revoked.opens_with(&fresh.digest(), now));
        assert!(matches!(revoked.revoke(now), Err(IdentityError::KeyRevoked)));
    }
}
