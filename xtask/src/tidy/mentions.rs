//! What no file should mention: hosts of package registries, and folders of somebody's machine.

use super::Finding;
use super::tree::Tree;

/// Registries are the business of cargo's configuration. Each host is written in two halves, because
/// this file is checked too.
const HOSTS: [(&str, &str); 9] = [
    ("crates", ".io"),
    ("npmjs", ".com"),
    ("npmjs", ".org"),
    ("nuget", ".org"),
    ("packagist", ".org"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("proxy.golang", ".org"),
    ("rubygems", ".org"),
];

/// Where people and build machines keep their checkouts. No path of ours begins so.
const FOLDERS: [(&str, &str); 6] = [
    ("/build", "s/"),
    ("/hom", "e/"),
    ("/roo", "t/"),
    ("/User", "s/"),
    ("/wor", "k/"),
    ("/work", "space/"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let hosts: Vec<String> = HOSTS.iter().map(|(head, tail)| format!("{head}{tail}")).collect();
    let folders: Vec<String> = FOLDERS.iter().map(|(head, tail)| format!("{head}{tail}")).collect();
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| !is_lock_file(path)) {
        for (line, number) in text.lines().zip(1..) {
            if let Some(host) = hosts.iter().find(|host| mentions_host(line, host)) {
                let sentence = format!("names the package registry host `{host}`");
                findings.push(Finding::new(path, number, sentence));
            }
            if let Some(folder) = folders.iter().find(|folder| mentions_folder(line, folder)) {
                let sentence = format!("names a folder of one machine, below `{folder}`");
                findings.push(Finding::new(path, number, sentence));
            }
        }
    }
    findings
}

fn is_lock_file(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| extension == "lock")
}

/// Whether the host, or a name below it, stands in the line as a whole.
fn mentions_host(line: &str, host: &str) -> bool {
    line.match_indices(host).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + host.len()..].chars().next();
        let continues = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !continues(before) && !continues(after)
    })
}

/// Whether an absolute path into the folder stands in the line; `a/home/b` and a URL's path are
/// none.
fn mentions_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric() && !"._-})>/*$~".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&Tree::of(&[("docs/a.md", text), ("Cargo.lock", text)])).len()
    }

    #[test]
    fn a_registry_host_is_found() {
        assert_eq!(found(&format!("see https://static.{}{}/x", "crates", ".io")), 1);
        assert_eq!(found(&format!("`{}{}`", "pypi", ".org")), 1);
        assert_eq!(found("crates/io, my-pypi.organization"), 0);
    }

    #[test]
    fn a_folder_of_a_machine_is_found() {
        assert_eq!(found(&format!("cd {}{}main", "/wor", "k/")), 1);
        assert_eq!(found(&format!("\"{}{}me/.cargo\"", "/hom", "e/")), 1);
        assert_eq!(found(&format!("https://example.test{}{}1", "/wor", "k/")), 0);
        assert_eq!(found("crates/home/src, $ROOT/work/x, /etc/hosts"), 0);
    }
}
