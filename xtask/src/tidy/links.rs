//! Relative links in Markdown lead somewhere.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_extension("md") {
        let mut fence = None;
        for (line, number) in text.lines().zip(1..) {
            if toggles_fence(line, &mut fence) || fence.is_some() {
                continue;
            }
            for target in targets(&without_code(line)) {
                if !leads_somewhere(tree, path, target) {
                    let sentence = format!("the link to `{target}` leads nowhere");
                    findings.push(Finding::new(path, number, sentence));
                }
            }
        }
    }
    findings
}

/// Whether the line opens or closes a block of code.
fn toggles_fence(line: &str, fence: &mut Option<&'static str>) -> bool {
    let line = line.trim_start();
    let Some(mark) = ["```", "~~~"].into_iter().find(|mark| line.starts_with(mark)) else {
        return false;
    };
    match fence {
        None => *fence = Some(mark),
        Some(open) if *open == mark => *fence = None,
        Some(_) => return false,
    }
    true
}

/// The line without what stands between backticks.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    // An odd number of backticks: the last one opens nothing.
    let open = parts.len() - 1 - usize::from(parts.len().is_multiple_of(2));
    let is_text = |at: usize| at.is_multiple_of(2) || at > open;
    parts.iter().enumerate().filter(|(at, _)| is_text(*at)).map(|(_, part)| *part).collect()
}

/// The targets of `[text](target "title")`, `![image](target)` and `[label]: target`.
fn targets(line: &str) -> Vec<&str> {
    let inline = line.match_indices("](").filter_map(|(at, mark)| {
        let rest = &line[at + mark.len()..];
        match rest.strip_prefix('<') {
            Some(rest) => rest.split('>').next(),
            None => rest.split([')', ' ']).next(),
        }
    });
    let definition = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]:"))
        .filter(|(label, _)| !label.starts_with('^') && !label.contains(']'))
        .and_then(|(_, target)| target.split_whitespace().next());
    inline.chain(definition).collect()
}

fn leads_somewhere(tree: &Tree, from: &str, target: &str) -> bool {
    let file = target.split(['#', '?']).next().unwrap_or_default();
    // A place in the same file, another site, or an item of the documentation.
    let is_checked = !file.is_empty() && !file.contains(':');
    if !is_checked {
        return true;
    }
    let file = file.replace("%20", " ");
    let mut parts: Vec<&str> = match file.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => from.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect(),
    };
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return false;
                }
            }
            name => parts.push(name),
        }
    }
    tree.has(&parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let files = [("docs/adr/0001.md", text), ("docs/errors.md", ""), ("README.md", "")];
        check(&Tree::of(&files)).into_iter().map(|finding| finding.sentence).collect()
    }

    #[test]
    fn a_link_leads_to_a_file_or_a_folder() {
        let good = "[a](../errors.md#x) ![b](../../README.md \"t\") [c](/docs/) [d](<..>)\n\
                    [e]: ../errors.md\n[^1]: a note\n[f](#here) [g](https://example.test/x)\n";
        assert_eq!(found(good), [""; 0]);
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        assert_eq!(found("see [a](gone.md) and [b](../../../README.md)").len(), 2);
        assert_eq!(found("[e]: ../gone.md").len(), 1);
    }

    #[test]
    fn code_holds_no_links() {
        assert!(found("`[a](gone.md)`\n```\n[a](gone.md)\n```\n").is_empty());
        assert_eq!(found("```\n```\n[a](gone.md) `").len(), 1);
    }
}
