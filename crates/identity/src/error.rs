//! What can be refused, and what a caller is told.

use tidings_db::DbError;
use tidings_kernel::{Permission, Problem, ProblemKind, limits};

/// A refusal of the identity domain.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No such tenant or key, or another tenant's.
    #[error("not found")]
    NotFound,
    /// The tenant is suspended already.
    #[error("the tenant is suspended already")]
    AlreadySuspended,
    /// The tenant is not suspended.
    #[error("the tenant is not suspended")]
    NotSuspended,
    /// The key is revoked.
    #[error("the key is revoked")]
    KeyRevoked,
    /// A key would be able to do more than its maker.
    #[error("the scope {} is not the caller's to give", .0.name())]
    ScopeNotYours(Permission),
    /// The text of a key would let its new holder do more than before.
    #[error("the key has the scope {}, which the caller's key does not have", .0.name())]
    KeyCanMore(Permission),
    /// The tenant has as many keys as it may have.
    #[error("a tenant has at most {} keys that are not revoked", limits::API_KEYS_MAX)]
    TooManyKeys,
    /// Something in the input.
    #[error(transparent)]
    Input(Problem),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        let text = error.to_string();
        match error {
            IdentityError::NotFound => Self::not_found(),
            IdentityError::AlreadySuspended
            | IdentityError::NotSuspended
            | IdentityError::KeyRevoked => Self::new(
                ProblemKind::InvalidTransition,
                format!("{text}; read it again before trying another step"),
            ),
            IdentityError::ScopeNotYours(_) => Self::new(
                ProblemKind::Forbidden,
                format!("{text}; leave it out, or use a key that has it"),
            ),
            IdentityError::KeyCanMore(_) => Self::new(
                ProblemKind::Forbidden,
                format!("{text}; rotate it with itself, or with a key that has all of its scopes"),
            ),
            IdentityError::TooManyKeys => {
                Self::new(ProblemKind::LimitReached, format!("{text}; revoke what is not used"))
            }
            IdentityError::Input(problem) => problem,
            IdentityError::Db(error) => error.into(),
        }
    }
}
