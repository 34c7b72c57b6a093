//! Which clause decided, and why: for whoever writes a filter.

use serde_json::Value;

use super::{Node, PayloadFilter, ReadBody, Test};

/// The longest value that is shown in a sentence, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// What one clause made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where the clause stands in the filter; empty for the filter itself.
    pub pointer: String,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in a sentence.
    pub reason: String,
}

/// What a filter made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the event is wanted.
    pub matches: bool,
    /// The clause that settled it: had it turned out otherwise, so might the filter.
    pub decided_by: Verdict,
    /// Every clause, in the order of the filter.
    pub clauses: Vec<Verdict>,
}

impl PayloadFilter {
    /// Evaluates every clause, and says which one decided.
    pub fn explain(&self, body: &ReadBody) -> Explanation {
        let Some(event) = &body.0 else {
            let reason = "the body holds a number that is too large to compare, so it passes";
            let verdict =
                Verdict { pointer: String::new(), holds: true, reason: reason.to_owned() };
            return Explanation { matches: true, decided_by: verdict, clauses: Vec::new() };
        };
        let mut clauses = Vec::new();
        let (matches, decisive) = judge(&self.0, "", event, &mut clauses);
        Explanation { matches, decided_by: clauses[decisive].clone(), clauses }
    }
}

/// Judges a clause and those below it. Gives whether it holds, and the place of the one that
/// decided.
fn judge(node: &Node, pointer: &str, event: &Value, told: &mut Vec<Verdict>) -> (bool, usize) {
    let place = told.len();
    told.push(Verdict { pointer: pointer.to_owned(), holds: false, reason: String::new() });
    let (holds, decisive, reason) = match node {
        Node::All(parts) => {
            let results = judge_each(parts, &format!("{pointer}/all"), event, told);
            match results.iter().position(|(holds, _)| !holds) {
                Some(failed) => {
                    (false, results[failed].1, format!("clause {failed} does not hold"))
                }
                None => (true, only(&results, place), "each of its clauses holds".to_owned()),
            }
        }
        Node::Any(parts) => {
            let results = judge_each(parts, &format!("{pointer}/any"), event, told);
            match results.iter().position(|(holds, _)| *holds) {
                Some(held) => (true, results[held].1, format!("clause {held} holds")),
                None => (false, only(&results, place), "none of its clauses holds".to_owned()),
            }
        }
        Node::Not(part) => {
            let (holds, decisive) = judge(part, &format!("{pointer}/not"), event, told);
            let reason = if holds { "its clause holds" } else { "its clause does not hold" };
            (!holds, decisive, reason.to_owned())
        }
        Node::Test { field, test } => {
            let found = event.pointer(field);
            (test.holds(found), place, reason(field, found, test))
        }
    };
    told[place].holds = holds;
    told[place].reason = reason;
    (holds, decisive)
}

fn judge_each(
    parts: &[Node],
    pointer: &str,
    event: &Value,
    told: &mut Vec<Verdict>,
) -> Vec<(bool, usize)> {
    let parts = parts.iter().enumerate();
    parts.map(|(place, part)| judge(part, &format!("{pointer}/{place}"), event, told)).collect()
}

/// Where all clauses of a group decide together, the group does; where there is one, that one.
fn only(results: &[(bool, usize)], group: usize) -> usize {
    match results {
        [(_, decisive)] => *decisive,
        _ => group,
    }
}

fn reason(field: &str, found: Option<&Value>, test: &Test) -> String {
    let found = match found {
        Some(value) => format!("is {}", shown(value)),
        None => "is not there".to_owned(),
    };
    let wanted = match test {
        Test::Equals(value) => format!("equals {}", shown(value)),
        Test::In(values) => format!("in {}", shown(&Value::Array(values.clone()))),
        Test::Contains(value) => format!("contains {}", shown(value)),
        Test::Prefix(prefix) => format!("prefix {prefix:?}"),
        Test::Exists(wanted) => format!("exists {wanted}"),
        Test::LessThan(bound) => format!("less_than {}", shown(bound)),
        Test::AtMost(bound) => format!("at_most {}", shown(bound)),
        Test::GreaterThan(bound) => format!("greater_than {}", shown(bound)),
        Test::AtLeast(bound) => format!("at_least {}", shown(bound)),
    };
    format!("{field} {found}; wanted: {wanted}")
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > SHOWN_CHARS_MAX {
        let cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
        return format!("{cut}…");
    }
    text
}
