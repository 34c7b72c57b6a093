//! What is done with hostile bytes: a function for every parser of something from outside.
//!
//! **The cast.** A [`Target`] is one parser with what must hold of its verdict. A *seed* is a file
//! below `fuzz/seeds/` that shows it what its input looks like, or once broke it. A [`Mutator`]
//! makes new inputs of seeds, the same ones for the same number.
//!
//! **The plot.** The tests of this crate run every target over its seeds and some thousand
//! mutations of them. `cargo xtask fuzz` runs the same functions under libFuzzer, guided by
//! coverage, for as long as one likes; what it finds becomes a seed.
//!
//! **The reasons.** That nothing panics is the least. Each target also says what a verdict means:
//! what was accepted can be used, is the same when it is read again, and no forgery is believed.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a target panics where the product is wrong; that is how it tells"
)]

mod mutator;
mod targets;

use std::path::PathBuf;

pub use mutator::Mutator;
pub use targets::TARGETS;

/// One parser, and what must hold of its verdict.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder of seeds.
    pub name: &'static str,
    /// Feeds it one input; panics where something is wrong.
    pub run: fn(&[u8]),
    /// Mutations in a run of all tests: fewer where one input is much work.
    pub rounds: u32,
}

impl Target {
    /// The target of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Its folder of seeds.
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(self.name)
    }

    /// The seeds with the names of their files, sorted; none where there is no folder.
    pub fn seeds(&self) -> Vec<(String, Vec<u8>)> {
        let Ok(entries) = std::fs::read_dir(self.folder()) else { return Vec::new() };
        let mut seeds: Vec<(String, Vec<u8>)> = entries
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (name, std::fs::read(&path).unwrap())
            })
            .collect();
        seeds.sort();
        seeds
    }
}
