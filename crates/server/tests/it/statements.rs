//! Every statement is prepared on both migrated engines, and they agree with each other and with
//! what Rust hands in and takes out.

use tidings_db::{Column, Statement};
use tidings_server::all_statements;
use tidings_testkit::{Description, TestApp, TestEngine};

async fn described(engine: TestEngine, statements: &[&Statement]) -> Option<Vec<Description>> {
    let app = TestApp::start(engine).await?;
    let described = app.describe(statements).await;
    app.end().await;
    Some(described)
}

/// What PostgreSQL calls a type that a value can be.
fn on_postgres(column: Column) -> &'static str {
    match column {
        Column::Uuid => "uuid",
        Column::Int => "int8",
        Column::Bool => "bool",
        Column::Text => "text",
        Column::Bytes => "bytea",
    }
}

/// What SQLite calls the same, as the migrations render it.
fn on_sqlite(postgres: &str) -> Option<&'static str> {
    match postgres {
        "uuid" | "bytea" => Some("BLOB"),
        "int8" | "bool" => Some("INTEGER"),
        "text" => Some("TEXT"),
        _ => None,
    }
}

/// What the two engines say of one statement and must not.
fn faults(statement: &Statement, sqlite: &Description, postgres: &Description) -> Vec<String> {
    let mut faults = Vec::new();
    let declared = statement.columns();
    if sqlite.parameters.len() != postgres.parameters.len() {
        faults.push("the engines count different parameters".to_owned());
    }
    for (index, parameter) in postgres.parameters.iter().flatten().enumerate() {
        let fits = match declared.get(index) {
            Some(column) => parameter.strip_prefix('_') == Some(on_postgres(*column)),
            None => {
                on_sqlite(parameter).is_some() || matches!(parameter.as_str(), "_uuid" | "_text")
            }
        };
        if !fits {
            faults.push(format!("${} is {parameter}, which no value of ours is", index + 1));
        }
    }
    for (what, sqlite, postgres) in [
        ("column", &sqlite.columns, &postgres.columns),
        ("filled column", &sqlite.filled, &postgres.filled),
    ] {
        if sqlite.len() != postgres.len() {
            faults.push(format!("the engines count different {what}s"));
        }
        for (index, (sqlite, postgres)) in sqlite.iter().zip(postgres).enumerate() {
            let postgres = postgres.as_deref().unwrap_or_default();
            let expected = on_sqlite(postgres);
            // SQLite has no type for what is computed; the tour of `twins.rs` decodes the values.
            let agrees = sqlite.is_none() || sqlite.as_deref() == expected;
            if expected.is_none() || !agrees {
                faults.push(format!("{what} {index} is {postgres} there and {sqlite:?} here"));
            }
        }
    }
    for (index, (filled, column)) in postgres.filled.iter().zip(declared).enumerate() {
        if filled.as_deref() != Some(on_postgres(*column)) {
            faults.push(format!("column {index} is declared as {column:?} and is {filled:?}"));
        }
    }
    if !declared.is_empty() && !compares_given_tenants(statement) {
        faults
            .push("the batch for PostgreSQL does not compare tenant_id with what is given".into());
    }
    faults
}

/// Whether the batch of a bulk, which PostgreSQL alone runs, joins its rows by tenant. An insert
/// has none to join.
fn compares_given_tenants(statement: &Statement) -> bool {
    let text = statement.postgres();
    let alias = text.split_once(") AS ").and_then(|(_, rest)| rest.split_once('('));
    text.starts_with("INSERT ")
        || alias.is_some_and(|(given, _)| text.contains(&format!(".tenant_id = {given}.tenant_id")))
}

#[test]
fn every_statement_is_prepared_on_both_engines_and_they_agree() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let all = all_statements();
        assert!(all.len() > 100, "the list is complete");
        let sqlite = described(TestEngine::Sqlite, &all).await.unwrap();
        let Some(postgres) = described(TestEngine::Postgres, &all).await else { return };
        let found: Vec<_> = all
            .iter()
            .zip(sqlite.iter().zip(&postgres))
            .map(|(statement, (sqlite, postgres))| {
                (statement.name, faults(statement, sqlite, postgres))
            })
            .filter(|(_, faults)| !faults.is_empty())
            .collect();
        assert!(found.is_empty(), "{found:#?}");
    });
}

mod wrong {
    //! A test of the test: each of these has one fault that preparing alone does not show.

    tidings_db::statements! {
        query WIDE = "SELECT CAST(version AS INTEGER) FROM tenants WHERE tenant_id = $1";
        query MEAN = "SELECT AVG(version) FROM tenants WHERE tenant_id = $1";
        query NARROW = "SELECT name FROM tenants WHERE tenant_id = $1 AND version = CAST($2 AS INTEGER)";
        bulk OTHERS (uuid, text) = "UPDATE tenants SET name = $2 WHERE tenant_id = $1",
            "UPDATE tenants SET name = given.name FROM ROWS AS given(tenant_id, name) \
                WHERE tenants.tenant_id <> given.tenant_id";
        insert WORDS = "event_activity" (tenant_id uuid, name int, fired int, last_at int), "";
    }
}

#[test]
fn types_that_differ_are_found() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sqlite = described(TestEngine::Sqlite, wrong::ALL).await.unwrap();
        let Some(postgres) = described(TestEngine::Postgres, wrong::ALL).await else { return };
        for ((statement, sqlite), postgres) in wrong::ALL.iter().zip(&sqlite).zip(&postgres) {
            assert!(!faults(statement, sqlite, postgres).is_empty(), "{}", statement.name);
        }
    });
}
