//! The generated files, as they should be, and what is there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;
use crate::released::Released;

/// Says to whoever opens a page where it comes from.
pub(crate) const NOTICE: &str = "<!-- Written by `cargo xtask gen`. Do not edit. -->";

/// Folders that hold generated files and nothing else, so that one too many is found.
const OWN_FOLDERS: [&str; 3] = ["docs/events", "openapi", "schemas/events"];

/// Every generated file: its path from the root, with `/`, and its text.
#[derive(Debug, Default)]
pub(crate) struct Files(BTreeMap<String, String>);

/// A file that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// Its text is another.
    Stale(String),
    /// It is not there.
    Missing(String),
    /// Nothing generates it any more.
    LeftOver(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(path) => write!(f, "{path}: is not current"),
            Self::Missing(path) => write!(f, "{path}: is missing"),
            Self::LeftOver(path) => write!(f, "{path}: is left over; nothing generates it"),
        }
    }
}

impl Files {
    pub(crate) fn add(&mut self, path: impl Into<String>, text: String) {
        self.0.insert(path.into(), text);
    }

    /// Adds a JSON document with its keys sorted, whatever the features of the map behind it.
    pub(crate) fn add_json(&mut self, path: impl Into<String>, mut document: Value) {
        document.sort_all_objects();
        self.add(path, format!("{document:#}\n"));
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// What would have to be done for the tree to hold exactly these files, and released schemas.
    pub(crate) fn differences(
        &self,
        root: &Path,
        released: &Released,
    ) -> Result<Vec<Difference>, Failure> {
        let mut differences = Vec::new();
        for (path, wanted) in &self.0 {
            let file = root.join(path);
            match std::fs::read(&file) {
                Ok(found) if found == wanted.as_bytes() => {}
                Ok(_) => differences.push(Difference::Stale(path.clone())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    differences.push(Difference::Missing(path.clone()));
                }
                Err(error) => return Err(Failure::refused("read", &file, &error)),
            }
        }
        for folder in OWN_FOLDERS {
            let found = files_below(root, folder)?;
            differences.extend(
                found
                    .into_iter()
                    .filter(|path| !self.0.contains_key(path) && !released.holds(path))
                    .map(Difference::LeftOver),
            );
        }
        differences.sort();
        Ok(differences)
    }

    /// Makes the tree hold exactly these files, and gives the paths of those that it touched.
    pub(crate) fn write(&self, root: &Path, released: &Released) -> Result<Vec<String>, Failure> {
        let mut touched = Vec::new();
        for difference in self.differences(root, released)? {
            let (Difference::Stale(path) | Difference::Missing(path) | Difference::LeftOver(path)) =
                difference;
            let file = root.join(&path);
            match self.0.get(&path) {
                Some(text) => {
                    if let Some(folder) = file.parent() {
                        std::fs::create_dir_all(folder)
                            .map_err(|error| Failure::refused("make", folder, &error))?;
                    }
                    std::fs::write(&file, text)
                        .map_err(|error| Failure::refused("write", &file, &error))?;
                }
                None => std::fs::remove_file(&file)
                    .map_err(|error| Failure::refused("remove", &file, &error))?,
            }
            touched.push(path);
        }
        Ok(touched)
    }
}

/// The paths, from the root, of all files below a folder; none where there is no folder.
fn files_below(root: &Path, folder: &str) -> Result<Vec<String>, Failure> {
    let place = root.join(folder);
    let entries = match std::fs::read_dir(&place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::refused("list", &place, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Failure::refused("list", &place, &error))?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files_below(root, &path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_current_and_what_is_not_generated_is_removed() {
        let root = std::env::temp_dir().join(format!("xtask-gen-files-{}", std::process::id()));
        let old = "schemas/events/old.happened/v1.json";
        let kept = "schemas/events/kept.happened/v1.json";
        let mut before = Files::default();
        before.add(old, "{}".to_owned());
        before.add(kept, "{}".to_owned());
        before.add("docs/coverage.md", "one\n".to_owned());
        let none = Released::default();
        before.write(&root, &none).unwrap();
        assert_eq!(before.differences(&root, &none).unwrap(), []);

        let mut after = Files::default();
        after.add("docs/coverage.md", "two\n".to_owned());
        after.add("docs/events/README.md", "index\n".to_owned());
        let released = Released::parse("kept.happened 1 0000\n").unwrap();
        let differences = [
            Difference::Stale("docs/coverage.md".to_owned()),
            Difference::Missing("docs/events/README.md".to_owned()),
            Difference::LeftOver(old.to_owned()),
        ];
        assert_eq!(after.differences(&root, &released).unwrap(), differences);
        assert_eq!(after.write(&root, &released).unwrap().len(), 3);
        assert_eq!(after.differences(&root, &released).unwrap(), []);
        assert!(root.join(kept).exists() && !root.join(old).exists());
        std::fs::remove_dir_all(root).unwrap();
    }
}
