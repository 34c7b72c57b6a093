//! Every statement runs on both engines, with the rows of many tenants. Each that is one tenant's is
//! shown to keep to it ([`Twins`]), and to be caught if it did not: with any one of its comparisons
//! of `tenant_id` taken out, it fails.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tidings_db::{DbError, Silent, Statement, StatementKind, StatementScope, Value, args, work};
use tidings_kernel::TenantId;
use tidings_server::all_statements;
use tidings_testkit::{Ran, StatementLog, TestApp, TestEngine, Twins, sabotaged};

use crate::tour::{background, tour};

/// What does not run where only one process can open the database: there nobody says that it lives,
/// nobody asks who may do something, and nobody else changes subscriptions.
const OF_SEVERAL_NODES: [&str; 10] = [
    "tidings_db::session::SERVER_TIME",
    "tidings_jobs::lease::DROP_ALL",
    "tidings_jobs::lease::TAKE",
    "tidings_webhooks::store::nodes::ADOPT_DELIVERIES",
    "tidings_webhooks::store::nodes::ADOPT_POINTERS",
    "tidings_webhooks::store::nodes::BEAT",
    "tidings_webhooks::store::nodes::COUNT_FENCED",
    "tidings_webhooks::store::nodes::FENCE_DEAD",
    "tidings_webhooks::store::nodes::HOLD",
    "tidings_webhooks::store::subscriptions::GENERATIONS",
];
/// What runs nowhere else: the process that starts is the only one.
const OF_ONE_PROCESS: [&str; 1] = ["tidings_webhooks::store::nodes::FENCE_OTHERS"];
/// Statements that would do the same without one of their comparisons, and why.
const REDUNDANT: [(&str, &str); 5] = [
    ("tidings_webhooks::store::delivery_list::ALL_OF_THEM", OF_ITS_EVENT),
    ("tidings_webhooks::store::delivery_list::NOT_DELIVERED", OF_ITS_EVENT),
    ("tidings_webhooks::store::delivery_list::OF_SUBSCRIPTION", OF_ITS_EVENT),
    ("tidings_webhooks::store::statistics::PURGE", HOUR_IN_KEY),
    ("tidings_webhooks::store::statistics::PURGE_OF_TYPES", HOUR_IN_KEY),
];
const OF_ITS_EVENT: &str = "a delivery is its tenant's and of one event, whose kind of object is the same wherever it stands";
const HOUR_IN_KEY: &str =
    "the hour is in the key: what is too old in another tenant is too old in this one";
/// What a statement gives back that counts the events of all tenants, and so is another number beside
/// another tenant's rows. It is compared without that.
const COUNTS_EVERYBODY: &str = "RETURNING seq";
/// So many runs of a statement are checked that meet rows and leave out the same arguments.
const CHECKS: usize = 2;

/// What a tour has shown of the statements that ran in it.
#[derive(Default)]
struct Findings {
    faults: BTreeMap<&'static str, String>,
    /// How often a statement met rows of its tenant, by the arguments that were left out.
    met: HashMap<(&'static str, Vec<bool>), usize>,
    /// Texts that lack a comparison with the tenant and did not fail yet.
    undetected: BTreeMap<&'static str, Vec<String>>,
}

impl Findings {
    fn check(&mut self, twins: &Twins, statement: &Statement, args: &[Value]) {
        let Statement { name, kind, .. } = *statement;
        let text = statement.sqlite();
        let text = text.strip_suffix(COUNTS_EVERYBODY).unwrap_or(text);
        let undetected = self.undetected.entry(name).or_insert_with(|| sabotaged(text));
        let near = near(text, args);
        undetected.retain(|text| {
            let mut tried = [Some(args), near.as_deref()].into_iter().flatten();
            tried.all(|args| twins.check(kind, text, args).is_ok())
        });
        let absent = args.iter().map(|arg| *arg == Value::Null).collect();
        let met = self.met.entry((name, absent)).or_default();
        if *met >= CHECKS {
            return;
        }
        match twins.check(kind, text, args) {
            Ok(met_rows) => *met += usize::from(met_rows),
            Err(fault) => drop(self.faults.insert(name, fault)),
        }
    }

    fn has_met_rows(&self, statement: &Statement) -> bool {
        self.met.iter().any(|((name, _), times)| *name == statement.name && *times > 0)
    }
}

/// The arguments of a statement that leaves out more rows than any tour has, with one left out.
fn near(text: &str, args: &[Value]) -> Option<Vec<Value>> {
    let (_, number) = text.rsplit_once("OFFSET ?")?;
    let mut args = args.to_vec();
    args[number.parse::<usize>().ok()? - 1] = Value::Int(1);
    Some(args)
}

/// Replays what ran, and checks each statement of one tenant before it takes its effect.
async fn findings(app: &TestApp, ran: Vec<Ran>) -> Findings {
    // A scenario breaks a row with a statement of its own.
    let of_scenarios = crate::replay_limits::ALL.iter().copied();
    let registry: HashMap<_, _> =
        all_statements().into_iter().chain(of_scenarios).map(|s| (s.name, s)).collect();
    let twins = Twins::of(app).await;
    let mut findings = Findings::default();
    for ran in ran {
        match ran {
            Ran::Control(text) => twins.replay(&text, &[]),
            Ran::Statement(name, args) => {
                let statement =
                    registry.get(name).unwrap_or_else(|| panic!("{name} is in no list"));
                if statement.scope == StatementScope::Tenant {
                    findings.check(&twins, statement, &args);
                }
                if statement.kind == StatementKind::Command {
                    twins.replay(statement.sqlite(), &args);
                }
            }
        }
    }
    assert_eq!(twins.differing_tables(), [""; 0], "the replay ends as the tour did");
    findings
}

/// The statements that a tour has left out.
fn left_out(log: &StatementLog) -> BTreeSet<&'static str> {
    let ran = log.names();
    all_statements().iter().map(|s| s.name).filter(|name| !ran.contains(name)).collect()
}

fn run<F: Future<Output = ()>>(story: F) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(story);
}

#[test]
fn every_statement_runs_on_sqlite_and_keeps_to_its_tenant() {
    run(async {
        let log = Arc::new(StatementLog::default());
        let app =
            TestApp::start_observed(TestEngine::Sqlite, Some(Arc::clone(&log))).await.unwrap();
        tour(&app, &log).await;
        let findings = findings(&app, log.ran()).await;
        background(&app, &log).await;
        app.end().await;

        assert!(findings.faults.is_empty(), "{:#?}", findings.faults);
        assert_eq!(left_out(&log), BTreeSet::from(OF_SEVERAL_NODES), "the tour leaves out");
        // What only inserts has no comparison to lose; it is enough that it wrote.
        let proven = |s: &&Statement| {
            let only_inserts = s.sqlite().starts_with("INSERT ");
            !sabotaged(s.sqlite()).is_empty() || (only_inserts && findings.has_met_rows(s))
        };
        let unproven: Vec<_> = all_statements()
            .into_iter()
            .filter(|s| s.scope == StatementScope::Tenant && !proven(s))
            .map(|s| s.name)
            .collect();
        assert!(unproven.is_empty(), "the tour has no rows for {unproven:#?}");
        let mut undetected = findings.undetected;
        undetected.retain(|_, texts| !texts.is_empty());
        for (name, why) in REDUNDANT {
            let texts = undetected.remove(name).unwrap_or_default();
            assert_eq!(texts.len(), 1, "{name}, because {why}, is no longer so: strike it off");
        }
        assert!(undetected.is_empty(), "the tour has no rows that would tell {undetected:#?}");
    });
}

#[test]
fn every_statement_runs_on_postgres() {
    run(async {
        let log = Arc::new(StatementLog::default());
        let observed = TestApp::start_observed(TestEngine::Postgres, Some(Arc::clone(&log)));
        let Some(app) = observed.await else { return };
        tour(&app, &log).await;
        background(&app, &log).await;
        app.end().await;
        assert_eq!(left_out(&log), BTreeSet::from(OF_ONE_PROCESS), "the tour leaves out");
    });
}

tidings_db::statements! {
    /// Forgets whose rows it asks for.
    query COUNT_OTHERS = "SELECT COUNT(*) FROM customers WHERE tenant_id <> $1";
    /// Forgets whose rows it changes.
    command TOUCH_OTHERS = "UPDATE customers SET last_contact_at = 0 WHERE tenant_id <> $1";
}

#[test]
fn on_postgres_a_tenants_transaction_has_no_rows_of_another() {
    run(async {
        let Some(app) = TestApp::start(TestEngine::Postgres).await else { return };
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        acme.customer("ada@example.com").await;
        other.customer("ada@example.com").await;
        let db = &app.app.db;
        let acme: TenantId = acme.id.parse().unwrap();
        let args = || args![acme].to_vec();
        let mut across = db.read_across_tenants().await.unwrap();
        assert_eq!(across.reader().scalar::<i64>(&COUNT_OTHERS, &args()).await.unwrap(), 1);
        let mut own = db.read(acme).await.unwrap();
        assert_eq!(own.reader().scalar::<i64>(&COUNT_OTHERS, &args()).await.unwrap(), 0);
        let unit = work!([], |work| async move {
            work.silent(Silent::History).execute(&TOUCH_OTHERS, args![acme]).await
        });
        let ctx = db.tenant_ctx("test", acme).await.unwrap();
        assert_eq!(db.write::<u64, DbError, _>(&ctx, unit).await.unwrap().into_inner(), 0);
        drop((across, own));
        app.end().await;
    });
}
