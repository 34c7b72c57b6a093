//! From the errors of the libraries to our classes.

use std::error::Error as _;
use std::io;

use crate::exchange::{Phase, SendError};
use crate::stream::ReplyTooLarge;

/// The class of a failure between the first byte of a request and the head of its reply.
pub(crate) fn classify(error: &hyper::Error) -> SendError {
    if error.is_parse() {
        return SendError::Protocol;
    }
    let Some(io) = io_cause(error) else {
        let was_cut = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
        return if was_cut { SendError::Reset } else { SendError::Other };
    };
    if let Some(inner) = io.get_ref() {
        if inner.is::<ReplyTooLarge>() {
            return SendError::Protocol;
        }
        if inner.is::<rustls::Error>() {
            return SendError::Tls;
        }
    }
    if is_cut(io.kind()) {
        SendError::Reset
    } else if io.kind() == io::ErrorKind::TimedOut {
        SendError::Timeout(Phase::Head)
    } else {
        SendError::Other
    }
}

/// The other side, or something between, ended the connection.
pub(crate) fn is_cut(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}

/// There is no way to the address, or nothing that listens.
pub(crate) fn is_unreachable(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied
    )
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = current.source();
    }
    None
}
