//! Names and sizes of files.

use super::Finding;
use super::tree::Tree;

const LINES_MAX: usize = 400;
const LINES_WARN: usize = 300;
const LARGE_FILES: &str = "ratchets/large-files.txt";

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 10] = [
    "common", "handler", "handlers", "helper", "helpers", "manager", "misc", "types", "util",
    "utils",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    [empty_names(tree), large_files(tree), settled_entries(tree)].concat()
}

/// Files that will be too large soon.
pub(super) fn growing_files(tree: &Tree) -> Vec<Finding> {
    tree.with_extension("rs")
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| (LINES_WARN..=LINES_MAX).contains(lines))
        .map(|(path, lines)| {
            Finding::new(path, lines, format!("{lines} lines; {LINES_MAX} are the limit"))
        })
        .collect()
}

fn empty_names(tree: &Tree) -> Vec<Finding> {
    tree.with_extension("rs")
        .filter_map(|(path, _)| {
            let mut parts = path.trim_end_matches(".rs").split('/');
            let name = parts.find(|part| EMPTY_NAMES.contains(part))?;
            Some(Finding::new(path, 1, format!("`{name}` says nothing: name it for its content")))
        })
        .collect()
}

fn large_files(tree: &Tree) -> Vec<Finding> {
    let listed = tree.ratchet(LARGE_FILES);
    tree.with_extension("rs")
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(path, lines)| {
            *lines > LINES_MAX && !listed.iter().any(|(_, entry)| entry == path)
        })
        .map(|(path, lines)| {
            Finding::new(path, lines, format!("{lines} lines, more than {LINES_MAX}: split it"))
        })
        .collect()
}

/// Entries of the list that are no longer true: it only shrinks.
fn settled_entries(tree: &Tree) -> Vec<Finding> {
    tree.ratchet(LARGE_FILES)
        .into_iter()
        .filter(|(_, entry)| tree.text(entry).is_none_or(|text| text.lines().count() <= LINES_MAX))
        .map(|(line, entry)| {
            Finding::new(LARGE_FILES, line, format!("`{entry}` is not large: strike it off"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_is_inside() {
        let tree = Tree::of(&[
            ("crates/a/src/utils.rs", ""),
            ("crates/a/tests/common/mod.rs", ""),
            ("crates/a/src/event_types.rs", ""),
            ("docs/types.md", ""),
        ]);
        let paths: Vec<String> = check(&tree).into_iter().map(|found| found.path).collect();
        assert_eq!(paths, ["crates/a/src/utils.rs", "crates/a/tests/common/mod.rs"]);
    }

    #[test]
    fn a_file_is_at_most_four_hundred_lines() {
        let (large, fits) = ("x\n".repeat(401), "x\n".repeat(400));
        let files = [("a.rs", large.as_str()), ("b.rs", fits.as_str()), ("c.sql", large.as_str())];
        let tree = Tree::of(&files);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("a.rs", 401));
        let growing: Vec<String> = growing_files(&tree).into_iter().map(|f| f.path).collect();
        assert_eq!(growing, ["b.rs"]);
    }

    #[test]
    fn the_list_of_large_files_only_shrinks() {
        let large = "x\n".repeat(401);
        let listed = [("a.rs", large.as_str()), (LARGE_FILES, "# large\na.rs\n")];
        assert!(check(&Tree::of(&listed)).is_empty());
        let settled = [("a.rs", "x\n"), (LARGE_FILES, "a.rs\ngone.rs\n")];
        let lines: Vec<usize> = check(&Tree::of(&settled)).iter().map(|f| f.line).collect();
        assert_eq!(lines, [1, 2]);
    }
}
