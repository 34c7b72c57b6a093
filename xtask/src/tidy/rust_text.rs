//! Reading Rust just well enough to see which paths a file names.
//!
//! A real parser would be a large dependency for four rules. This one knows comments, literals and
//! nested `use` groups, and leaves out what is compiled for tests only.

/// A word or a mark of the source; literals and comments have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

impl Token<'_> {
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// A path such as `crate::store::invoices`, written out where a `use` group shortened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedPath<'a> {
    pub(super) segments: Vec<&'a str>,
    pub(super) line: usize,
}

/// The words and marks of a source text.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let (length, is_token) = if first.is_alphabetic() || first == '_' {
            match literal_with_prefix(rest) {
                Some(length) => (length, false),
                None => (word_length(rest), true),
            }
        } else if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (block_comment_length(rest), false)
        } else if first == '"' {
            (quoted_length(rest, '"'), false)
        } else if first == '\'' {
            (apostrophe_length(rest), false)
        } else if first.is_ascii_digit() {
            (word_length(rest), false)
        } else if rest.starts_with("::") {
            (2, true)
        } else {
            (first.len_utf8(), !first.is_whitespace())
        };
        let text = &rest[..length];
        if is_token {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        at += length;
    }
    tokens
}

fn word_length(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
}

/// The length of `b"…"`, `r#"…"#`, `br"…"`, `c"…"`, `b'…'`, if the text begins with one.
fn literal_with_prefix(rest: &str) -> Option<usize> {
    let prefix = &rest[..word_length(rest)];
    if !matches!(prefix, "b" | "c" | "r" | "br" | "cr") {
        return None;
    }
    let after = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        let body = after[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", &after[..hashes]);
        let length = body.find(&end).map_or(body.len(), |found| found + end.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    let quote = after.chars().next().filter(|c| *c == '"' || (*c == '\'' && prefix == "b"))?;
    Some(prefix.len() + quoted_length(after, quote))
}

/// The length of a literal with its quotes; a backslash hides what follows it.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut hidden = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if hidden => hidden = false,
            '\\' => hidden = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal, or the apostrophe and name of a lifetime.
fn apostrophe_length(rest: &str) -> usize {
    let mut following = rest.chars().skip(1);
    match (following.next(), following.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted_length(rest, '\''),
        _ => 1 + word_length(&rest[1..]),
    }
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The tokens without the items under `#[cfg(test)]`.
pub(super) fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        if rest.len() >= MARK.len() && rest.iter().zip(MARK).all(|(token, mark)| token.text == mark)
        {
            rest = &rest[MARK.len()..];
            rest = &rest[item_length(rest)..];
        } else {
            kept.push(first.clone());
            rest = &rest[1..];
        }
    }
    kept
}

/// How many tokens an item has: to its closing brace, or to its semicolon.
fn item_length(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                // `use a::{b, c};` ends with its semicolon, after the brace.
                let more = tokens.get(at + 1).is_some_and(|next| next.text == ";");
                if depth == 0 && token.text == "}" && !more {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Every path that the tokens name, also single words.
pub(super) fn paths<'a>(tokens: &[Token<'a>]) -> Vec<NamedPath<'a>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is_word() {
            at = read_path(tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads the path that begins at a word, with its groups, and gives where reading goes on.
fn read_path<'a>(
    tokens: &[Token<'a>],
    start: usize,
    prefix: &[&'a str],
    found: &mut Vec<NamedPath<'a>>,
) -> usize {
    let mut segments = prefix.to_vec();
    let mut at = start;
    loop {
        let line = tokens[at].line;
        // `{self, …}` names the path before the group.
        if segments.is_empty() || tokens[at].text != "self" {
            segments.push(tokens[at].text);
        }
        if tokens.get(at + 1).is_none_or(|token| token.text != "::") {
            found.push(NamedPath { segments, line });
            return at + 1;
        }
        match tokens.get(at + 2) {
            Some(token) if token.text == "{" => {
                return read_group(tokens, at + 3, &segments, found);
            }
            Some(token) if token.is_word() => {}
            // `crate::ports::*`, or the `<` of type arguments.
            _ => {
                found.push(NamedPath { segments, line });
                return at + 3;
            }
        }
        at += 2;
    }
}

fn read_group<'a>(
    tokens: &[Token<'a>],
    start: usize,
    prefix: &[&'a str],
    found: &mut Vec<NamedPath<'a>>,
) -> usize {
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        if token.text == "}" {
            return at + 1;
        }
        if token.text == "*" {
            found.push(NamedPath { segments: prefix.to_vec(), line: token.line });
        }
        at = match token.text {
            "as" => at + 2,
            _ if token.is_word() => read_path(tokens, at, prefix, found),
            _ => at + 1,
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> String {
        tokens(source).iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
    }

    fn named(source: &str) -> Vec<String> {
        paths(&without_tests(&tokens(source))).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn comments_and_literals_say_nothing() {
        assert_eq!(words("a // b\n/* c /* d */ e */ f"), "a f");
        assert_eq!(
            words(r##"x("a\"b", r#"c"d"#, b"e", 'f', '\'', b'"', 12usize) y"##),
            "x ( , , , , , , ) y"
        );
        assert_eq!(words("fn f<'a>(x: &'a str)"), "fn f < > ( x : & str )");
        assert_eq!(words("\"never closed"), "");
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let last = tokens("/*\n\n*/ \"\n\" r\"\n\"\nend").pop().unwrap();
        assert_eq!((last.text, last.line), ("end", 6));
    }

    #[test]
    fn groups_are_written_out() {
        assert_eq!(
            named("use crate::{store::{self, invoices as i}, ports::*};"),
            ["use", "crate::store", "crate::store::invoices", "crate::ports"]
        );
        assert_eq!(named("let x = ::axum::Router::<S>::new();")[2], "axum::Router");
    }

    #[test]
    fn items_for_tests_are_left_out() {
        let source =
            "use a; #[cfg(test)] use b::{c, d}; #[cfg(test)] mod tests { use e; fn f() {} } g";
        assert_eq!(named(source), ["use", "a", "g"]);
        let function = "#[cfg(test)] #[must_use] fn f(x: [u8; 4]) -> u8 { x[0] } g";
        assert_eq!(named(function), ["g"]);
    }
}
