//! Migrations: numbered files, one text for both engines, run once each under a lock.

use tidings_vault::sha256;

use crate::DbError;
use crate::pg_conn::pg_error;
use crate::sqlite_conn::sqlite_error;

/// A migration: its number is its place in the list.
struct Migration {
    name: &'static str,
    text: &'static str,
}

macro_rules! migrations {
    ($($name:literal),+ $(,)?) => {
        const MIGRATIONS: &[Migration] = &[$(
            Migration { name: $name, text: include_str!(concat!("../migrations/", $name, ".sql")) }
        ),+];
    };
}

migrations![
    "0001_foundation",
    "0002_identity",
    "0003_customers",
    "0004_webhooks",
    "0005_subscription_options",
    "0008_flow",
    "0009_event_type_versions",
    "0010_replays",
    "0011_log",
    "0012_retention",
    "0013_consents",
    "0014_settlements",
    "0015_payload_rows",
    "0016_settled",
    "0017_erasures"
];

/// The advisory lock under which PostgreSQL is migrated; any fixed number does.
const LOCK: i64 = 0x7469_6469_6e67_7301;

/// Renders the type words and drops the lines of the other engine.
fn render(text: &str, engine: &str) -> String {
    let words: &[(&str, &str)] = if engine == "sqlite" {
        &[
            ("{uuid}", "BLOB"),
            ("{int}", "INTEGER"),
            ("{bool}", "INTEGER"),
            ("{text}", "TEXT"),
            ("{bytes}", "BLOB"),
            ("{clustered}", "STRICT, WITHOUT ROWID"),
            ("{heap}", "STRICT"),
        ]
    } else {
        &[
            ("{uuid}", "UUID"),
            ("{int}", "BIGINT"),
            ("{bool}", "BOOLEAN"),
            ("{text}", "TEXT"),
            ("{bytes}", "BYTEA"),
            ("{clustered}", ""),
            ("{heap}", ""),
        ]
    };
    let mut out: String = text
        .lines()
        .filter(|line| line.split_once("-- only: ").is_none_or(|(_, only)| only.trim() == engine))
        .map(|line| line.split("--").next().unwrap_or(line).trim_end())
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n");
    for (word, rendered) in words {
        out = out.replace(word, rendered);
    }
    out
}

fn checksum(migration: &Migration) -> Vec<u8> {
    sha256(migration.text.as_bytes()).to_vec()
}

fn changed(name: &str) -> DbError {
    DbError::Unavailable(format!(
        "migration {name} was changed after it ran; restore its text, and write a new one"
    ))
}

fn newer(name: &str) -> DbError {
    DbError::Unavailable(format!(
        "the database has migration {name}, which this program does not know; use a newer program"
    ))
}

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
     (name TEXT NOT NULL PRIMARY KEY, checksum {bytes} NOT NULL)";

const LEDGER_ROWS: &str = "SELECT name, checksum FROM schema_migrations ORDER BY name";

/// Refuses a schema that is not the one that this program knows; for who may not change it.
pub(crate) fn expect_sqlite(conn: &rusqlite::Connection) -> Result<(), DbError> {
    let exists = conn.table_exists(None, "schema_migrations").map_err(sqlite_error)?;
    expect_current(&if exists { sqlite_ledger(conn)? } else { Vec::new() })
}

/// The same for PostgreSQL.
pub(crate) async fn expect_postgres(client: &deadpool_postgres::Object) -> Result<(), DbError> {
    let ledger = "SELECT to_regclass('public.schema_migrations') IS NOT NULL";
    let exists: bool = client.query_one(ledger, &[]).await.map_err(pg_error)?.get(0);
    let done =
        if exists { client.query(LEDGER_ROWS, &[]).await.map_err(pg_error)? } else { Vec::new() };
    expect_current(&postgres_ledger(&done))
}

fn expect_current(done: &Ledger) -> Result<(), DbError> {
    let missing: Vec<&str> = pending(done)?.iter().map(|migration| migration.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(DbError::Unavailable(format!(
        "its schema is older than this program and lacks {}; `tidings migrate` brings it up to date, \
         and so does the start of a server of this version",
        missing.join(", ")
    )))
}

/// The migrations that have run, each with the digest of its text.
type Ledger = [(String, Vec<u8>)];

fn sqlite_ledger(conn: &rusqlite::Connection) -> Result<Vec<(String, Vec<u8>)>, DbError> {
    let mut statement = conn.prepare(LEDGER_ROWS).map_err(sqlite_error)?;
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(sqlite_error)?;
    rows.collect::<Result<_, _>>().map_err(sqlite_error)
}

fn postgres_ledger(rows: &[tokio_postgres::Row]) -> Vec<(String, Vec<u8>)> {
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

pub(crate) fn sqlite(conn: &mut rusqlite::Connection) -> Result<(), DbError> {
    let tx = conn
        .transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)
        .map_err(sqlite_error)?;
    tx.execute_batch(&render(LEDGER, "sqlite")).map_err(sqlite_error)?;
    for migration in pending(&sqlite_ledger(&tx)?)? {
        tx.execute_batch(&render(migration.text, "sqlite")).map_err(sqlite_error)?;
        tx.execute(
            "INSERT INTO schema_migrations (name, checksum) VALUES (?1, ?2)",
            rusqlite::params![migration.name, checksum(migration)],
        )
        .map_err(sqlite_error)?;
    }
    tx.commit().map_err(sqlite_error)
}

pub(crate) async fn postgres(client: &mut deadpool_postgres::Object) -> Result<(), DbError> {
    let tx = client.transaction().await.map_err(pg_error)?;
    tx.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .await
        .map_err(pg_error)?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(pg_error)?;
    tx.batch_execute(&render(LEDGER, "postgres")).await.map_err(pg_error)?;
    let done = tx.query(LEDGER_ROWS, &[]).await.map_err(pg_error)?;
    for migration in pending(&postgres_ledger(&done))? {
        tx.batch_execute(&render(migration.text, "postgres")).await.map_err(pg_error)?;
        tx.execute(
            "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)",
            &[&migration.name, &checksum(migration)],
        )
        .await
        .map_err(pg_error)?;
    }
    tx.batch_execute(ROW_SECURITY).await.map_err(pg_error)?;
    tx.commit().await.map_err(pg_error)
}

/// Every table with a `tenant_id` shows only the rows of the tenant that the transaction named,
/// whatever a statement says. `*` is what the engine's own loops name.
const ROW_SECURITY: &str = "
DO $$
DECLARE name TEXT;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind = 'r' AND NOT c.relforcerowsecurity
          AND EXISTS (SELECT 1 FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant ON %I USING (
            (SELECT current_setting(''tidings.tenant'', true)) = ''*''
            OR tenant_id::text = (SELECT current_setting(''tidings.tenant'', true)))', name);
    END LOOP;
END $$";

fn pending(done: &Ledger) -> Result<&'static [Migration], DbError> {
    for (index, (name, sum)) in done.iter().enumerate() {
        let Some(migration) = MIGRATIONS.get(index).filter(|known| known.name == name) else {
            return Err(newer(name));
        };
        if checksum(migration) != *sum {
            return Err(changed(name));
        }
    }
    Ok(&MIGRATIONS[done.len()..])
}

/// The names of all migrations, in order.
pub fn migrations() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|migration| migration.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_migration_and_an_unknown_one_are_refused() {
        let first = &MIGRATIONS[0];
        let good = vec![(first.name.to_owned(), checksum(first))];
        assert_eq!(pending(&good).unwrap().len(), MIGRATIONS.len() - 1);
        let changed = vec![(first.name.to_owned(), vec![0])];
        assert!(pending(&changed).is_err());
        let unknown = vec![("9999_future".to_owned(), vec![0])];
        assert!(pending(&unknown).is_err());

        let behind = expect_current(&good).unwrap_err().to_string();
        let [_, missing @ ..] = MIGRATIONS else { unreachable!("there are migrations") };
        assert!(missing.iter().all(|migration| behind.contains(migration.name)), "{behind}");
        let all: Vec<_> = MIGRATIONS.iter().map(|m| (m.name.to_owned(), checksum(m))).collect();
        assert!(expect_current(&all).is_ok());
        let ahead = expect_current(&[all, unknown].concat()).unwrap_err().to_string();
        assert!(ahead.contains("9999_future") && ahead.contains("newer program"), "{ahead}");
    }
}
