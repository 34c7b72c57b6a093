//! Why nothing was generated: a sentence for the person who ran it.

use std::fmt;
use std::path::Path;

/// The files could not be made. There is nothing to branch on, so a sentence is all it holds.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// The system refused to do something with a file.
    pub(crate) fn refused(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self(format!("cannot {doing} {}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
