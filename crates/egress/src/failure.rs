//! From the errors of the libraries to our classes.

use std::error::Error as _;
use std::io;

use rustix::io::Errno;

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

/// This machine has none left of something that every connection needs.
pub(crate) fn is_local(error: &io::Error) -> bool {
    let local = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| local.contains(&errno))
}

/// The class of a failure to connect. `has_way` says whether the kernel knows a source address for
/// the target: where it does and has none to give, the ports of that address are used up; where it
/// does not, the target cannot be reached from here.
pub(crate) fn of_connect(error: &io::Error, has_way: impl FnOnce() -> bool) -> SendError {
    let kind = error.kind();
    if is_local(error) || (kind == io::ErrorKind::AddrNotAvailable && has_way()) {
        SendError::Local
    } else if is_unreachable(kind) {
        SendError::Refused
    } else if is_cut(kind) {
        SendError::Reset
    } else if kind == io::ErrorKind::TimedOut {
        SendError::Timeout(Phase::Connect)
    } else {
        SendError::Other
    }
}

/// There is no way to the address, or nothing that listens.
fn is_unreachable(kind: io::ErrorKind) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_no_fault_of_the_target() {
        let table = [
            (Errno::MFILE, false, SendError::Local),
            (Errno::NFILE, false, SendError::Local),
            (Errno::NOBUFS, false, SendError::Local),
            (Errno::NOMEM, false, SendError::Local),
            (Errno::ADDRNOTAVAIL, true, SendError::Local),
            (Errno::ADDRNOTAVAIL, false, SendError::Refused),
            (Errno::CONNREFUSED, true, SendError::Refused),
            (Errno::HOSTUNREACH, true, SendError::Refused),
            (Errno::NETUNREACH, true, SendError::Refused),
            (Errno::CONNRESET, true, SendError::Reset),
            (Errno::TIMEDOUT, true, SendError::Timeout(Phase::Connect)),
            (Errno::PROTO, true, SendError::Other),
        ];
        for (errno, has_way, class) in table {
            assert_eq!(of_connect(&errno.into(), || has_way), class, "{errno} {has_way}");
        }
    }
}
