//! What a node does with PostgreSQL when it does not know whether something was committed, with much
//! that was left behind, and with tables that grow.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Cut, Ran, Receiver, Script, StatementLog, Tenant, TestApp, TestEngine};

async fn statistics(acme: &Tenant, hook: &Receiver) -> Value {
    let path = format!("/api/v1/webhooks/subscriptions/{}/statistics", hook.subscription_id);
    let answer = acme.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    answer.json()
}

/// Of an attempt, of an end in vain, and of an endpoint that is gone.
#[test]
fn outcomes_count_once_though_the_answer_to_their_commit_was_lost() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some((app, wire)) = TestApp::start_wired().await else { return };
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        hook.then(Script::status(500).body("lost-once"));
        wire.lose_commit_of("lost-once", Cut::Answer);
        acme.customer("ada@example.com").await;
        app.settle().await;
        assert!(wire.is_cut());
        let failed = statistics(&acme, &hook).await;
        assert_eq!(
            (&failed["attempts"], &failed["failed"], &failed["consecutive_failures"]),
            (&json!(1), &json!(1), &json!(1)),
            "{failed}"
        );
        hook.then(Script::status(410).body("gone-once"));
        wire.lose_commit_of("gone-once", Cut::Answer);
        acme.customer("bob@example.com").await;
        app.settle().await;
        assert!(wire.is_cut());
        let gone = statistics(&acme, &hook).await;
        assert_eq!(
            (&gone["attempts"], &gone["failed"], &gone["discarded"]),
            (&json!(2), &json!(2), &json!(1)),
            "{gone}"
        );
        assert_eq!(gone["consecutive_failures"], 2, "{gone}");
        app.end().await;
    });
}

tidings_db::statements! {
    /// Of statements on tenants' tables, those that have a parameter: how many plans this connection
    /// has kept, and how many it made for one execution.
    query PLANS = "SELECT CAST(COALESCE(SUM(generic_plans), 0) AS BIGINT), \
        CAST(COALESCE(SUM(custom_plans), 0) AS BIGINT) FROM pg_prepared_statements \
        WHERE CARDINALITY(parameter_types) > 0 AND statement LIKE '%tenant_id%'";
}

/// What was planned while the tables were empty would read all of them in the first burst.
#[test]
fn no_plan_is_kept_from_when_the_tables_were_empty() {
    TestApp::run(TestEngine::Postgres, |app| {
        Box::pin(async move {
            let acme = app.tenant("acme").await;
            for number in 0..30 {
                acme.customer(&format!("c{number}@example.com")).await;
            }
            app.settle().await;
            let mut planned = 0;
            // Each of the pool's connections, or as many as are idle.
            for _ in 0..6 {
                let mut session = app.app.db.read_across_tenants().await.unwrap();
                let plans: Option<(i64, i64)> = session.reader().row(&PLANS, &[]).await.unwrap();
                let (kept, made) = plans.unwrap();
                assert_eq!(kept, 0);
                planned += made;
            }
            assert!(planned > 100, "only {planned} executions were looked at");
        })
    });
}

/// A pointer that was left behind costs a part of a statement, and not several: a walk over very many
/// would else look like a loop that stands still.
#[test]
fn pointers_are_taken_up_page_by_page() {
    const POINTERS: usize = 60;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let log = Arc::new(StatementLog::default());
        let observed = TestApp::start_observed(TestEngine::Postgres, Some(Arc::clone(&log)));
        let Some(app) = observed.await else { return };
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        for number in 0..POINTERS {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        app.settle().await;
        assert_eq!(hook.count(), POINTERS);
        let before = log.ran().len();
        // As if the process had ended before it removed the pointers.
        let node = "(SELECT id FROM nodes WHERE fenced = FALSE)";
        let left = format!(
            "INSERT INTO dispatch (tenant_id, event_id, node_id, created_at) \
             SELECT tenant_id, id, {node}, occurred_at FROM events WHERE name = 'customer.created'"
        );
        app.database().unwrap().run(&left).await;
        app.app.engine.run_due().await.unwrap();
        app.settle().await;
        let ran = log.ran();
        let named = |end: &str| {
            let is = |ran: &&Ran| matches!(ran, Ran::Statement(name, _) if name.ends_with(end));
            ran[before..].iter().filter(is).count()
        };
        assert_eq!(named("settle::DROP_POINTERS"), POINTERS, "all were taken up");
        assert!(named("deliveries::EXISTING") <= 3, "{}", named("deliveries::EXISTING"));
        assert_eq!(hook.count(), POINTERS, "and nothing was sent again");
        app.end().await;
    });
}
