//! A text that a regular expression matches.

use regex_syntax::hir::{Class, Hir, HirKind};

/// The longest text, and so the most that `{1000}{1000}` comes to.
const CHARS_MAX: usize = 10_000;
/// The steps for one text: repetitions of nothing write nothing, and may be many.
const STEPS_MAX: usize = 50_000;
/// What is taken from a class, if it has any of it.
const FAMILIAR: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// A text that a pattern matches; other attempts take other branches and repeat more.
pub(super) fn example(pattern: &str, attempt: usize, nth: usize) -> Result<String, String> {
    let parsed =
        parse(pattern).ok_or_else(|| format!("the pattern {pattern} is not understood"))?;
    let mut writer = Writer { text: String::new(), steps: 0, attempt, nth };
    if writer.write(&parsed) {
        Ok(writer.text)
    } else {
        Err(format!("no short text is known that the pattern {pattern} matches"))
    }
}

/// Whether a pattern is about a name; one that is not understood is not.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let options = jsonschema::PatternOptions::regex();
    let schema = serde_json::json!({"pattern": pattern});
    let validator = jsonschema::options().with_pattern_options(options).build(&schema);
    validator.is_ok_and(|validator| validator.is_valid(&serde_json::json!(name)))
}

fn parse(pattern: &str) -> Option<Hir> {
    regex_syntax::ParserBuilder::new().nest_limit(50).build().parse(pattern).ok()
}

struct Writer {
    text: String,
    steps: usize,
    attempt: usize,
    nth: usize,
}

impl Writer {
    /// Writes what an expression matches; false where that is nothing, or too much.
    fn write(&mut self, expression: &Hir) -> bool {
        self.steps += 1;
        if self.steps > STEPS_MAX || self.text.len() > CHARS_MAX {
            return false;
        }
        match expression.kind() {
            // Where it must stand, the validator looks; most stand at the ends.
            HirKind::Empty | HirKind::Look(_) => true,
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0);
                self.text.push_str(text.unwrap_or_default());
                text.is_ok()
            }
            HirKind::Class(class) => {
                let found = self.of_class(class);
                self.text.extend(found);
                found.is_some()
            }
            HirKind::Repetition(repetition) => {
                let more = u32::try_from(self.attempt).unwrap_or(0);
                let times = repetition.min.saturating_add(more);
                let times = repetition.max.map_or(times, |max| times.min(max));
                (0..times).all(|_| self.write(&repetition.sub))
            }
            HirKind::Capture(capture) => self.write(&capture.sub),
            HirKind::Concat(parts) => parts.iter().all(|part| self.write(part)),
            HirKind::Alternation(branches) => {
                branches.get(self.attempt % branches.len()).is_some_and(|one| self.write(one))
            }
        }
    }

    fn of_class(&self, class: &Class) -> Option<char> {
        let ranges: Vec<(char, char)> = match class {
            Class::Unicode(class) => {
                class.ranges().iter().map(|range| (range.start(), range.end())).collect()
            }
            Class::Bytes(class) => class
                .ranges()
                .iter()
                .map(|range| (char::from(range.start()), char::from(range.end())))
                .collect(),
        };
        let holds = |c: &char| ranges.iter().any(|(from, to)| (from..=to).contains(&c));
        let familiar: Vec<char> = FAMILIAR.chars().filter(holds).collect();
        match familiar.len() {
            0 => ranges.first().map(|(from, _)| *from),
            count => familiar.get(self.nth % count).copied(),
        }
    }
}
