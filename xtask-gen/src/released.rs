//! Schemas that were released, and so never change: `schemas/released.txt`.

use std::path::Path;

use crate::failure::Failure;
use crate::files::Files;
use crate::schemas;

/// The list; one line for each released version: type, version, SHA-256 of the file.
pub(crate) const LIST: &str = "schemas/released.txt";

/// One released version of a type's schema.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    event_type: String,
    version: u32,
    sha256: String,
}

impl Entry {
    fn path(&self) -> String {
        schemas::path(&self.event_type, self.version)
    }
}

/// Every released version of every type's schema.
#[derive(Debug, Default)]
pub(crate) struct Released(Vec<Entry>);

impl Released {
    pub(crate) fn read(root: &Path) -> Result<Self, Failure> {
        let file = root.join(LIST);
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Failure::refused("read", &file, &error))?;
        Self::parse(&text)
    }

    /// Reads the list: `#` begins a comment, an empty line says nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut entries = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let words: Vec<&str> =
                line.split('#').next().unwrap_or_default().split_whitespace().collect();
            let refused =
                || Failure::new(format!("{LIST}:{number}: a line is: type version sha256"));
            match words.as_slice() {
                [] => {}
                [event_type, version, sha256] => entries.push(Entry {
                    event_type: (*event_type).to_owned(),
                    version: version.parse().map_err(|_| refused())?,
                    sha256: (*sha256).to_owned(),
                }),
                _ => return Err(refused()),
            }
        }
        Ok(Self(entries))
    }

    /// Whether this is the file of a released version, which stays when the catalog has gone on.
    pub(crate) fn holds(&self, path: &str) -> bool {
        self.0.iter().any(|entry| entry.path() == path)
    }

    /// Compares each released version with what would be written, or with the committed file where
    /// the catalog has gone on to a later version.
    pub(crate) fn check(&self, root: &Path, files: &Files) -> Result<(), Failure> {
        let mut broken = Vec::new();
        for entry in &self.0 {
            let path = entry.path();
            let generated = files.text(&path).map(|text| text.as_bytes().to_vec());
            let Some(bytes) = generated.or_else(|| std::fs::read(root.join(&path)).ok()) else {
                broken.push(format!("{path}: was released and is not there any more"));
                continue;
            };
            if hex(&tidings_vault::sha256(&bytes)) != entry.sha256 {
                broken.push(format!(
                    "{path}: version {} of {} was released and may not change; give the payload a \
                     new version",
                    entry.version, entry.event_type
                ));
            }
        }
        if broken.is_empty() { Ok(()) } else { Err(Failure::new(broken.join("\n"))) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "schemas/events/invoice.paid/v1.json";

    fn files(text: &str) -> Files {
        let mut files = Files::default();
        files.add(PATH, text.to_owned());
        files
    }

    fn line(text: &str) -> String {
        format!("invoice.paid 1 {}  # 0.1.0\n", hex(&tidings_vault::sha256(text.as_bytes())))
    }

    #[test]
    fn a_released_schema_does_not_change() {
        let nowhere = Path::new("nowhere");
        let released = Released::parse(&line("{}\n")).unwrap();
        assert!(released.check(nowhere, &files("{}\n")).is_ok());
        let failure = released.check(nowhere, &files("{ }\n")).unwrap_err().to_string();
        assert!(failure.starts_with(PATH) && failure.contains("may not change"), "{failure}");
    }

    #[test]
    fn a_released_schema_does_not_vanish() {
        let released = Released::parse(&line("{}\n")).unwrap();
        let failure = released.check(Path::new("nowhere"), &Files::default()).unwrap_err();
        assert!(failure.to_string().contains("not there any more"));
        assert!(released.holds(PATH) && !released.holds("schemas/events/invoice.paid/v2.json"));
    }

    #[test]
    fn what_is_no_entry_is_refused_with_its_line() {
        assert!(Released::parse("# nothing yet\n\n").is_ok_and(|list| list.0.is_empty()));
        let failure = Released::parse("# types\ninvoice.paid one 00\n").unwrap_err();
        assert!(failure.to_string().starts_with("schemas/released.txt:2: "));
        assert!(Released::parse("invoice.paid 1\n").is_err());
    }
}
