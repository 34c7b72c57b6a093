//! From facts to findings: what is the case, since when, why, and what to do.

use std::time::Duration;

use tidings_bus::{LATE_AFTER, late};
use tidings_webhooks::NodeSeen;

use super::endpoints::endpoint;
use super::facts::Facts;
use super::finding::Finding;

/// An event that is not fanned out, or has no position, after this is stuck.
pub(super) const STUCK_AFTER: Duration = Duration::from_mins(1);
/// A schedule that has not run this long after it was due is late.
const SCHEDULE_LATE: Duration = Duration::from_mins(5);
/// A reaction that is behind by so many events does not keep up.
const BEHIND_MAX: i64 = 10_000;
/// Below this share of the disk, in percent, or below so many bytes, space is short.
const DISK_PERCENT_MIN: u64 = 5;
const DISK_BYTES_MIN: u64 = 256 * 1024 * 1024;
/// Twice the size at which the writer truncates the log by itself.
const LOG_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// A clock that differs by more makes instants and signatures wrong: receivers allow five minutes.
const SKEW_MAX: Duration = Duration::from_secs(2);

/// Whether a server lives on this database.
pub(super) fn server_runs(facts: &Facts) -> bool {
    let lives = |node: &NodeSeen| !node.is_fenced && node.alive_until >= facts.lease_now;
    facts.is_server || facts.backlog.nodes.iter().any(lives)
}

/// Everything that is stuck or wrong, problems first.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    root_key(facts, &mut findings);
    clock(facts, &mut findings);
    disk(facts, &mut findings);
    loops(facts, &mut findings);
    nodes(facts, &mut findings);
    dispatch(facts, &mut findings);
    sequencer(facts, &mut findings);
    schedules(facts, &mut findings);
    parked(facts, &mut findings);
    findings.extend(facts.stuck.iter().map(|stuck| endpoint(stuck, facts)));
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn root_key(facts: &Facts, findings: &mut Vec<Finding>) {
    if facts.root_key_fits == Some(false) {
        findings.push(
            Finding::problem("root_key_differs", "the root key does not open what is stored")
                .because("the database was sealed with another root key")
                .do_this(
                    "give this node the root.key of the installation's first node, or \
                     TIDINGS_ROOT_KEY; from a backup, if it is lost",
                ),
        );
    }
}

fn clock(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some((server, ours)) = facts.server_clock else { return };
    let skew = server.since(ours).max(ours.since(server));
    if skew > SKEW_MAX {
        let way = if ours > server { "ahead of" } else { "behind" };
        findings.push(
            Finding::problem(
                "clock_skew",
                format!("this machine's clock is {skew:?} {way} the database server's"),
            )
            .because("one of the two is not kept by a time service")
            .do_this("set both clocks by NTP: receivers refuse signatures that are too old or new"),
        );
    }
}

fn disk(facts: &Facts, findings: &mut Vec<Finding>) {
    if let Some(disk) = facts.disk {
        let least = (disk.total_bytes / 100 * DISK_PERCENT_MIN).min(8 * DISK_BYTES_MIN);
        if disk.free_bytes < least.max(DISK_BYTES_MIN) {
            let mebibytes = disk.free_bytes / (1024 * 1024);
            findings.push(
                Finding::problem("disk_short", format!("{mebibytes} MiB are left on the disk"))
                    .because("the database, its log and other files fill it")
                    .do_this("make room: a database that cannot grow refuses every change"),
            );
        }
    }
    if let Some(bytes) = facts.log_bytes.filter(|bytes| *bytes > LOG_BYTES_MAX) {
        let mebibytes = bytes / (1024 * 1024);
        findings.push(
            Finding::problem("log_large", format!("SQLite's write-ahead log has {mebibytes} MiB"))
                .because("a reader that never ends keeps it from being copied back")
                .do_this("look for a backup or a tool that has the database open, and end it"),
        );
    }
}

fn loops(facts: &Facts, findings: &mut Vec<Finding>) {
    for beat in late(facts.beats.clone(), LATE_AFTER) {
        findings.push(
            Finding::problem(
                "loop_late",
                format!("the loop {} has not gone round for {} s", beat.name, beat.age.as_secs()),
            )
            .about(beat.name)
            .since(facts.now.before(beat.age))
            .because(format!("it waits for {}", beat.waits_for))
            .do_this("look at the log and the database; after a minute the process ends by itself"),
        );
    }
    if facts.live.as_ref().is_some_and(|live| !live.holds_lease) {
        findings.push(
            Finding::problem("lease_lost", "this node sends nothing")
                .because("it could not tell the database for two seconds that it lives")
                .do_this("look at the connection to the database; it goes on by itself"),
        );
    }
}

fn nodes(facts: &Facts, findings: &mut Vec<Finding>) {
    if !server_runs(facts) {
        let backlog = &facts.backlog;
        if backlog.pointers + backlog.due > 0 {
            let oldest = [backlog.oldest_pointer, backlog.due_since].into_iter().flatten().min();
            let finding = Finding::problem(
                "no_server",
                format!(
                    "{} events and {} deliveries wait, and no server runs",
                    backlog.pointers, backlog.due
                ),
            )
            .because("no node has said that it lives")
            .do_this("start one: tidings serve");
            findings.push(Finding { since: oldest, ..finding });
        }
        return;
    }
    for (name, until) in &facts.unheld_leases {
        findings.push(
            Finding::problem("lease_unheld", format!("nobody does the work of {name}"))
                .about(name)
                .since(*until)
                .because("the node that did it is gone, and no living one has taken its place")
                .do_this("look at the logs of the living nodes; restart one of them"),
        );
    }
    for NodeSeen { name, alive_until, is_fenced, .. } in &facts.backlog.nodes {
        let silent = alive_until.after(STUCK_AFTER) < facts.lease_now;
        if !is_fenced && silent && facts.engine_name == "postgres" {
            findings.push(
                Finding::problem("node_silent", format!("{name} is silent and not fenced"))
                    .about(name)
                    .since(*alive_until)
                    .because("the other nodes should have fenced it after three seconds")
                    .do_this("look at the logs of the living nodes: their heartbeats may fail"),
            );
        }
    }
}

fn dispatch(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(oldest) = facts.backlog.oldest_pointer else { return };
    if !server_runs(facts) || facts.now.since(oldest) <= STUCK_AFTER {
        return;
    }
    let why = match &facts.live {
        Some(live) if !live.holds_lease => "this node may not send".to_owned(),
        Some(live) if live.inbox > 0 => {
            format!("{} committed events wait in memory for their turn", live.inbox)
        }
        Some(live) if live.slots.free == 0 => {
            "every slot is taken: receivers answer slowly".to_owned()
        }
        Some(_) => "an endpoint that they go to has no row yet, or recovery fails".to_owned(),
        None => "only the running server knows; ask it with --server".to_owned(),
    };
    findings.push(
        Finding::problem("undispatched", format!("{} events wait", facts.backlog.pointers))
            .since(oldest)
            .because(why)
            .do_this("look at tidings_loop_age_seconds and the log for `dispatch` and `recover`"),
    );
}

fn sequencer(facts: &Facts, findings: &mut Vec<Finding>) {
    if let Some(oldest) = facts.lag.oldest_unplaced
        && facts.now.since(oldest) > STUCK_AFTER
    {
        let why = if facts.engine_name == "postgres" {
            "the sequencer fails, or an older transaction is open somewhere on the server"
        } else {
            "the sequencer fails, or no server runs"
        };
        let what = format!("{} events have no position in the log", facts.lag.unplaced);
        let action = "look at pg_stat_activity for an old transaction, and at the log for \
                      `no positions could be given`";
        findings.push(
            Finding::problem("sequencer_behind", what).since(oldest).because(why).do_this(action),
        );
    }
    for (name, behind) in facts.lag.reactions.iter().filter(|(_, behind)| *behind > BEHIND_MAX) {
        findings.push(
            Finding::problem("reaction_behind", format!("{name} has not seen {behind} events"))
                .about(name)
                .because("it is slower than events come, or fails")
                .do_this("look at the log for `reactions could not run`"),
        );
    }
}

fn schedules(facts: &Facts, findings: &mut Vec<Finding>) {
    for schedule in &facts.schedules {
        let late = facts.now.since(schedule.due_at);
        if late > SCHEDULE_LATE && server_runs(facts) {
            findings.push(
                Finding::problem("schedule_late", format!("{} has not run", schedule.name))
                    .about(&schedule.name)
                    .since(schedule.due_at)
                    .because(match &schedule.last_error {
                        Some(error) => format!("its last run met: {error}"),
                        None => "the loop of jobs is busy or fails".to_owned(),
                    })
                    .do_this("look at tidings_loop_age_seconds{task=\"jobs\"} and the log"),
            );
        } else if let Some(error) = &schedule.last_error {
            let finding = Finding::problem(
                "schedule_failed",
                format!("an item of {}'s last run failed", schedule.name),
            )
            .about(&schedule.name)
            .because(error)
            .do_this("it is tried again at the next run; if it stays, report it with this text");
            findings.push(Finding { since: schedule.last_ended_at, ..finding });
        }
    }
}

fn parked(facts: &Facts, findings: &mut Vec<Finding>) {
    for parked in &facts.parked {
        let (code, what, action) = if parked.is_event {
            (
                "event_parked",
                format!("the reaction {} could not take {}", parked.name, parked.id),
                "it is tried again with growing pauses; its object's later events wait for it",
            )
        } else {
            (
                "job_parked",
                format!("the job {} of kind {} is parked", parked.id, parked.name),
                "it is not tried again; report it with this text",
            )
        };
        let why = parked.error.as_deref().unwrap_or("it did not say why");
        findings.push(
            Finding::problem(code, what)
                .about(&parked.name)
                .of_tenant(parked.tenant_id)
                .since(parked.since)
                .because(why)
                .do_this(action),
        );
    }
    let shown = i64::try_from(facts.parked.len()).unwrap_or(i64::MAX);
    let all: i64 = facts.parked_counts.iter().map(|(_, count)| count).sum();
    if all > shown {
        findings.push(
            Finding::problem("more_parked", format!("{} more are parked", all - shown))
                .because("only the oldest are told one by one")
                .do_this("begin with those above"),
        );
    }
}
