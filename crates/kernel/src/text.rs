//! What a text that somebody sends may hold: one rule for every field of every domain.
//!
//! A control character has no place in a name: it cannot be seen, it moves the cursor of whoever
//! prints it, and PostgreSQL cannot store the first of them at all. Where a text has paragraphs, line
//! breaks and tabs are what makes them, and nothing else.

use crate::FieldError;

/// What is wrong with a text of one line at `pointer`: too long, or characters that cannot be seen.
#[must_use]
pub fn line(pointer: &str, text: &str, chars_max: usize) -> Option<FieldError> {
    let control = "it has control characters, such as a line break; leave them out";
    fault(pointer, text, chars_max, (char::is_control, control))
}

/// The same for a text that may have many lines: line breaks and tabs are fine.
#[must_use]
pub fn lines(pointer: &str, text: &str, chars_max: usize) -> Option<FieldError> {
    let control =
        "it has control characters; of these only \\n, which ends a line, and \\t are taken";
    let unseen = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    fault(pointer, text, chars_max, (unseen, control))
}

fn fault(
    pointer: &str,
    text: &str,
    chars_max: usize,
    (is_refused, told): (impl Fn(char) -> bool, &str),
) -> Option<FieldError> {
    if text.chars().count() > chars_max {
        let message = format!("at most {chars_max} characters");
        return Some(FieldError::new(pointer, "too_long", message));
    }
    text.chars().any(is_refused).then(|| FieldError::new(pointer, "invalid", told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_control_characters_and_lines_have_two_of_them() {
        for (text, in_a_line, in_lines) in [
            ("", None, None),
            ("Ada", None, None),
            ("Ἀδα 👩‍🚀", None, None),
            ("a\nb", Some("invalid"), None),
            ("a\tb", Some("invalid"), None),
            ("a\r\nb", Some("invalid"), Some("invalid")),
            ("\0", Some("invalid"), Some("invalid")),
            ("a\u{1b}[2J", Some("invalid"), Some("invalid")),
            ("a\u{7f}", Some("invalid"), Some("invalid")),
            ("a\u{85}b", Some("invalid"), Some("invalid")),
            ("eight characters", Some("too_long"), Some("too_long")),
        ] {
            let code = |fault: Option<FieldError>| fault.map(|fault| fault.code.into_owned());
            assert_eq!(code(line("/x", text, 8)).as_deref(), in_a_line, "{text:?}");
            assert_eq!(code(lines("/x", text, 8)).as_deref(), in_lines, "{text:?}");
        }
        assert_eq!(line("/x", "a\nb", 8).map(|fault| fault.pointer).as_deref(), Some("/x"));
    }
}
