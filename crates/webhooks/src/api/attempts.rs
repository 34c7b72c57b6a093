//! The attempts of a delivery, as they are shown.

use serde::Serialize;
use tidings_kernel::Timestamp;
use utoipa::ToSchema;

use crate::service::AttemptRecord;

/// How long each part of an attempt took, in microseconds. A part that did not take place, or did
/// not end, has none: the first of them that is missing is where it failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PhasesView {
    /// Resolving the name; absent for addresses and reused connections.
    pub(crate) dns: Option<i64>,
    /// Connecting; absent for reused connections.
    pub(crate) connect: Option<i64>,
    /// The TLS handshake; absent without TLS and for reused connections.
    pub(crate) tls: Option<i64>,
    /// From the request to the head of the answer.
    pub(crate) first_byte: Option<i64>,
    /// The answer's body, as far as it was read.
    pub(crate) body: Option<i64>,
}

/// One attempt to deliver.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptView {
    /// Which one: the first is 1.
    pub(crate) attempt: u32,
    /// When it began.
    pub(crate) started_at: Timestamp,
    /// Milliseconds from the first step to the last byte.
    pub(crate) duration_ms: i64,
    /// The parts of that time.
    pub(crate) phases_us: PhasesView,
    /// Whether it went over a connection that had served before.
    pub(crate) connection_reused: Option<bool>,
    /// The status of the answer.
    pub(crate) status: Option<u16>,
    /// The class of the failure: `timeout.dns`, `timeout.connect`, `timeout.tls`, `timeout.send`,
    /// `timeout.head`, `dns`, `refused`, `reset`, `tls`, `blocked_address`, `protocol`, `other`;
    /// of an answer `redirect`, `gone`, `throttle` or `http`. Never an address.
    pub(crate) error: Option<String>,
    /// Headers of a request that was in vain. The values of signatures and of your own headers are
    /// hidden.
    #[schema(value_type = Option<Object>)]
    pub(crate) request_headers: Option<serde_json::Value>,
    /// Headers of an answer that was no success. Cookies, credentials and the like are hidden.
    #[schema(value_type = Option<Object>)]
    pub(crate) response_headers: Option<serde_json::Value>,
    /// The beginning of the answer's body, as text: 1 KiB of a success, 16 KiB of anything else.
    pub(crate) response_body: Option<String>,
    /// Whether the body was longer than that.
    pub(crate) response_truncated: Option<bool>,
}

impl From<AttemptRecord> for AttemptView {
    fn from(record: AttemptRecord) -> Self {
        let json = |text: &Option<String>| {
            text.as_deref().and_then(|text| serde_json::from_str(text).ok())
        };
        let [dns, connect, tls, first_byte, body] = record.phases;
        let shown = record.response_body.as_ref();
        Self {
            attempt: record.attempt,
            started_at: record.started_at,
            duration_ms: record.duration / 1_000,
            phases_us: PhasesView { dns, connect, tls, first_byte, body },
            connection_reused: record.reused,
            status: record.status,
            error: record.error,
            request_headers: json(&record.request_headers),
            response_headers: json(&record.response_headers),
            response_body: shown.map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
            response_truncated: record.response_truncated,
        }
    }
}
