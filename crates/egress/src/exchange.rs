//! What comes back from a send.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

/// One try: what happened, and how long each part took.
#[derive(Debug)]
pub struct Exchange {
    /// The reply, whatever its status, or the class of failure.
    pub outcome: Result<Reply, SendError>,
    /// Durations of the phases that took place.
    pub phases: Phases,
}

/// A reply whose head arrived in full. The status decides nothing here.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The headers as received. Values may be any bytes that are legal in a header.
    pub headers: HeaderMap,
    /// The start of the body, at most 16 KiB, never decompressed.
    pub body: Bytes,
    /// The body was longer than what `body` holds.
    pub body_truncated: bool,
    /// The body ended in a failure or in a timeout. The reply stands all the same.
    pub body_error: bool,
}

/// Durations of one try. A phase that did not end has no duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Name resolution; absent for literal addresses and reused connections.
    pub dns: Option<Duration>,
    /// TCP connect; absent for reused connections.
    pub connect: Option<Duration>,
    /// TLS handshake; absent for http and for reused connections.
    pub tls: Option<Duration>,
    /// From handing over the request to the complete head of the reply.
    pub first_byte: Option<Duration>,
    /// From the head of the reply to the end of what is read of its body.
    pub body: Option<Duration>,
    /// The whole try.
    pub total: Duration,
    /// The request went over a connection that had served before.
    pub reused: bool,
}

/// The part of a try that a timeout fell into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Resolving the name.
    Dns,
    /// Connecting.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Writing the request: the receiver stopped reading.
    Send,
    /// Waiting for the head of the reply.
    Head,
}

/// Why there is no reply. A class only: never resolver text, never an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The deadline, or the limit of a phase, passed.
    #[error("timed out")]
    Timeout(Phase),
    /// Nothing listens there, or the network cannot reach it.
    #[error("the connection was refused")]
    Refused,
    /// The connection ended before a reply. The receiver may have acted on the request.
    #[error("the connection was closed before a reply")]
    Reset,
    /// The TLS handshake failed: certificate, name or protocol.
    #[error("the tls handshake failed")]
    Tls,
    /// The name has no addresses or could not be resolved.
    #[error("the name could not be resolved")]
    Dns,
    /// An address of the target is not allowed.
    #[error("an address of the target is not allowed")]
    BlockedAddress,
    /// What came back is not an HTTP/1.1 reply within our limits.
    #[error("the reply was not valid http")]
    Protocol,
    /// This machine has none left of something: descriptors, ports, memory. Nothing was sent, and
    /// it says nothing of the target.
    #[error("this machine has no descriptor, port or memory left for a connection")]
    Local,
    /// Anything else.
    #[error("the request could not be sent")]
    Other,
}

impl SendError {
    /// A stable word for this failure, for attempt records and metrics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Timeout(Phase::Dns) => "timeout.dns",
            Self::Timeout(Phase::Connect) => "timeout.connect",
            Self::Timeout(Phase::Tls) => "timeout.tls",
            Self::Timeout(Phase::Send) => "timeout.send",
            Self::Timeout(Phase::Head) => "timeout.head",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::BlockedAddress => "blocked_address",
            Self::Protocol => "protocol",
            Self::Local => "local",
            Self::Other => "other",
        }
    }
}
