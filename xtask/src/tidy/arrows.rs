//! Which crate may depend on which.

use toml::{Table, Value};

use super::Finding;
use super::rust_text::tokens;
use super::tree::Tree;

/// The domains. They meet through ports and events, never as dependencies.
pub(super) const DOMAINS: [&str; 10] = [
    "analytics",
    "audit",
    "billing",
    "communications",
    "customers",
    "files",
    "identity",
    "ticketing",
    "transfer",
    "webhooks",
];

/// Crates that exist for tests: others may name them as dev-dependencies only.
const FOR_TESTS: [&str; 3] = ["fakes", "simulation", "testkit"];

/// The layers of ARCHITECTURE.md. An arrow goes to a lower layer or stays in its own; between
/// domains there is none. A crate that is not here yet has no layer.
fn layer(name: &str) -> Option<u8> {
    match name {
        "kernel" => Some(0),
        "vault" | "events" | "db" | "bus" | "egress" | "trace" => Some(1),
        "jobs" | "web" | "providers" | "client" => Some(2),
        "console" => Some(4),
        "server" => Some(5),
        "cli" => Some(6),
        name if DOMAINS.contains(&name) => Some(3),
        _ => None,
    }
}

/// A library that only some crates may name.
struct Confined {
    library: &'static [&'static str],
    allowed: fn(&str) -> bool,
    /// Whether dev-dependencies count as well.
    also_in_tests: bool,
    reason: &'static str,
}

const CONFINED: [Confined; 4] = [
    Confined {
        library: &["rusqlite", "tokio-postgres", "deadpool-postgres"],
        // The test kit makes and drops the databases that tests run on.
        allowed: |name| matches!(name, "db" | "testkit"),
        also_in_tests: true,
        reason: "only `db` knows an engine",
    },
    Confined {
        library: &["axum"],
        allowed: |name| {
            // `listen` and `demo` of the command line are receivers.
            matches!(name, "web" | "server" | "console" | "cli")
                || FOR_TESTS.contains(&name)
                || DOMAINS.contains(&name)
        },
        also_in_tests: false,
        reason: "routes live in `web`, `server`, `console` and the `api` modules of the domains",
    },
    Confined {
        library: &["hyper", "hyper-util", "hyper-rustls", "reqwest", "ureq"],
        allowed: |name| matches!(name, "egress" | "client" | "server") || FOR_TESTS.contains(&name),
        also_in_tests: false,
        reason: "dialling out goes through `egress`, which vets every address",
    },
    Confined {
        library: &["tokio", "futures-util", "async-trait"],
        allowed: |name| !is_without_async(name),
        also_in_tests: false,
        reason: "`kernel` and `events` decide; they wait for nothing",
    },
];

fn is_without_async(name: &str) -> bool {
    matches!(name, "kernel" | "events")
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_extension("toml") {
        let Some(name) = crate_of_manifest(path) else { continue };
        match text.parse::<Table>() {
            Ok(manifest) => {
                for dependency in dependencies(&manifest) {
                    let line = line_of(text, &dependency.key);
                    findings.extend(
                        objections(name, &dependency)
                            .into_iter()
                            .map(|sentence| Finding::new(path, line, sentence)),
                    );
                }
            }
            Err(error) => findings.push(Finding::new(path, 1, format!("is not TOML: {error}"))),
        }
    }
    for (path, text) in tree.with_extension("rs") {
        if crate_of_source(path).is_some_and(is_without_async) {
            findings.extend(tokens(text).iter().filter(|token| token.text == "async").map(
                |token| Finding::new(path, token.line, "`kernel` and `events` have no async"),
            ));
        }
    }
    findings
}

/// One line of a dependency table.
struct Dependency {
    key: String,
    package: String,
    for_tests: bool,
}

fn dependencies(manifest: &Table) -> Vec<Dependency> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut found = Vec::new();
    for table in std::iter::once(manifest).chain(tables) {
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let Some(entries) = table.get(section).and_then(Value::as_table) else { continue };
            for (key, value) in entries {
                let renamed = value.get("package").and_then(Value::as_str);
                found.push(Dependency {
                    key: key.clone(),
                    package: renamed.unwrap_or(key).to_owned(),
                    for_tests: section == "dev-dependencies",
                });
            }
        }
    }
    found
}

/// What is wrong with an arrow from the named crate.
fn objections(name: &str, dependency: &Dependency) -> Vec<String> {
    let mut objections = Vec::new();
    if let Some(target) = dependency.package.strip_prefix("tidings-")
        && !dependency.for_tests
    {
        if DOMAINS.contains(&name) && DOMAINS.contains(&target) {
            objections.push(format!(
                "`{name}` depends on `{target}`: domains meet through a port or an event"
            ));
        } else if FOR_TESTS.contains(&target) && !FOR_TESTS.contains(&name) {
            objections.push(format!("`{target}` is for tests: make it a dev-dependency"));
        } else if let (Some(from), Some(to)) = (layer(name), layer(target))
            && to > from
        {
            objections.push(format!(
                "`{name}` (layer {from}) depends on `{target}` (layer {to}) above it"
            ));
        }
    }
    for confined in &CONFINED {
        if confined.library.contains(&dependency.package.as_str())
            && !(confined.allowed)(name)
            && (confined.also_in_tests || !dependency.for_tests)
        {
            let package = &dependency.package;
            objections.push(format!("`{name}` may not name `{package}`: {}", confined.reason));
        }
    }
    objections
}

fn crate_of_manifest(path: &str) -> Option<&str> {
    let name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
    (!name.contains('/')).then_some(name)
}

fn crate_of_source(path: &str) -> Option<&str> {
    let (name, inside) = path.strip_prefix("crates/")?.split_once('/')?;
    inside.starts_with("src/").then_some(name)
}

/// The line on which a dependency is named first.
fn line_of(text: &str, key: &str) -> usize {
    let names = |line: &str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            || line.trim_end().ends_with(&format!("dependencies.{key}]"))
    };
    text.lines().position(names).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_domain_does_not_depend_on_a_domain() {
        let manifest = "[dependencies]\ntidings-kernel.workspace = true\n\
                        tidings-customers = { path = \"../customers\" }\n";
        let found = lines("crates/billing/Cargo.toml", manifest);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/billing/Cargo.toml:3: `billing` depends on"));
        let dev = manifest.replace("[dep", "[dev-dep");
        assert!(lines("crates/billing/Cargo.toml", &dev).is_empty());
    }

    #[test]
    fn arrows_point_down() {
        let upwards = "[dependencies]\ntidings-web.workspace = true\n";
        assert_eq!(lines("crates/db/Cargo.toml", upwards).len(), 1);
        assert!(lines("crates/billing/Cargo.toml", upwards).is_empty());
        assert!(lines("crates/later/Cargo.toml", upwards).is_empty());
        let kit = "[dependencies]\ntidings-testkit.workspace = true\n";
        assert_eq!(lines("crates/server/Cargo.toml", kit).len(), 1);
        assert!(lines("crates/server/Cargo.toml", &kit.replace("[dep", "[dev-dep")).is_empty());
    }

    #[test]
    fn an_engine_is_named_in_db_only() {
        let manifest = "[dev-dependencies]\nrusqlite.workspace = true\n";
        assert_eq!(lines("crates/billing/Cargo.toml", manifest).len(), 1);
        assert!(lines("crates/db/Cargo.toml", manifest).is_empty());
        let renamed = "[target.'cfg(unix)'.dependencies]\npg = { package = \"tokio-postgres\" }\n";
        assert_eq!(lines("crates/web/Cargo.toml", renamed).len(), 1);
        assert!(lines("crates/testkit/Cargo.toml", renamed).is_empty());
    }

    #[test]
    fn routes_and_dialling_have_their_crates() {
        let axum = "[dependencies]\naxum.workspace = true\n";
        assert_eq!(lines("crates/jobs/Cargo.toml", axum).len(), 1);
        assert!(lines("crates/billing/Cargo.toml", axum).is_empty());
        let hyper = "[dependencies.hyper]\nversion = \"1\"\n";
        let found = lines("crates/webhooks/Cargo.toml", hyper);
        assert!(found[0].starts_with("crates/webhooks/Cargo.toml:1: `webhooks` may not name"));
        assert!(lines("crates/egress/Cargo.toml", hyper).is_empty());
    }

    #[test]
    fn the_kernel_does_not_wait() {
        let tokio = "[dependencies]\ntokio.workspace = true\n";
        assert_eq!(lines("crates/kernel/Cargo.toml", tokio).len(), 1);
        assert!(lines("crates/db/Cargo.toml", tokio).is_empty());
        let source = "/// Not async.\npub async fn f() {}\n";
        assert_eq!(lines("crates/events/src/a.rs", source).len(), 1);
        assert!(lines("crates/db/src/a.rs", source).is_empty());
    }

    #[test]
    fn what_is_not_toml_is_said() {
        assert!(lines("crates/db/Cargo.toml", "[dependencies")[0].contains("is not TOML"));
    }
}
