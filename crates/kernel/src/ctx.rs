//! Who acts, for which tenant, at which instant.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{
    ApiKeyId, EventId, IdSeed, Ordinals, RequestId, TenantId, Timestamp, TraceContext, UserId,
};

/// Who caused a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The operator of the installation.
    Operator,
    /// A person of a tenant.
    User(UserId),
    /// A program with a tenant's key.
    ApiKey(ApiKeyId),
    /// The system itself, in the named job or reaction.
    System(&'static str),
    /// Nobody yet: a request without a credential.
    Anonymous,
}

impl Actor {
    /// What `actor.type` says.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::User(_) => "user",
            Self::ApiKey(_) => "api_key",
            Self::System(_) => "system",
            Self::Anonymous => "anonymous",
        }
    }

    /// What `actor.id` says.
    pub fn id(&self) -> Option<String> {
        match self {
            Self::User(id) => Some(id.to_string()),
            Self::ApiKey(id) => Some(id.to_string()),
            Self::System(job) => Some((*job).to_owned()),
            Self::Operator | Self::Anonymous => None,
        }
    }
}

/// What led to a change, for correlation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// The event that a reaction answers.
    pub event_id: Option<EventId>,
    /// The job that ran.
    pub job: Option<&'static str>,
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $scope:ident;)+) => {
        /// What a route may demand of a credential. Everything is denied that is not granted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $variant,)+
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The permission's name: what an API key's `scopes` list.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Whether a tenant's credential can hold it; the others are the operator's alone.
            pub const fn is_tenants(self) -> bool {
                match self { $(Self::$variant => permissions!(@ $scope)),+ }
            }
        }
    };
    (@ tenant) => { true };
    (@ operator) => { false };
}

permissions! {
    /// Read API keys, without their secrets.
    ApiKeysRead = "api_keys.read", tenant;
    /// Create, rotate and revoke API keys.
    ApiKeysManage = "api_keys.manage", tenant;
    /// Read customers, their notes and their history.
    CustomersRead = "customer.read", tenant;
    /// Create customers.
    CustomersCreate = "customer.create", tenant;
    /// Change customers, add notes and activities.
    CustomersUpdate = "customer.update", tenant;
    /// Delete, restore and anonymise customers.
    CustomersDelete = "customer.delete", tenant;
    /// Suspend, reactivate, churn and archive customers.
    CustomersManageStatus = "customer.manage_status", tenant;
    /// Publish custom events.
    EventsPublish = "events.publish", tenant;
    /// Read the catalog and the event log.
    EventsRead = "events.read", tenant;
    /// Create and change custom event types.
    EventTypesManage = "event_types.manage", tenant;
    /// Read how long events are kept, and the receipts of erasures.
    PrivacyRead = "privacy.read", tenant;
    /// Set how long events are kept; erase what they hold of a subject.
    PrivacyManage = "privacy.manage", tenant;
    /// Create, list, suspend and reactivate tenants.
    TenantsManage = "tenants.manage", operator;
    /// Read subscriptions, deliveries and attempts.
    WebhooksRead = "webhooks.read", tenant;
    /// Create, change, delete, test and rotate subscriptions; retry deliveries.
    WebhooksManage = "webhooks.manage", tenant;
}

impl std::str::FromStr for Permission {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|permission| permission.name() == name).ok_or(())
    }
}

/// The permissions that a credential holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Arc<BTreeSet<Permission>>);

impl Grants {
    /// These permissions and no others.
    pub fn of(permissions: impl IntoIterator<Item = Permission>) -> Self {
        Self(Arc::new(permissions.into_iter().collect()))
    }

    /// Everything that a tenant's credential can hold.
    pub fn whole_tenant() -> Self {
        Self::of(Permission::ALL.iter().copied().filter(|permission| permission.is_tenants()))
    }

    /// Whether the permission is among them.
    pub fn allow(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    /// The permissions, in the order of their declaration.
    pub fn iter(&self) -> impl Iterator<Item = Permission> {
        self.0.iter().copied()
    }
}

/// The context of one request, job or reaction: the first parameter everywhere.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// The tenant, from the credential only.
    pub tenant_id: TenantId,
    /// Who acts.
    pub actor: Actor,
    /// What led here, besides the request.
    pub cause: Cause,
    /// The request, or the run of the job.
    pub request_id: RequestId,
    /// The instant of the request, read once.
    pub now: Timestamp,
    /// Whether the tenant is a live one; fixed when the tenant was made.
    pub livemode: bool,
    /// What the credential may do.
    pub grants: Grants,
    /// Where ids come from.
    pub seed: IdSeed,
    /// The trace that this is a part of, where one is recorded.
    pub trace: Option<TraceContext>,
}

impl Ctx {
    /// The ids of this context's next unit of work.
    pub fn ordinals(&self) -> Ordinals {
        self.seed.ordinals(self.request_id, self.now)
    }
}
