//! What was found, for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Outcome;
use super::checks::Check;

/// How a check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should, with what came back.
    Passed(String),
    /// Not as it should, with what came back.
    Failed(String),
    /// It was not tried, because nothing answers.
    Skipped,
}

/// One line of the report.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) check: &'static Check,
    pub(super) verdict: Verdict,
    pub(super) outcomes: Vec<Outcome>,
}

impl Row {
    fn is_good(&self) -> bool {
        matches!(self.verdict, Verdict::Passed(_))
    }

    /// `pass`, `FAIL`, `warn` or `skip`.
    fn word(&self) -> &'static str {
        match (&self.verdict, self.check.required) {
            (Verdict::Passed(_), _) => "pass",
            (Verdict::Failed(_), true) => "FAIL",
            (Verdict::Failed(_), false) => "warn",
            (Verdict::Skipped, _) => "skip",
        }
    }
}

/// The whole report.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) url: &'a str,
    pub(super) rows: &'a [Row],
}

impl Report<'_> {
    fn required(&self) -> (usize, usize) {
        let required = || self.rows.iter().filter(|row| row.check.required);
        (required().filter(|row| row.is_good()).count(), required().count())
    }

    /// Whether every required check passed.
    pub(super) fn passed(&self) -> bool {
        let (passed, required) = self.required();
        passed == required
    }

    /// For people: a line for each check, the cure below what failed.
    pub(super) fn table(&self) -> String {
        let mut text = format!("conformance of {}\n\n", self.url);
        let width = self.rows.iter().map(|row| row.check.name.len()).max().unwrap_or_default();
        for row in self.rows {
            let Check { name, about, cure, .. } = row.check;
            let word = row.word();
            let _ = match &row.verdict {
                Verdict::Passed(said) => writeln!(text, "{word}  {name:width$}  {about}: {said}"),
                Verdict::Failed(said) => writeln!(
                    text,
                    "{word}  {name:width$}  {about}: {said}\n      {:width$}  → {cure}",
                    ""
                ),
                Verdict::Skipped => {
                    writeln!(text, "{word}  {name:width$}  {about}: not tried, nothing answers")
                }
            };
        }
        let (passed, required) = self.required();
        let warned = self.rows.iter().filter(|row| row.word() == "warn").count();
        let _ = write!(text, "\n{passed} of {required} required checks passed");
        let _ = match warned {
            0 => Ok(()),
            1 => write!(text, "; one recommendation is not met"),
            several => write!(text, "; {several} recommendations are not met"),
        };
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let (passed, required) = self.required();
        let checks: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let said = match &row.verdict {
                    Verdict::Passed(said) | Verdict::Failed(said) => Some(said),
                    Verdict::Skipped => None,
                };
                let statuses: Vec<Option<u16>> =
                    row.outcomes.iter().map(|outcome| outcome.status.clone().ok()).collect();
                json!({
                    "name": row.check.name,
                    "about": row.check.about,
                    "required": row.check.required,
                    "result": row.word().to_ascii_lowercase(),
                    "expected": row.check.expects.words(),
                    "statuses": statuses,
                    "duration_ms": row.outcomes.iter().map(milliseconds).sum::<u64>(),
                    "said": said,
                    "cure": (!row.is_good()).then_some(row.check.cure),
                })
            })
            .collect();
        json!({
            "url": self.url,
            "passed": self.passed(),
            "required_passed": passed,
            "required": required,
            "checks": checks,
        })
    }
}

fn milliseconds(outcome: &Outcome) -> u64 {
    u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX)
}
