//! Standard output, whose reader may go before everything is said.

use std::io::{ErrorKind, Write};

use crate::Failure;

/// Nobody reads on, as in `tidings events list | head -1`. It is an end and not a fault.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub(crate) struct Closed;

/// Writes a line, or fails with [`Closed`] where nobody reads; `println!` would panic.
pub(crate) fn line(text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    writeln!(std::io::stdout().lock(), "{text}").map_err(|error| {
        if error.kind() == ErrorKind::BrokenPipe { Closed.into() } else { error.into() }
    })
}

/// Writes a line to standard error; where that is closed too, there is nobody left to tell.
pub(crate) fn aside(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// `println!` for a reader who may be gone.
macro_rules! say {
    ($($text:tt)*) => { $crate::say::line(format_args!($($text)*)) };
}
pub(crate) use say;
