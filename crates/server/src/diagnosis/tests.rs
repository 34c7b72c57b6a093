//! Facts, and the findings that they mean.

use std::time::Duration;

use tidings_bus::Beat;
use tidings_jobs::{JobReport, Lag, Parked};
use tidings_kernel::{NodeId, TenantId, Timestamp, Uuid, WebhookSubscriptionId};
use tidings_webhooks::stuck::{Sends, StuckEndpoint};
use tidings_webhooks::{Backlog, NodeSeen};

use super::diagnosis;
use super::facts::{Disk, Facts};
use super::finding::Severity;

const GIBIBYTE: u64 = 1024 * 1024 * 1024;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn node(name: &str, alive_until: i64, is_fenced: bool) -> NodeSeen {
    NodeSeen {
        id: NodeId::from_uuid(Uuid::nil()),
        name: name.to_owned(),
        started_at: at(0),
        alive_until: at(alive_until),
        is_fenced,
    }
}

/// A PostgreSQL server that runs and lacks nothing, at second 100,000.
fn well() -> Facts {
    let nodes = vec![node("here", 100_003, false)];
    Facts {
        now: at(100_000),
        lease_now: at(100_000),
        engine_name: "postgres",
        is_server: false,
        backlog: Backlog {
            pointers: 0,
            oldest_pointer: None,
            waiting: 0,
            next_due: None,
            due: 0,
            due_since: None,
            nodes,
        },
        lag: Lag { reactions: vec![("activity", 3)], ..Lag::default() },
        parked: Vec::new(),
        parked_counts: Vec::new(),
        schedules: vec![schedule(None)],
        unheld_leases: Vec::new(),
        stuck: Vec::new(),
        live: None,
        beats: Vec::new(),
        disk: Some(Disk { free_bytes: 500 * GIBIBYTE, total_bytes: 1_000 * GIBIBYTE }),
        log_bytes: Some(1024),
        server_clock: Some((at(100_000), at(100_001))),
        root_key_fits: Some(true),
    }
}

fn schedule(error: Option<&str>) -> JobReport {
    JobReport {
        name: "tidy".to_owned(),
        every: Duration::from_mins(10),
        due_at: at(99_990),
        last_started_at: None,
        last_ended_at: Some(at(99_000)),
        last_error: error.map(str::to_owned),
    }
}

fn parked(is_event: bool) -> Parked {
    Parked {
        tenant_id: TenantId::from_uuid(Uuid::from_u128(1)),
        id: "job_1".to_owned(),
        name: "mail".to_owned(),
        since: at(90_000),
        error: Some("it is meant to".to_owned()),
        is_event,
    }
}

fn stuck(homeless: i64) -> StuckEndpoint {
    StuckEndpoint {
        tenant_id: TenantId::from_uuid(Uuid::from_u128(1)),
        subscription_id: WebhookSubscriptionId::from_uuid(Uuid::from_u128(2)),
        waiting: 2,
        due: 1,
        oldest_at: at(5),
        soonest_at: at(6),
        ordered: 0,
        homeless,
        elsewhere: 0,
        holder: None,
        error: Some("refused".to_owned()),
        sends: Sends::Yes,
        rate_per_second: None,
        failing_since: Some(at(7)),
    }
}

fn beat(age: u64) -> Beat {
    let age = Duration::from_secs(age);
    Beat { name: "settle", age, waits_for: "the database", rounds: 9, restarts: 0, panics: 0 }
}

/// What is changed of facts that are well, and the code that it gives.
type Case = (&'static str, fn(&mut Facts));

const PROBLEMS: [Case; 17] = [
    ("root_key_differs", |facts| facts.root_key_fits = Some(false)),
    ("clock_skew", |facts| facts.server_clock = Some((at(100_000), at(100_003)))),
    ("clock_skew", |facts| facts.server_clock = Some((at(100_003), at(100_000)))),
    ("disk_short", |facts| {
        facts.disk = Some(Disk { free_bytes: GIBIBYTE, total_bytes: 1_000 * GIBIBYTE });
    }),
    ("disk_short", |facts| {
        facts.disk = Some(Disk { free_bytes: 200 * 1024 * 1024, total_bytes: GIBIBYTE });
    }),
    ("log_large", |facts| facts.log_bytes = Some(GIBIBYTE)),
    ("loop_late", |facts| facts.beats = vec![beat(1), beat(31)]),
    ("no_server", |facts| {
        facts.backlog.nodes.clear();
        facts.backlog.due = 1;
        facts.backlog.due_since = Some(at(9));
    }),
    ("lease_unheld", |facts| facts.unheld_leases = vec![("sequencer".to_owned(), at(10))]),
    ("node_silent", |facts| {
        facts.backlog.nodes.push(node("gone", 99_000, false));
    }),
    ("undispatched", |facts| {
        facts.backlog.pointers = 3;
        facts.backlog.oldest_pointer = Some(at(99_000));
    }),
    ("sequencer_behind", |facts| {
        facts.lag.unplaced = 7;
        facts.lag.oldest_unplaced = Some(at(99_000));
    }),
    ("reaction_behind", |facts| facts.lag.reactions = vec![("activity", 10_001)]),
    ("schedule_failed", |facts| facts.schedules = vec![schedule(Some("it is meant to"))]),
    ("schedule_late", |facts| facts.schedules[0].due_at = at(90_000)),
    ("job_parked", |facts| facts.parked = vec![parked(false)]),
    ("deliveries_without_node", |facts| facts.stuck = vec![stuck(1)]),
];

#[test]
fn nothing_is_found_where_all_is_well() {
    let diagnosis = diagnosis(&well());
    assert!(diagnosis.is_well && diagnosis.server_runs, "{diagnosis:?}");
    assert_eq!(diagnosis.findings, []);
}

#[test]
fn each_problem_is_told_with_reason_and_remedy() {
    for (code, change) in PROBLEMS {
        let mut facts = well();
        change(&mut facts);
        let diagnosis = diagnosis(&facts);
        let [finding] = &diagnosis.findings[..] else { panic!("{code}: {diagnosis:?}") };
        assert_eq!((finding.code, diagnosis.is_well), (code, false));
        assert_eq!(finding.severity, Severity::Problem);
        for text in [&finding.what, &finding.why, &finding.action] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{finding:?}");
        }
    }
}

#[test]
fn problems_stand_before_notices_which_are_no_fault_of_the_installation() {
    let mut facts = well();
    facts.stuck = vec![stuck(0)];
    let notice = diagnosis(&facts);
    assert!(notice.is_well, "{notice:?}");
    assert_eq!(notice.findings[0].code, "endpoint_failing");
    assert!(notice.findings[0].why.contains("refused"), "{notice:?}");
    facts.parked = vec![parked(true)];
    let codes: Vec<_> = diagnosis(&facts).findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["event_parked", "endpoint_failing"]);
}

#[test]
fn what_is_on_its_way_is_no_problem_yet() {
    let mut facts = well();
    facts.backlog.pointers = 3;
    facts.backlog.oldest_pointer = Some(at(99_970));
    facts.lag.unplaced = 3;
    facts.lag.oldest_unplaced = Some(at(99_970));
    facts.beats = vec![beat(29)];
    assert_eq!(diagnosis(&facts).findings, []);
    // A silent node that was fenced has ended, and a stopped server with nothing to do is stopped.
    facts.backlog.nodes = vec![node("gone", 99_000, true)];
    facts.backlog.pointers = 0;
    let stopped = diagnosis(&facts);
    assert!(stopped.is_well && !stopped.server_runs);
    assert_eq!(stopped.nodes[0].state, "ended");
}
