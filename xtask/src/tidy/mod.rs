//! `cargo xtask tidy`: what neither the compiler nor clippy can see.
//!
//! A check is a function from the tree to findings; it reads nothing itself, so each is tested on
//! small invented trees. The last test runs all of them on the real one, so that `cargo test` finds
//! what CI finds.

mod arrows;
mod imports;
mod layout;
mod links;
mod mentions;
mod rust_text;
mod tenants;
mod tree;

use std::fmt;
use std::process::ExitCode;

use crate::workspace;
use tree::Tree;

/// Something to mend, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    sentence: String,
}

impl Finding {
    fn new(path: &str, line: usize, sentence: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, sentence: sentence.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.sentence)
    }
}

pub(crate) fn run() -> ExitCode {
    let tree = match Tree::read(&workspace::root()) {
        Ok(tree) => tree,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            return ExitCode::FAILURE;
        }
    };
    for warning in layout::growing_files(&tree) {
        eprintln!("warning: {warning}");
    }
    let findings = findings(&tree);
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("tidy: {} to mend", findings.len());
    ExitCode::FAILURE
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings = [
        arrows::check(tree),
        imports::check(tree),
        layout::check(tree),
        tenants::check(tree),
        mentions::check(tree),
        links::check(tree),
    ]
    .concat();
    findings.sort();
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let findings = findings(&Tree::read(&workspace::root()).unwrap());
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "\n{}\n", lines.join("\n"));
    }
}
