//! What a new version of a schema means for those who live with the old one.
//!
//! Two parties do. *Receivers* were written for what the old schema promised: data of the new one
//! must still be what they expect. *Publishers* send what the old schema took: the new one must
//! still take it. A change is safe when neither notices, and receivers pass over properties that
//! they do not know. Where the comparison cannot tell, the change counts as breaking, and says so.

mod compare;

use serde_json::Value;

pub(crate) use compare::compare;

/// Who a change breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Breaks {
    /// Nobody.
    Nobody,
    /// Those that publish what was fine.
    Publishers,
    /// Those that receive what they were not written for.
    Receivers,
    /// Both, or nobody can tell.
    Both,
}

impl Breaks {
    /// `safe` or `breaking`.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Nobody => "safe",
            Self::Publishers | Self::Receivers | Self::Both => "breaking",
        }
    }

    /// Who, in words for programs.
    pub(crate) const fn whom(self) -> &'static [&'static str] {
        match self {
            Self::Nobody => &[],
            Self::Publishers => &["publishers"],
            Self::Receivers => &["receivers"],
            Self::Both => &["publishers", "receivers"],
        }
    }
}

/// One difference between two versions of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaChange {
    /// Where, as a JSON pointer into the schemas.
    pub(crate) pointer: String,
    /// Who does not get on with it.
    pub(crate) breaks: Breaks,
    /// What it is, for people.
    pub(crate) message: String,
}

/// Every difference, in the order of the schema.
pub(crate) fn changes(old: &Value, new: &Value) -> Vec<SchemaChange> {
    let mut found = Vec::new();
    compare(old, new, "", &mut found);
    found
}

/// The differences that break somebody.
pub(crate) fn breaking(changes: &[SchemaChange]) -> impl Iterator<Item = &SchemaChange> {
    changes.iter().filter(|change| change.breaks != Breaks::Nobody)
}

#[cfg(test)]
mod tests;
