//! What may have been meant by a filter that is not one.

use std::collections::BTreeSet;

use tidings_events::CustomName;

use super::{prefixes, subscribable_types};

/// The filter with the fewest edits from `text`, where they are few enough to be a slip.
pub(super) fn filter(text: &str, registered: &BTreeSet<CustomName>) -> Option<String> {
    // A longer text is no slip, and would make the search expensive.
    if text.len() > CustomName::CHARS_MAX {
        return None;
    }
    let text = text.to_lowercase();
    let edits_max = (text.len() / 4).max(2);
    let names = subscribable_types().map(|event_type| event_type.name().to_owned());
    let wildcards = subscribable_types()
        .flat_map(|event_type| prefixes(event_type.name()))
        .map(|prefix| format!("{prefix}*"));
    let customs = registered.iter().map(|name| name.as_str().to_owned());
    names
        .chain(wildcards)
        .chain(customs)
        .filter(|candidate| candidate.len().abs_diff(text.len()) <= edits_max)
        .map(|candidate| (edits(&text, &candidate), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// How many insertions, deletions and replacements lie between two texts, counted in bytes:
/// Levenshtein's distance.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, wanted) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("customer.create", "customer.created", 1),
            ("paid", "payed", 2),
        ] {
            assert_eq!(edits(a, b), wanted, "{a} {b}");
            assert_eq!(edits(b, a), wanted, "{b} {a}");
        }
    }
}
