//! The files of the repository, read once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::failure::{Doing, Failure};

/// Folders that hold nothing of ours, for a tree without git.
const FOREIGN_FOLDERS: [&str; 2] = [".git", "target"];

/// Every file that is, or is about to be, committed. Paths are relative to the root, with `/`.
#[derive(Default)]
pub(super) struct Tree {
    texts: BTreeMap<String, String>,
    /// All files and folders, also those that hold no text.
    paths: BTreeSet<String>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self, Failure> {
        let paths = match listed_by_git(root) {
            Some(paths) => paths,
            None => found_in(root, "")?,
        };
        let mut tree = Self::default();
        for path in paths {
            // Git also lists what was deleted a moment ago.
            let Ok(bytes) = std::fs::read(root.join(&path)) else { continue };
            tree.add_path(&path);
            if !bytes.contains(&0)
                && let Ok(text) = String::from_utf8(bytes)
            {
                tree.texts.insert(path, text);
            }
        }
        Ok(tree)
    }

    /// A tree for a test.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add_path(path);
            tree.texts.insert((*path).to_owned(), (*text).to_owned());
        }
        tree
    }

    fn add_path(&mut self, path: &str) {
        let folders = path.match_indices('/').map(|(end, _)| path[..end].to_owned());
        self.paths.extend(folders);
        self.paths.insert(path.to_owned());
    }

    /// Whether there is a file or a folder of that name.
    pub(super) fn has(&self, path: &str) -> bool {
        path.is_empty() || self.paths.contains(path)
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Path and text of every text file.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub(super) fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| {
            path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
        })
    }

    /// The entries of a ratchet file with their lines: one a line, `#` begins a comment.
    pub(super) fn ratchet(&self, path: &str) -> Vec<(usize, &str)> {
        self.text(path)
            .unwrap_or_default()
            .lines()
            .zip(1..)
            .filter_map(|(line, number)| {
                let entry = line.split('#').next().unwrap_or_default().trim();
                (!entry.is_empty()).then_some((number, entry))
            })
            .collect()
    }
}

/// What git tracks or would add. `None` where there is no git, or it does not trust the folder.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let listing = String::from_utf8(output.stdout).ok()?;
    Some(listing.split_terminator('\0').map(str::to_owned).collect())
}

fn found_in(root: &Path, folder: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join(folder)).doing("list the source tree")? {
        let entry = entry.doing("list the source tree")?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        if !entry.file_type().doing("list the source tree")?.is_dir() {
            found.push(path);
        } else if !FOREIGN_FOLDERS.contains(&name) {
            found.extend(found_in(root, &path)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_exist_when_a_file_is_in_them() {
        let tree = Tree::of(&[("docs/adr/0001.md", "")]);
        assert!(tree.has("docs/adr"));
        assert!(tree.has(""));
        assert!(!tree.has("docs/ad"));
    }

    #[test]
    fn a_ratchet_has_entries_and_comments() {
        let tree = Tree::of(&[("ratchets/r.txt", "# why\n\na/b.rs  # soon\n12\n")]);
        assert_eq!(tree.ratchet("ratchets/r.txt"), [(3, "a/b.rs"), (4, "12")]);
        assert!(tree.ratchet("ratchets/absent.txt").is_empty());
    }

    #[test]
    fn without_git_the_same_files_are_found() {
        let root = crate::workspace::root().join("xtask");
        let found = found_in(&root, "").unwrap();
        assert!(found.contains(&"src/tidy/tree.rs".to_owned()));
    }
}
