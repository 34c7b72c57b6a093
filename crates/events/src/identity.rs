//! Payloads about tenants and keys. None ever holds a secret or a hash.

use serde::{Deserialize, Serialize};
use tidings_kernel::{ApiKeyId, TenantId, Timestamp};
use utoipa::ToSchema;

use crate::customers::{EXAMPLE_NOW, EXAMPLE_UUID};
use crate::schema::Example;

/// A tenant was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantCreated {
    /// The tenant.
    pub tenant_id: TenantId,
    /// Its name.
    pub name: String,
    /// Whether it is a live tenant; this never changes.
    pub livemode: bool,
}

/// A tenant was suspended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantSuspended {
    /// The tenant.
    pub tenant_id: TenantId,
    /// Why, as the operator said.
    pub reason: Option<String>,
}

/// A suspended tenant is open again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantReactivated {
    /// The tenant.
    pub tenant_id: TenantId,
}

/// An API key was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyCreated {
    /// The key's id; the secret is not in any event.
    pub api_key_id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// An API key got a new secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyRotated {
    /// The key.
    pub api_key_id: ApiKeyId,
    /// Until when the old secret works.
    pub previous_valid_until: Timestamp,
}

/// An API key was revoked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyRevoked {
    /// The key.
    pub api_key_id: ApiKeyId,
}

impl Example for TenantCreated {
    fn example() -> Self {
        Self {
            tenant_id: TenantId::from_uuid(EXAMPLE_UUID),
            name: "Acme".to_owned(),
            livemode: true,
        }
    }
}

impl Example for TenantSuspended {
    fn example() -> Self {
        Self {
            tenant_id: TenantId::from_uuid(EXAMPLE_UUID),
            reason: Some("contract ended".to_owned()),
        }
    }
}

impl Example for TenantReactivated {
    fn example() -> Self {
        Self { tenant_id: TenantId::from_uuid(EXAMPLE_UUID) }
    }
}

impl Example for ApiKeyCreated {
    fn example() -> Self {
        Self {
            api_key_id: ApiKeyId::from_uuid(EXAMPLE_UUID),
            name: "shop".to_owned(),
            scopes: vec!["customer.read".to_owned()],
            expires_at: None,
        }
    }
}

impl Example for ApiKeyRotated {
    fn example() -> Self {
        Self { api_key_id: ApiKeyId::from_uuid(EXAMPLE_UUID), previous_valid_until: EXAMPLE_NOW }
    }
}

impl Example for ApiKeyRevoked {
    fn example() -> Self {
        Self { api_key_id: ApiKeyId::from_uuid(EXAMPLE_UUID) }
    }
}
