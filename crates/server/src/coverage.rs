//! Coverage: which of the promised events provably fire.
//!
//! A type counts as implemented only by the committed file that the last passing scenario run
//! wrote: `coverage-run.json` beside this file's crate. Nothing else can make a bar grow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidings_events::{EventType, ROLL, Visibility};

/// What the last passing scenario run wrote.
const RUN: &str = include_str!("../coverage-run.json");

/// What a scenario run proves of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proof {
    /// The scenario.
    pub scenario: String,
    /// Where the change is made: file and function.
    pub emitted_by: String,
}

/// One type of the roll, or of the catalog beyond it.
#[derive(Debug, Clone, Serialize)]
pub struct CoverageType {
    /// The name.
    pub event_type: String,
    /// Whether a passing scenario fires it.
    pub implemented: bool,
    /// The scenario.
    pub scenario: Option<String>,
    /// Where the change is made.
    pub emitted_by: Option<String>,
}

/// One category.
#[derive(Debug, Clone, Serialize)]
pub struct CoverageCategory {
    /// Its name.
    pub category: String,
    /// How many types it has.
    pub defined: usize,
    /// How many provably fire.
    pub implemented: usize,
    /// The types.
    pub types: Vec<CoverageType>,
}

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub struct Coverage {
    /// Types of the roll.
    pub defined: usize,
    /// Types of the roll that provably fire.
    pub implemented: usize,
    /// The categories of the roll.
    pub categories: Vec<CoverageCategory>,
    /// Delivered types beyond the roll.
    pub beyond: Vec<CoverageType>,
}

/// How many characters a bar has.
const BAR: usize = 40;

/// The part of the whole in per cent, rounded as the audit did.
pub fn percent(part: usize, whole: usize) -> usize {
    (100 * part + whole / 2) / whole.max(1)
}

/// The part of the whole as a bar.
pub fn bar(part: usize, whole: usize) -> String {
    let full = BAR * part / whole.max(1);
    "█".repeat(full) + &"░".repeat(BAR - full)
}

/// The coverage that the committed run proves.
pub fn coverage() -> Coverage {
    coverage_of(&serde_json::from_str(RUN).unwrap_or_default())
}

/// The coverage that a run proves.
fn coverage_of(run: &BTreeMap<String, Proof>) -> Coverage {
    let look = |name: &str| {
        // A proof of a type that has left the catalog proves nothing.
        let proof = run.get(name).filter(|_| EventType::find(name).is_some());
        CoverageType {
            event_type: name.to_owned(),
            implemented: proof.is_some(),
            scenario: proof.map(|proof| proof.scenario.clone()),
            emitted_by: proof.map(|proof| proof.emitted_by.clone()),
        }
    };
    let count = |types: &[CoverageType]| types.iter().filter(|one| one.implemented).count();
    let categories: Vec<CoverageCategory> = ROLL
        .iter()
        .map(|category| {
            let types: Vec<CoverageType> = category.types.iter().map(|name| look(name)).collect();
            CoverageCategory {
                category: category.name.to_owned(),
                defined: types.len(),
                implemented: count(&types),
                types,
            }
        })
        .collect();
    let on_roll = |name: &str| ROLL.iter().any(|category| category.types.contains(&name));
    let beyond = EventType::ALL
        .iter()
        .filter(|one| one.visibility() == Visibility::Public && !on_roll(one.name()))
        .map(|one| look(one.name()))
        .collect();
    Coverage {
        defined: categories.iter().map(|category| category.defined).sum(),
        implemented: categories.iter().map(|category| category.implemented).sum(),
        categories,
        beyond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_those_of_the_audit() {
        assert_eq!(
            [(11, 13), (2, 6), (16, 47), (48, 49)].map(|(a, b)| percent(a, b)),
            [85, 33, 34, 98]
        );
        assert_eq!(bar(3, 4), "█".repeat(30) + &"░".repeat(10));
    }

    #[test]
    fn only_a_proof_of_a_type_in_the_catalog_counts() {
        let proof = |scenario: &str| Proof {
            scenario: scenario.to_owned(),
            emitted_by: "somewhere".to_owned(),
        };
        let run = BTreeMap::from([
            ("customer.created".to_owned(), proof("a")),
            ("invoice.paid".to_owned(), proof("b")),
        ]);
        let coverage = coverage_of(&run);
        assert_eq!((coverage.defined, coverage.implemented), (49, 1));
    }
}
