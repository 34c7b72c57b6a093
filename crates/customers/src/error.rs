//! What can be refused, and what a caller is told.

use tidings_db::DbError;
use tidings_events::customers::CustomerStatus;
use tidings_kernel::{Permission, Problem, ProblemKind, Version, limits};

/// A refusal of the customers domain.
#[derive(Debug, thiserror::Error)]
pub enum CustomerError {
    /// No such customer, note or segment, or another tenant's.
    #[error("not found")]
    NotFound,
    /// The caller read an older version.
    #[error("the version is {is} and not {wanted}")]
    OtherVersion {
        /// The version that is stored.
        is: Version,
        /// The version that the caller named.
        wanted: Version,
    },
    /// No step leads from one status to the other.
    #[error("a customer who is {} cannot become {}", from.as_str(), to.as_str())]
    NoStep {
        /// Where the customer stands.
        from: CustomerStatus,
        /// Where the caller wants it.
        to: CustomerStatus,
    },
    /// Only what is deleted can be restored.
    #[error("the customer is not deleted")]
    NotDeleted,
    /// The change of status needs a permission of its own.
    #[error("a change of status needs the permission {}", Permission::CustomersManageStatus.name())]
    StatusNotYours,
    /// Another customer has the mail address.
    #[error("another customer has this mail address")]
    DuplicateEmail,
    /// Another customer has the id in the other system.
    #[error("another customer has this external_id in this source_system")]
    DuplicateExternalId,
    /// Another segment has the name.
    #[error("another segment has this name")]
    DuplicateSegment,
    /// The order was recorded with another amount or currency.
    #[error("the order was recorded with another amount or currency")]
    OtherOrder,
    /// The customer's figures are in another currency.
    #[error("the customer's purchases are in {known}")]
    OtherCurrency {
        /// The currency of the figures.
        known: String,
    },
    /// Neither the purchase nor the customer has a currency.
    #[error("the customer has no currency yet")]
    NoCurrency,
    /// The customer's figures would not fit.
    #[error("the customer's purchases would add up to more than {}", limits::AMOUNT_MAX)]
    TooMuch,
    /// Subscriptions of the customer run.
    #[error("{count} subscriptions of the customer run")]
    LiveSubscriptions {
        /// How many.
        count: u32,
    },
    /// The customer has as many contacts as it may have.
    #[error("a customer has at most {} contacts", limits::CONTACTS_MAX)]
    TooManyContacts,
    /// The tenant has as many segments as it may have.
    #[error("a tenant has at most {} segments", limits::SEGMENTS_MAX)]
    TooManySegments,
    /// Every number that was tried is in use.
    #[error("no free customer number was found")]
    NoNumber,
    /// Something in the input.
    #[error(transparent)]
    Input(#[from] Problem),
    /// The database.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for CustomerError {
    fn from(error: DbError) -> Self {
        // The words are parts of the names of the unique indices and of their columns.
        if error.violates("email_folded") {
            Self::DuplicateEmail
        } else if error.violates("external_id") {
            Self::DuplicateExternalId
        } else if error.violates("name_folded") {
            Self::DuplicateSegment
        } else {
            Self::Db(error)
        }
    }
}

impl From<CustomerError> for Problem {
    fn from(error: CustomerError) -> Self {
        let text = error.to_string();
        match error {
            CustomerError::NotFound => Self::not_found(),
            CustomerError::OtherVersion { .. } => {
                Self::new(ProblemKind::PreconditionFailed, format!("{text}; read it again"))
            }
            CustomerError::NoStep { .. } => Self::new(
                ProblemKind::InvalidTransition,
                format!("{text}; read it again before trying another step"),
            ),
            CustomerError::NotDeleted => Self::new(
                ProblemKind::InvalidTransition,
                format!("{text}; only a deleted one can be restored"),
            ),
            CustomerError::StatusNotYours => Self::new(
                ProblemKind::Forbidden,
                format!("{text}; leave status out, or use a key that has it"),
            ),
            CustomerError::DuplicateEmail => Self::new(ProblemKind::DuplicateEmail, text).at(
                "/email",
                "duplicate",
                "use another address, or change the customer who has this one",
            ),
            CustomerError::DuplicateExternalId => Self::new(ProblemKind::AlreadyExists, text).at(
                "/external_id",
                "duplicate",
                "use another id, or change the customer who has this one",
            ),
            CustomerError::DuplicateSegment => Self::new(ProblemKind::AlreadyExists, text).at(
                "/name",
                "duplicate",
                "use another name",
            ),
            CustomerError::OtherOrder => Self::new(ProblemKind::AlreadyExists, text).at(
                "/order_id",
                "duplicate",
                "send what was sent first, or name another order",
            ),
            CustomerError::OtherCurrency { .. } => Self::invalid_field(
                "/currency",
                "currency_mismatch",
                format!("{text}; amounts of different currencies are not added up"),
            ),
            CustomerError::NoCurrency => Self::invalid_field(
                "/currency",
                "required",
                format!("{text}; say which one this purchase is in"),
            ),
            CustomerError::TooMuch => Self::invalid_field("/amount", "out_of_range", text),
            CustomerError::LiveSubscriptions { .. } => Self::new(
                ProblemKind::HasLiveSubscriptions,
                format!("{text}; end them first, or send cancel_subscriptions=true"),
            ),
            CustomerError::TooManyContacts | CustomerError::TooManySegments => {
                Self::new(ProblemKind::LimitReached, text)
            }
            CustomerError::NoNumber => Self::unavailable(format!("{text}; send it again"), 1),
            CustomerError::Input(problem) => problem,
            CustomerError::Db(error) => error.into(),
        }
    }
}
