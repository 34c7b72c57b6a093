//! What can be refused, and what a caller is told.

use tidings_db::DbError;
use tidings_kernel::{Problem, ProblemKind, ReplayId, limits};

/// A refusal of the webhooks domain.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No such thing, or another tenant's.
    #[error("not found")]
    NotFound,
    /// It is disabled already.
    #[error("the subscription is disabled already")]
    AlreadyDisabled,
    /// It sends nothing at present.
    #[error(
        "the subscription sends nothing at present; where its status is pending, do its handshake, \
         and otherwise set is_active to true"
    )]
    NotSending,
    /// It asks for no handshake.
    #[error("the subscription needs no handshake; set handshake to true first")]
    NoHandshake,
    /// Its endpoint was asked, and has not consented.
    #[error("the endpoint has not consented: {0}")]
    NotConsented(String),
    /// It moved while its endpoint was asked.
    #[error("the subscription's url changed while the endpoint was asked; ask again")]
    Moved,
    /// The delivery has not ended yet.
    #[error("the delivery has not ended yet; it is tried again by itself")]
    NotEnded,
    /// The payload is gone.
    #[error("the payload of the event is kept no longer, so it cannot be sent again")]
    PayloadGone,
    /// The subscription has a replay that runs.
    #[error("the replay {0} to this subscription runs; wait until it ends, or cancel it")]
    ReplayRunning(ReplayId),
    /// The replay has ended.
    #[error("the replay is {0} already; there is nothing to cancel")]
    ReplayEnded(&'static str),
    /// The subscription has no key pair.
    #[error("the subscription has no key pair; add the signature profile ed25519, which makes one")]
    NoKeyPair,
    /// The replay has not got stuck.
    #[error("the replay is {0}; only one that failed because it got stuck can be resumed")]
    ReplayNotStuck(&'static str),
    /// As many replays as may run.
    #[error(
        "at most {} replays of a tenant run at the same time; wait until one ends, or cancel one",
        limits::REPLAYS_RUNNING_MAX
    )]
    TooManyReplays,
    /// As many erasures as may be under way.
    #[error(
        "at most {} erasures of a tenant are under way; ask again when some are completed, or delete \
         the customers, who are then erased by themselves",
        limits::ERASURES_UNFINISHED_MAX
    )]
    TooManyErasures,
    /// One look at much of the log at a time.
    #[error(
        "a dry run of a replay or a preview of an erasure is under way; ask again when it has answered"
    )]
    LooksAlready,
    /// As many subscriptions as there may be.
    #[error("a tenant has at most {} webhook subscriptions", limits::SUBSCRIPTIONS_MAX)]
    TooManySubscriptions,
    /// As many event types as there may be.
    #[error("a tenant has at most {} event types", limits::EVENT_TYPES_MAX)]
    TooManyTypes,
    /// A custom type with this name exists.
    #[error("the event type {0} exists already; change it with PATCH")]
    TypeExists(String),
    /// An event id was used for another event.
    #[error("the event_id {0} was used for another event; use a new one")]
    EventIdReused(String),
    /// Something in the input.
    #[error(transparent)]
    Input(#[from] Problem),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let text = error.to_string();
        match error {
            WebhookError::NotFound => Self::not_found(),
            WebhookError::AlreadyDisabled
            | WebhookError::NotSending
            | WebhookError::NoHandshake
            | WebhookError::NoKeyPair
            | WebhookError::NotConsented(_)
            | WebhookError::Moved
            | WebhookError::NotEnded
            | WebhookError::ReplayRunning(_)
            | WebhookError::ReplayNotStuck(_)
            | WebhookError::ReplayEnded(_) => Self::new(ProblemKind::InvalidTransition, text),
            WebhookError::PayloadGone => Self::new(ProblemKind::PayloadGone, text),
            WebhookError::TooManySubscriptions
            | WebhookError::LooksAlready
            | WebhookError::TooManyTypes
            | WebhookError::TooManyErasures
            | WebhookError::TooManyReplays => Self::new(ProblemKind::LimitReached, text),
            WebhookError::TypeExists(_) => {
                Self::new(ProblemKind::AlreadyExists, text).at("/event_type", "exists", "in use")
            }
            WebhookError::EventIdReused(_) => {
                Self::new(ProblemKind::EventIdReused, text).at("/event_id", "reused", "in use")
            }
            WebhookError::Input(problem) => problem,
            WebhookError::Db(error) => error.into(),
        }
    }
}
