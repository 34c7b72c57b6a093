//! From a clause as it was written to a filter, or to every fault in it.

use serde_json::Value;
use tidings_kernel::FieldError;

use super::{
    CLAUSES_MAX, Clause, DEPTH_MAX, FIELD_CHARS_MAX, Node, PayloadFilter, TEXT_CHARS_MAX, Test,
    VALUES_MAX,
};

/// The most faults that are told at once.
const FAULTS_MAX: usize = 10;

/// The parts of a webhook's body that a field can begin with.
pub(super) const ENVELOPE: &[&str] = &[
    "actor",
    "cause",
    "custom_metadata",
    "data",
    "id",
    "livemode",
    "schema_version",
    "subject",
    "tenant_id",
    "timestamp",
    "type",
];

struct Compiler {
    clauses: usize,
    faults: Vec<FieldError>,
}

impl PayloadFilter {
    /// Checks a clause and compiles it. Faults are pointed at below `pointer`.
    pub fn compile(clause: &Clause, pointer: &str) -> Result<Self, Vec<FieldError>> {
        let mut compiler = Compiler { clauses: 0, faults: Vec::new() };
        let node = compiler.clause(clause, pointer, 1);
        match node {
            Some(node) if compiler.faults.is_empty() => Ok(Self(node)),
            _ => {
                compiler.faults.truncate(FAULTS_MAX);
                Err(compiler.faults)
            }
        }
    }

    /// Compiles a filter that was checked when it was stored. One that this version cannot read any
    /// more filters nothing: an event too many is better than one lost.
    pub fn stored(clause: &Clause) -> Option<Self> {
        Self::compile(clause, "").ok()
    }
}

impl Compiler {
    fn fault<T>(
        &mut self,
        pointer: &str,
        code: &'static str,
        text: impl Into<String>,
    ) -> Option<T> {
        self.faults.push(FieldError::new(pointer, code, text.into()));
        None
    }

    fn clause(&mut self, clause: &Clause, at: &str, depth: usize) -> Option<Node> {
        self.clauses += 1;
        if self.clauses == CLAUSES_MAX + 1 {
            return self.fault(
                at,
                "too_many",
                format!("a filter has at most {CLAUSES_MAX} clauses"),
            );
        }
        if self.clauses > CLAUSES_MAX || self.faults.len() >= FAULTS_MAX {
            return None;
        }
        if depth > DEPTH_MAX {
            let text =
                format!("groups stand at most {DEPTH_MAX} deep; put the clauses side by side");
            return self.fault(at, "too_deep", text);
        }
        let mut tests = tests(clause);
        let groups = usize::from(clause.all.is_some())
            + usize::from(clause.any.is_some())
            + usize::from(clause.not.is_some());
        match (groups, &clause.field, tests.len()) {
            (1, None, 0) => self.group(clause, at, depth),
            (0, Some(field), 1) => {
                let (name, test) = tests.pop()?;
                let field = self.field(field, &format!("{at}/field"));
                let test = self.test(test, &format!("{at}/{name}"));
                Some(Node::Test { field: field?, test: test? })
            }
            (0, Some(_), 0) => self.fault(
                at,
                "required",
                "a field needs one test: equals, in, contains, prefix, exists, less_than, at_most, \
                 greater_than or at_least",
            ),
            (0, Some(_), _) => self.fault(
                at,
                "ambiguous",
                "one clause has one test; join two with \"all\" or \"any\"",
            ),
            (0, None, 1..) => {
                self.fault(&format!("{at}/field"), "required", "say which field is tested")
            }
            (0, None, 0) => self.fault(
                at,
                "required",
                "a clause is a group (all, any or not) or a field with one test",
            ),
            (..) => self.fault(
                at,
                "ambiguous",
                "a clause is one group (all, any or not) or one field with its test, not both",
            ),
        }
    }

    fn group(&mut self, clause: &Clause, at: &str, depth: usize) -> Option<Node> {
        if let Some(part) = &clause.not {
            let node = self.clause(part, &format!("{at}/not"), depth + 1)?;
            return Some(Node::Not(Box::new(node)));
        }
        let (name, parts) = match (&clause.all, &clause.any) {
            (Some(parts), _) => ("all", parts),
            (None, Some(parts)) => ("any", parts),
            (None, None) => return None,
        };
        let at = format!("{at}/{name}");
        if parts.is_empty() {
            return self.fault(&at, "required", "a group has at least one clause");
        }
        let mut nodes = Vec::with_capacity(parts.len().min(CLAUSES_MAX));
        for (place, part) in parts.iter().enumerate().take(CLAUSES_MAX + 1) {
            nodes.extend(self.clause(part, &format!("{at}/{place}"), depth + 1));
        }
        Some(if name == "all" { Node::All(nodes) } else { Node::Any(nodes) })
    }

    fn field(&mut self, field: &str, at: &str) -> Option<Box<str>> {
        if field.chars().count() > FIELD_CHARS_MAX {
            let text = format!("a field has at most {FIELD_CHARS_MAX} characters");
            return self.fault(at, "too_long", text);
        }
        let Some(rest) = field.strip_prefix('/') else {
            let meant = format!("/{}", field.replace('.', "/"));
            let text = format!(
                "a field is a JSON pointer into the webhook's body; did you mean {meant:?}?"
            );
            return self.fault(at, "invalid", text);
        };
        let escaped = field.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !escaped {
            return self.fault(
                at,
                "invalid",
                "in a JSON pointer ~ is written ~0, and / inside a name ~1",
            );
        }
        let first = rest.split('/').next().unwrap_or_default();
        if !ENVELOPE.contains(&first) {
            let text = format!(
                "a webhook's body has no {first:?}; it has {}, and what an event tells is below /data",
                ENVELOPE.join(", ")
            );
            return self.fault(at, "unknown_value", text);
        }
        Some(Box::from(field))
    }

    fn test(&mut self, test: Test, at: &str) -> Option<Test> {
        match &test {
            Test::Equals(value) | Test::Contains(value) => self.scalar(value, at)?,
            Test::In(values) => {
                if !(1..=VALUES_MAX).contains(&values.len()) {
                    return self.fault(at, "out_of_range", format!("1 to {VALUES_MAX} values"));
                }
                for (place, value) in values.iter().enumerate() {
                    self.scalar(value, &format!("{at}/{place}"))?;
                }
            }
            Test::Prefix(prefix) => self.text(prefix, at)?,
            Test::Exists(_) => {}
            Test::LessThan(bound)
            | Test::AtMost(bound)
            | Test::GreaterThan(bound)
            | Test::AtLeast(bound) => match bound {
                Value::Number(_) => {}
                Value::String(limit) => self.text(limit, at)?,
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    return self.fault(at, "invalid", "only numbers and texts are more or less");
                }
            },
        }
        Some(test)
    }

    fn scalar(&mut self, value: &Value, at: &str) -> Option<()> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Some(()),
            Value::String(text) => self.text(text, at),
            Value::Array(_) | Value::Object(_) => self.fault(
                at,
                "invalid",
                "compare with a text, a number, true, false or null; test the parts of an object \
                 one by one",
            ),
        }
    }

    fn text(&mut self, text: &str, at: &str) -> Option<()> {
        if text.chars().count() > TEXT_CHARS_MAX {
            return self.fault(at, "too_long", format!("at most {TEXT_CHARS_MAX} characters"));
        }
        Some(())
    }
}

/// The tests that a clause asks for, by the name of their operator.
fn tests(clause: &Clause) -> Vec<(&'static str, Test)> {
    [
        clause.equals.clone().map(|value| ("equals", Test::Equals(value))),
        clause.r#in.clone().map(|values| ("in", Test::In(values))),
        clause.contains.clone().map(|value| ("contains", Test::Contains(value))),
        clause.prefix.as_deref().map(|prefix| ("prefix", Test::Prefix(Box::from(prefix)))),
        clause.exists.map(|wanted| ("exists", Test::Exists(wanted))),
        clause.less_than.clone().map(|bound| ("less_than", Test::LessThan(bound))),
        clause.at_most.clone().map(|bound| ("at_most", Test::AtMost(bound))),
        clause.greater_than.clone().map(|bound| ("greater_than", Test::GreaterThan(bound))),
        clause.at_least.clone().map(|bound| ("at_least", Test::AtLeast(bound))),
    ]
    .into_iter()
    .flatten()
    .collect()
}
