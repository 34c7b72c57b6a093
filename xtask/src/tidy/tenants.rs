//! Statements that touch everybody's rows, and statements that the engines cannot say alike.

use super::Finding;
use super::rust_text::{Token, tokens};
use super::tree::Tree;

const ACROSS_TENANTS: &str = "ratchets/across-tenants.txt";
const FORKS: &str = "ratchets/forks.txt";

/// The kinds of statement that `statements!` knows.
const KINDS: [&str; 4] = ["bulk", "command", "insert", "query"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    [across_tenants(tree), forks(tree)].concat()
}

fn across_tenants(tree: &Tree) -> Vec<Finding> {
    let listed = tree.ratchet(ACROSS_TENANTS);
    let mut findings = Vec::new();
    let mut settled = listed.clone();
    for (path, text) in tree.with_extension("rs") {
        let lines = declarations(&tokens(text), "across");
        if !lines.is_empty() {
            settled.retain(|(_, entry)| *entry != path);
        }
        if !listed.iter().any(|(_, entry)| *entry == path) {
            findings.extend(lines.into_iter().map(|line| {
                let sentence = format!(
                    "a statement across tenants: filter by `tenant_id`, or list the file in \
                     {ACROSS_TENANTS} and say why"
                );
                Finding::new(path, line, sentence)
            }));
        }
    }
    findings.extend(settled.into_iter().map(|(line, entry)| {
        let sentence = format!("`{entry}` has no statement across tenants: strike it off");
        Finding::new(ACROSS_TENANTS, line, sentence)
    }));
    findings
}

fn forks(tree: &Tree) -> Vec<Finding> {
    let allowed = tree.ratchet(FORKS);
    let (line, forks_max) = match allowed.as_slice() {
        [] => (1, 0),
        [(line, number)] => match number.parse() {
            Ok(number) => (*line, number),
            Err(_) => return vec![Finding::new(FORKS, *line, "holds one number")],
        },
        [_, (line, _), ..] => return vec![Finding::new(FORKS, *line, "holds one number")],
    };
    let found: Vec<(&str, usize)> = tree
        .with_extension("rs")
        .flat_map(|(path, text)| {
            declarations(&tokens(text), "forked").into_iter().map(move |line| (path, line))
        })
        .collect();
    if found.len() == forks_max {
        return Vec::new();
    }
    let count = found.len();
    if count < forks_max {
        let sentence = format!("{count} statements are forked: write {count}, so that it stays");
        return vec![Finding::new(FORKS, line, sentence)];
    }
    found
        .into_iter()
        .map(|(path, line)| {
            let sentence = format!(
                "one of {count} forked statements, and {FORKS} allows {forks_max}: say it once \
                 for both engines"
            );
            Finding::new(path, line, sentence)
        })
        .collect()
}

/// The lines of declarations such as `forked across query NAME` that carry the given word. The macro
/// that defines them has a `$name` where a declaration has its name.
fn declarations(tokens: &[Token<'_>], word: &str) -> Vec<usize> {
    let is_modifier = |token: &Token<'_>| matches!(token.text, "across" | "forked");
    let is_declaration = |at: usize| {
        let kind = at + tokens[at..].iter().take_while(|token| is_modifier(token)).count();
        tokens.get(kind).is_some_and(|token| KINDS.contains(&token.text))
            && tokens.get(kind + 1).is_some_and(Token::is_word)
    };
    (0..tokens.len())
        .filter(|at| tokens[*at].text == word && is_declaration(*at))
        .map(|at| tokens[at].line)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "\
//! An across query FIRST in a comment.
statements! {
    query GET = \"SELECT across query X\";
    across query DUE = \"…\";
    forked across query CLAIM = \"…\", \"…\";
}
";

    fn lines(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files))
            .iter()
            .map(|found| format!("{}:{}", found.path, found.line))
            .collect()
    }

    #[test]
    fn a_statement_across_tenants_is_in_a_listed_file() {
        let forks = (FORKS, "1");
        assert_eq!(lines(&[("s.rs", STORE), forks]), ["s.rs:4", "s.rs:5"]);
        assert!(lines(&[("s.rs", STORE), forks, (ACROSS_TENANTS, "s.rs # all due\n")]).is_empty());
    }

    #[test]
    fn the_list_of_files_only_shrinks() {
        let settled = [("s.rs", "query GET = \"…\";"), (ACROSS_TENANTS, "s.rs\n")];
        assert_eq!(lines(&settled), ["ratchets/across-tenants.txt:1"]);
    }

    #[test]
    fn forks_are_counted_and_their_number_only_shrinks() {
        let listed = (ACROSS_TENANTS, "s.rs");
        assert_eq!(lines(&[("s.rs", STORE), listed, (FORKS, "0")]), ["s.rs:5"]);
        assert_eq!(lines(&[("s.rs", STORE), listed]), ["s.rs:5"]);
        assert_eq!(
            lines(&[("s.rs", STORE), listed, (FORKS, "# now\n2")]),
            ["ratchets/forks.txt:2"]
        );
        assert_eq!(lines(&[(FORKS, "few")]), ["ratchets/forks.txt:1"]);
    }

    #[test]
    fn the_macro_itself_declares_nothing() {
        let pattern = "(@munch across query $name:ident = $text:expr;) => {}; fn forked(x: u8) {}";
        assert!(lines(&[("statement.rs", pattern)]).is_empty());
    }
}
