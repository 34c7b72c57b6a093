//! A tenant and its states.

use tidings_events::IdentityEvent;
use tidings_events::identity::{TenantCreated, TenantReactivated, TenantSuspended};
use tidings_kernel::{AnyId, Change, Entity, TenantId, Timestamp, Version};

use crate::error::IdentityError;

/// Whether a tenant can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantStatus {
    /// Open.
    Active,
    /// Stopped by the operator.
    Suspended {
        /// Why, as the operator said.
        reason: Option<String>,
    },
}

impl TenantStatus {
    /// The word in answers and rows.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended { .. } => "suspended",
        }
    }
}

/// A business on the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, for people.
    pub name: String,
    /// Whether it is a live one; fixed when it is made.
    pub livemode: bool,
    /// Whether it can be used.
    pub status: TenantStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// How many events it has had.
    pub version: Version,
}

impl Entity for Tenant {
    type Event = IdentityEvent;
    const KIND: &'static str = "tenant";

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

impl Tenant {
    /// Makes a tenant.
    pub fn create(id: TenantId, name: String, livemode: bool, now: Timestamp) -> Change<Self> {
        let event = TenantCreated { tenant_id: id, name: name.clone(), livemode };
        let tenant = Self {
            id,
            name,
            livemode,
            status: TenantStatus::Active,
            created_at: now,
            updated_at: now,
            version: 0,
        };
        Change::new(tenant, event)
    }

    /// Stops a tenant.
    pub fn suspend(
        self,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Change<Self>, IdentityError> {
        match self.status {
            TenantStatus::Active => {
                let event = TenantSuspended { tenant_id: self.id, reason: reason.clone() };
                let status = TenantStatus::Suspended { reason };
                Ok(Change::new(Self { status, updated_at: now, ..self }, event))
            }
            TenantStatus::Suspended { .. } => Err(IdentityError::AlreadySuspended),
        }
    }

    /// Opens a suspended tenant.
    pub fn reactivate(self, now: Timestamp) -> Result<Change<Self>, IdentityError> {
        match self.status {
            TenantStatus::Suspended { .. } => {
                let event = TenantReactivated { tenant_id: self.id };
                let status = TenantStatus::Active;
                Ok(Change::new(Self { status, updated_at: now, ..self }, event))
            }
            TenantStatus::Active => Err(IdentityError::NotSuspended),
        }
    }
}
