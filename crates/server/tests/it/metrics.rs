//! `/metrics`: valid OpenMetrics, documented, and moved by what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use tidings_testkit::{Script, stories};

/// One family of metrics, as its page declares it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Declared {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

/// Splits `name{a="1",b="2"} 3` into its parts.
fn sample(line: &str) -> (&str, BTreeMap<&str, &str>, &str) {
    let (rest, value) = line.rsplit_once(' ').unwrap();
    let Some((name, labels)) = rest.split_once('{') else { return (rest, BTreeMap::new(), value) };
    let labels = labels.strip_suffix('}').unwrap();
    let mut pairs = BTreeMap::new();
    for pair in labels.split(',').filter(|pair| !pair.is_empty()) {
        let (label, quoted) = pair.split_once('=').unwrap();
        let value = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
        assert!(pairs.insert(label, value).is_none(), "{label} stands twice in {line}");
    }
    (name, pairs, value)
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    first && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// Which ends a sample of a kind may have.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total", "_created"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count", "_created"],
        other => panic!("{other} is no kind that is used here"),
    }
}

/// Reads a page as strictly as OpenMetrics 1.0 wants it, and gives what it declares.
fn read(page: &str) -> BTreeMap<String, Declared> {
    let body = page.strip_suffix("# EOF\n").expect("it ends with # EOF");
    let mut families: BTreeMap<String, Declared> = BTreeMap::new();
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    let mut cumulative: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for line in body.lines() {
        assert!(!line.is_empty() && line.trim() == line, "{line:?}");
        if let Some(meta) = line.strip_prefix("# ") {
            let (word, rest) = meta.split_once(' ').unwrap();
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            assert!(is_name(name), "{line}");
            let family = families.entry(name.to_owned()).or_default();
            match word {
                "HELP" => text.clone_into(&mut family.help),
                "TYPE" => text.clone_into(&mut family.kind),
                "UNIT" => assert!(name.ends_with(&format!("_{text}")), "{line}"),
                other => panic!("{other} is no word of OpenMetrics"),
            }
            name.clone_into(&mut current);
            continue;
        }
        let (name, labels, value) = sample(line);
        let family = families.get_mut(&current).expect("a family is declared before its samples");
        let end = name.strip_prefix(current.as_str()).expect("samples stand below their family");
        assert!(suffixes(&family.kind).contains(&end), "{line} is no {}", family.kind);
        assert!(seen.insert((name.to_owned(), format!("{labels:?}"))), "{line} stands twice");
        let value: f64 = value.parse().unwrap();
        assert!(family.kind == "gauge" || value >= 0.0, "{line}");
        if end == "_bucket" {
            let bound = labels["le"].replace("+Inf", "inf").parse::<f64>().unwrap();
            let series = format!(
                "{name}{:?}",
                labels.iter().filter(|(l, _)| **l != "le").collect::<Vec<_>>()
            );
            let before = cumulative.insert(series, (bound, value));
            let ordered =
                before.is_none_or(|(b, count)| (b < bound && count <= value) || b.is_infinite());
            assert!(ordered, "{line}");
        }
        for label in labels.keys().filter(|label| **label != "le") {
            assert!(is_name(label), "{line}");
            family.labels.insert((*label).to_owned());
        }
    }
    for (name, family) in &families {
        assert!(!family.kind.is_empty() && !family.help.is_empty(), "{name}");
        assert!(name.starts_with("tidings_"), "{name}");
        assert!(family.help.ends_with('.'), "{name}: {}", family.help);
    }
    families
}

/// The value of a sample.
fn value(page: &str, start: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("no {start} in {page}"))
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

/// Labels whose values are all known when the program is built. A tenant, an id or a text of a
/// caller's is no such value.
const LABELS: [&str; 12] = [
    "class",
    "fate",
    "lane",
    "operation",
    "phase",
    "pool",
    "problem",
    "reaction",
    "share",
    "status",
    "step",
    "task",
];

/// What `docs/metrics.md` must say of these families.
fn table(families: &BTreeMap<String, Declared>) -> String {
    let mut text = "| metric | kind | labels | what |\n|---|---|---|---|\n".to_owned();
    for (name, Declared { kind, help, labels }) in families {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let help = help.trim_end_matches('.');
        writeln!(text, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    text
}

stories! {
    async fn the_page_is_valid_and_moves_with_what_happens(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(500));
        let keyed = acme.client.with_header("idempotency-key", "one");
        let body = serde_json::json!({"email": "ada@example.com", "first_name": "Ada",
            "last_name": "Lovelace"});
        for _ in 0..2 {
            keyed.post("/api/v1/customers", &body).await.unwrap();
        }
        app.anonymous().get("/api/v1/customers").await.unwrap();
        app.settle().await;
        let page = app.app.probes.metrics().await;
        let families = read(&page);
        assert!(families.len() > 50, "only {} families", families.len());
        for family in families.values() {
            for label in &family.labels {
                assert!(LABELS.contains(&label.as_str()), "{label} may have any value");
            }
        }
        for value in [&acme.id, &hook.subscription_id, &hook.url(), "ten_", "whs_", "cus_", "evt_"] {
            assert!(!page.contains(value), "{value} is on the page");
        }
        for (start, expected) in [
            ("tidings_idempotent_replays_total", 1.0),
            ("tidings_http_refused_at_the_door_total{problem=\"unauthenticated\"}", 1.0),
            ("tidings_attempts_total{class=\"http\"}", 1.0),
            ("tidings_delivery_steps_total{step=\"waiting\"}", 1.0),
            ("tidings_deliveries_waiting", 1.0),
            ("tidings_deliveries_due ", 0.0),
            ("tidings_events_undispatched ", 0.0),
            ("tidings_events_unplaced ", 0.0),
            ("tidings_reaction_behind{reaction=\"webhooks.event_activity\"}", 0.0),
            ("tidings_slots_free", 512.0),
            ("tidings_lanes ", 1.0),
            ("tidings_breakers_open", 0.0),
            ("tidings_node_holds_lease", 1.0),
            ("tidings_database_looked_up", 1.0),
            ("tidings_loop_panics_total{task=\"dispatch\"}", 0.0),
        ] {
            assert!((value(&page, start) - expected).abs() < 0.1, "{start} in {page}");
        }
        for start in [
            "tidings_commit_seconds_count", "tidings_settle_batch_outcomes_count",
            "tidings_settle_wait_seconds_count", "tidings_attempt_seconds_count",
            "tidings_attempt_phase_seconds_count{phase=\"first_byte\"}",
            "tidings_loop_rounds_total{task=\"due\"}",
            "tidings_http_requests_total{operation=\"createCustomer\"",
        ] {
            assert!(value(&page, start) >= 1.0, "{start}");
        }
    }

    async fn a_retry_and_a_full_lane_are_counted(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver_with(
            serde_json::json!({"events": ["customer.created"], "rate_per_second": 1})).await;
        hook.then(Script::status(500));
        acme.customer("ada@example.com").await;
        acme.customer("grace@example.com").await;
        acme.customer("edsger@example.com").await;
        app.settle().await;
        for _ in 0..4 {
            app.advance(std::time::Duration::from_secs(10)).await;
        }
        let page = app.app.probes.metrics().await;
        assert!(value(&page, "tidings_retries_total") >= 1.0, "{page}");
        assert!(value(&page, "tidings_deliveries_overflowed_total") >= 1.0, "{page}");
        assert!((value(&page, "tidings_endpoints_paced") - 1.0).abs() < 0.1, "{page}");
    }

    async fn every_metric_is_documented_and_none_is_missing(app: &TestApp) {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
        let document = std::fs::read_to_string(&root).unwrap();
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        acme.customer("ada@example.com").await;
        app.anonymous().get("/api/v1/customers").await.unwrap();
        app.settle().await;
        assert_eq!(hook.verified().len(), 1);
        let expected = table(&read(&app.app.probes.metrics().await));
        let documented: BTreeSet<&str> =
            document.lines().filter(|line| line.starts_with("| `tidings_")).collect();
        for line in expected.lines().filter(|line| line.starts_with("| `tidings_")) {
            // A label shows with its first sample; which families have one depends on the engine.
            let bare = |line: &str| -> Vec<String> {
                let parts: Vec<&str> = line.split('|').map(str::trim).collect();
                [parts[1], parts[2], parts[4]].map(str::to_owned).to_vec()
            };
            let found = documented.iter().any(|known| bare(known) == bare(line));
            assert!(found, "docs/metrics.md lacks, or says differently:\n{line}\nall:\n{expected}");
        }
        for line in &documented {
            let name = line.split('`').nth(1).unwrap();
            assert!(expected.contains(&format!("| `{name}` |")), "{name} is documented and gone");
        }
    }
}
