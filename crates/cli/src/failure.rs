//! Ends that are more than "it failed".

use std::fmt;
use std::process::ExitCode;

use crate::Failure;

/// The status of a command that could not do what it was asked, because of how it was asked; what
/// the parser of arguments gives too.
const MISUSED: u8 = 2;

/// An end that is more than "it failed".
#[derive(Debug)]
pub(crate) enum Ended {
    /// The command has done its work, and its verdict, which it has printed, is no.
    Negative,
    /// The arguments or the input make no sense. Says what to do.
    Misused(String),
}

impl Ended {
    /// The status of the process.
    pub(crate) fn status(&self) -> ExitCode {
        match self {
            Self::Negative => ExitCode::FAILURE,
            Self::Misused(_) => ExitCode::from(MISUSED),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negative => f.write_str("the verdict is no"),
            Self::Misused(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Ended {}

/// A sentence for whoever called the command wrongly; the status is 2.
pub(crate) fn misused(sentence: impl Into<String>) -> Failure {
    Box::new(Ended::Misused(sentence.into()))
}
