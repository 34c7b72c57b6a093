//! Payloads about replays: past events, sent once more to one subscription.

use serde::{Deserialize, Serialize};
use tidings_kernel::{ReplayId, Timestamp, WebhookSubscriptionId};
use utoipa::ToSchema;

use super::subscription;
use crate::customers::{EXAMPLE_NOW, EXAMPLE_UUID};
use crate::schema::Example;

/// Somebody asked to send past events once more to one subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookReplayStarted {
    /// The replay.
    pub replay_id: ReplayId,
    /// The subscription that gets the events.
    pub subscription_id: WebhookSubscriptionId,
    /// The position of the log after which it begins.
    pub after_position: i64,
    /// From which instant, where one was given.
    pub from: Option<Timestamp>,
    /// Up to which instant, where one was given.
    pub to: Option<Timestamp>,
    /// What came of the events before: `all`, `failed` or `missing`.
    pub deliveries: String,
    /// How many deliveries it makes in a second at most.
    pub rate_per_second: u32,
}

/// A replay has looked at its whole part of the log, and every delivery of it has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookReplayCompleted {
    /// The replay.
    pub replay_id: ReplayId,
    /// The subscription that got the events.
    pub subscription_id: WebhookSubscriptionId,
    /// Deliveries that it made.
    pub planned: i64,
    /// Those that arrived.
    pub delivered: i64,
    /// Those that did not.
    pub failed: i64,
    /// Events that it could not send because their payload is kept no longer.
    pub skipped: i64,
}

/// Somebody cancelled a replay. What had not been sent yet is not sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookReplayCancelled {
    /// The replay.
    pub replay_id: ReplayId,
    /// The subscription that got the events.
    pub subscription_id: WebhookSubscriptionId,
    /// Deliveries that it had made.
    pub planned: i64,
    /// Those that had arrived.
    pub delivered: i64,
    /// Those that had ended in vain.
    pub failed: i64,
    /// Those that were under way, and were ended.
    pub cancelled: i64,
}

/// A replay ended because it cannot go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookReplayFailed {
    /// The replay.
    pub replay_id: ReplayId,
    /// The subscription that got the events.
    pub subscription_id: WebhookSubscriptionId,
    /// Why: `subscription_deleted`; or `stuck`, where it failed too often to look at the log.
    pub reason: String,
    /// Deliveries that it had made.
    pub planned: i64,
    /// Those that had arrived.
    pub delivered: i64,
}

/// A replay that was stuck goes on where it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookReplayResumed {
    /// The replay.
    pub replay_id: ReplayId,
    /// The subscription that gets the events.
    pub subscription_id: WebhookSubscriptionId,
    /// The position of the log behind which it goes on.
    pub position: i64,
    /// Deliveries that it had made.
    pub planned: i64,
}

const fn replay() -> ReplayId {
    ReplayId::from_uuid(EXAMPLE_UUID)
}

impl Example for WebhookReplayStarted {
    fn example() -> Self {
        Self {
            replay_id: replay(),
            subscription_id: subscription(),
            after_position: 0,
            from: Some(EXAMPLE_NOW),
            to: None,
            deliveries: "missing".to_owned(),
            rate_per_second: 100,
        }
    }
}

impl Example for WebhookReplayCompleted {
    fn example() -> Self {
        Self {
            replay_id: replay(),
            subscription_id: subscription(),
            planned: 1_200,
            delivered: 1_199,
            failed: 1,
            skipped: 0,
        }
    }
}

impl Example for WebhookReplayCancelled {
    fn example() -> Self {
        Self {
            replay_id: replay(),
            subscription_id: subscription(),
            planned: 600,
            delivered: 480,
            failed: 0,
            cancelled: 120,
        }
    }
}

impl Example for WebhookReplayResumed {
    fn example() -> Self {
        Self { replay_id: replay(), subscription_id: subscription(), position: 1_500, planned: 600 }
    }
}

impl Example for WebhookReplayFailed {
    fn example() -> Self {
        Self {
            replay_id: replay(),
            subscription_id: subscription(),
            reason: "subscription_deleted".to_owned(),
            planned: 600,
            delivered: 480,
        }
    }
}
