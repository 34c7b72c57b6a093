//! Every statement is prepared on both migrated engines, and they agree.

use tidings_server::all_statements;
use tidings_testkit::{TestApp, TestEngine};

/// What one engine says of every statement: how many parameters, which columns.
async fn described(app: &TestApp) -> Vec<(&'static str, usize, usize)> {
    let mut all = Vec::new();
    for statement in all_statements() {
        let (parameters, columns) = app
            .app
            .db
            .describe(statement)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", statement.name));
        all.push((statement.name, parameters, columns.len()));
    }
    all
}

#[test]
fn every_statement_is_prepared_on_both_engines_and_they_agree() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sqlite = TestApp::start(TestEngine::Sqlite).await.unwrap();
        let on_sqlite = described(&sqlite).await;
        sqlite.end().await;
        assert!(on_sqlite.len() > 100, "the list is complete");
        let Some(postgres) = TestApp::start(TestEngine::Postgres).await else { return };
        let on_postgres = described(&postgres).await;
        postgres.end().await;
        let differing: Vec<_> =
            on_sqlite.iter().zip(&on_postgres).filter(|(a, b)| a != b).collect();
        assert!(differing.is_empty(), "{differing:#?}");
    });
}
