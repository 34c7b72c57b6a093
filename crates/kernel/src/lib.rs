//! Ids, time, changes, problems: the words every other crate speaks.
