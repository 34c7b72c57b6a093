//! Which file of a domain may name what: the table of ARCHITECTURE.md, section "A domain slice".

use super::Finding;
use super::arrows::DOMAINS;
use super::rust_text::{NamedPath, Token, paths, tokens, without_tests};
use super::tree::Tree;

/// What a file of a domain is for, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Commands,
    Store,
    Service,
    Api,
    Reactions,
    Jobs,
    /// The rest: the crate's root, errors, ports, and modules that only some domains have.
    Other,
}

/// Files beside the model that are none: they wire, name errors, describe needs, send, answer the door,
/// or hand parsers to the tests that feed them garbage.
const NOT_MODEL: [&str; 6] = ["authenticate", "error", "http", "lib", "parsers", "ports"];

/// The macro in which a route hands its verb to `commit`; all else of `db` is out of its reach.
const WORK_MACRO: &str = "tidings_db::work";

struct Rule {
    name: &'static str,
    must_not_name: &'static [&'static str],
    may_wait: bool,
}

impl Kind {
    fn of(tree: &Tree, domain: &str, inside: &str) -> Self {
        let (first, nested) = match inside.split_once('/') {
            Some((folder, _)) => (folder, true),
            None => (inside.trim_end_matches(".rs"), false),
        };
        match first {
            "commands" => Self::Commands,
            "store" => Self::Store,
            "service" => Self::Service,
            "api" => Self::Api,
            "reactions" => Self::Reactions,
            "jobs" => Self::Jobs,
            _ if nested || NOT_MODEL.contains(&first) => Self::Other,
            // The root of a module with files of its own, such as an engine.
            _ if has_files_of_its_own(tree, domain, first) => Self::Other,
            _ => Self::Model,
        }
    }

    fn rule(self) -> Rule {
        let (name, must_not_name, may_wait): (_, &[&str], _) = match self {
            Self::Model => (
                "a model file",
                &[
                    "axum",
                    "crate::api",
                    "crate::service",
                    "crate::store",
                    "std::time::Instant",
                    "std::time::SystemTime",
                    "tidings_bus",
                    "tidings_db",
                    "tidings_egress",
                    "tidings_jobs",
                    "tidings_kernel::Clock",
                    "tidings_kernel::time::Clock",
                    "tidings_web",
                    "tokio",
                ],
                false,
            ),
            Self::Commands => (
                "`commands`",
                &[
                    "axum",
                    "crate::api",
                    "crate::service",
                    "crate::store",
                    "tidings_db",
                    "tidings_web",
                ],
                false,
            ),
            Self::Store => (
                "`store`",
                &["axum", "crate::api", "crate::ports", "crate::service", "tidings_web"],
                true,
            ),
            Self::Service => (
                "`service`",
                &[
                    "axum",
                    "crate::api",
                    "deadpool_postgres",
                    "rusqlite",
                    "serde_json",
                    "tidings_web",
                    "tokio_postgres",
                ],
                true,
            ),
            Self::Api => ("`api`", &["crate::store", "tidings_db"], true),
            Self::Reactions => ("`reactions`", &["axum", "crate::store"], true),
            Self::Jobs => ("`jobs`", &["axum", "crate::store"], true),
            Self::Other => ("a file outside `api`", &["axum"], true),
        };
        Rule { name, must_not_name, may_wait }
    }
}

/// Schemas and data of a tenant's own event types are JSON: that is what these verbs are about.
const EXCEPTIONS: [(&str, &str); 4] = [
    ("crates/webhooks/src/service/custom_types.rs", "serde_json"),
    ("crates/webhooks/src/service/event_types.rs", "serde_json"),
    ("crates/webhooks/src/service/publish.rs", "serde_json"),
    ("crates/webhooks/src/service/schemas.rs", "serde_json"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.with_extension("rs")
        .filter_map(|(path, text)| {
            let (domain, inside) = path.strip_prefix("crates/")?.split_once("/src/")?;
            if !DOMAINS.contains(&domain) || is_test(inside) {
                return None;
            }
            let rule = Kind::of(tree, domain, inside).rule();
            Some(check_file(path, inside, text, &rule))
        })
        .flatten()
        .collect()
}

fn check_file(path: &str, inside: &str, text: &str, rule: &Rule) -> Vec<Finding> {
    let tokens: Vec<Token<'_>> = without_tests(&tokens(text));
    let mut findings = Vec::new();
    for named in paths(&tokens) {
        let full = absolute(&named, inside);
        let forbidden = rule.must_not_name.iter().find(|forbidden| begins_with(&full, forbidden));
        if let Some(forbidden) = forbidden
            && !begins_with(&full, WORK_MACRO)
            && !EXCEPTIONS.contains(&(path, forbidden))
        {
            let sentence = format!("{} must not name `{forbidden}`", rule.name);
            findings.push(Finding::new(path, named.line, sentence));
        }
    }
    if !rule.may_wait {
        findings.extend(
            tokens
                .iter()
                .filter(|token| token.text == "async")
                .map(|token| Finding::new(path, token.line, format!("{} has no async", rule.name))),
        );
    }
    findings
}

/// Whether a module has more in its folder than its tests.
fn has_files_of_its_own(tree: &Tree, domain: &str, module: &str) -> bool {
    let folder = format!("crates/{domain}/src/{module}/");
    tree.with_extension("rs")
        .filter_map(|(path, _)| path.strip_prefix(&folder))
        .any(|inside| !is_test(inside))
}

/// Tests in a file of their own may use everything, like those inside a file.
fn is_test(inside: &str) -> bool {
    inside.split(['/', '.']).any(|part| part == "tests")
}

/// The path from the root of its crate, where it began with `self` or `super`.
fn absolute<'a>(named: &NamedPath<'a>, inside: &'a str) -> Vec<&'a str> {
    let relative = named.segments.iter().take_while(|part| matches!(**part, "self" | "super"));
    let (climbs, skipped) = relative.fold((0, 0), |(climbs, skipped), part| {
        (climbs + usize::from(*part == "super"), skipped + 1)
    });
    if skipped == 0 {
        return named.segments.clone();
    }
    let file = inside.trim_end_matches(".rs");
    let mut module = vec!["crate"];
    module.extend(file.split('/').filter(|part| !matches!(*part, "mod" | "lib")));
    module.truncate(module.len().saturating_sub(climbs).max(1));
    module.extend(&named.segments[skipped..]);
    module
}

fn begins_with(path: &[&str], prefix: &str) -> bool {
    let mut parts = path.iter();
    prefix.split("::").all(|wanted| parts.next() == Some(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(inside: &str, text: &str) -> Vec<String> {
        let path = format!("crates/billing/src/{inside}");
        let engine = ("crates/billing/src/engine/send.rs", "");
        check(&Tree::of(&[(&path, text), engine, ("crates/billing/src/plan/tests.rs", "")]))
            .into_iter()
            .map(|finding| finding.sentence)
            .collect()
    }

    #[test]
    fn a_model_decides_and_does_nothing_else() {
        assert!(found("invoice.rs", "use tidings_kernel::{Change, Timestamp};").is_empty());
        assert_eq!(found("invoice.rs", "use tidings_db::Reader;").len(), 1);
        assert_eq!(found("invoice.rs", "fn f(c: &dyn tidings_kernel::Clock) {}").len(), 1);
        assert_eq!(found("invoice.rs", "pub async fn pay() {}").len(), 1);
        assert_eq!(found("plan.rs", "use tokio::time;").len(), 1);
        assert!(found("invoice.rs", "#[cfg(test)] mod tests { use tokio::test; }").is_empty());
    }

    #[test]
    fn commands_know_nothing_of_the_service() {
        assert!(found("commands.rs", "use serde::Deserialize; use crate::invoice::X;").is_empty());
        assert_eq!(found("commands.rs", "use crate::{error::E, service::Pay};").len(), 1);
        assert_eq!(found("commands/pay.rs", "use super::super::service::Pay;").len(), 1);
    }

    #[test]
    fn a_store_asks_no_port() {
        assert!(found("store/invoices.rs", "use tidings_db::Row; use super::payments;").is_empty());
        assert_eq!(found("store/invoices.rs", "use super::super::ports::Gateway;").len(), 1);
        assert_eq!(found("store.rs", "use super::ports::Gateway;").len(), 1);
    }

    #[test]
    fn a_service_speaks_neither_http_nor_json() {
        assert!(
            found("service/pay.rs", "use tidings_db::UnitOfWork; use crate::store;").is_empty()
        );
        assert_eq!(found("service/pay.rs", "let x = serde_json::json!({});").len(), 1);
        assert_eq!(found("service/pay.rs", "use axum::Json;").len(), 1);
    }

    #[test]
    fn a_route_does_not_touch_the_database() {
        assert!(found("api/invoices.rs", "use axum::Json; use crate::commands::Pay;").is_empty());
        assert!(found("api/invoices.rs", "use tidings_db::work;").is_empty());
        assert_eq!(found("api/invoices.rs", "use crate::store::invoices;").len(), 1);
        assert_eq!(found("api/mod.rs", "use super::store::invoices;").len(), 1);
        assert_eq!(found("api/invoices.rs", "fn f(r: &tidings_db::Reader) {}").len(), 1);
    }

    #[test]
    fn reactions_and_jobs_call_services() {
        for file in ["reactions.rs", "jobs.rs", "jobs/dunning.rs"] {
            assert!(found(file, "use crate::service;").is_empty());
            assert_eq!(found(file, "use crate::store::invoices;").len(), 1);
        }
    }

    #[test]
    fn only_routes_name_axum() {
        assert_eq!(found("lib.rs", "use axum::Router;").len(), 1);
        assert_eq!(found("engine.rs", "use axum::Router;").len(), 1);
        assert!(found("engine.rs", "use tokio::time; async fn f() {}").is_empty());
        assert!(found("api.rs", "use axum::Router;").is_empty());
    }

    #[test]
    fn other_crates_and_tests_have_no_table() {
        let text = "use tidings_db::Reader;";
        assert!(check(&Tree::of(&[("crates/jobs/src/runner.rs", text)])).is_empty());
        assert!(found("invoice/tests.rs", text).is_empty());
    }
}
