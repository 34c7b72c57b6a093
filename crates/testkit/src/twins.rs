//! Whether a statement keeps to its tenant: it runs among the rows of twins.
//!
//! **The cast.** The *tenant* is the one that a statement names with its first argument. Its *twins*
//! are other tenants that own copies of its rows, with the same ids, names and versions: of the rows
//! as they are, of the rows as they will be when the story has ended, and of the rows as if they
//! were a year old. The *arena* is a database that holds nothing but the tenant and its twins.
//!
//! **The plot.** What an application ran is replayed in order. Before a statement takes its
//! effect, it runs in the arena four times: among nobody's rows, among the tenant's, among the
//! tenant's and the twins', among the twins'. Twins may change no answer, and no row of theirs may
//! be written.
//!
//! **The reasons.** A statement that forgets to ask for the tenant cannot tell it from its twins, so
//! no choice of data hides the mistake; and because it is replayed, its arguments meet the rows that
//! they were meant for.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;
use rusqlite::types::Value as Cell;
use tidings_db::{Location, StatementKind, Value};
use tidings_kernel::Uuid;

use crate::app::open;
use crate::{ScratchDir, TestApp};

/// What a statement did once.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// The rows of its answer and how many it changed, or why it could not run.
    answer: Result<(Vec<Vec<Cell>>, u64), String>,
    /// Whose rows it wrote.
    wrote: BTreeSet<Vec<u8>>,
}

struct Table {
    name: String,
    /// Its columns without the tenant, and without a number that SQLite gives out.
    columns: Vec<String>,
    /// The tables that lose rows when it does.
    dependents: Vec<String>,
}

/// The rows of one tenant, without the tenant, table by table.
type TenantRows<'t> = Vec<(&'t Table, Vec<Vec<Cell>>)>;

/// The replay of a story, with an arena beside it.
pub struct Twins {
    now: Connection,
    end: Connection,
    arena: Connection,
    tables: Vec<Table>,
}

impl std::fmt::Debug for Twins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Twins")
    }
}

impl Twins {
    /// A replay from the beginning of the story that an application on SQLite has been through.
    pub async fn of(app: &TestApp) -> Self {
        let scratch = ScratchDir::new();
        let empty = scratch.path().join("empty.db");
        open(Location::Sqlite(empty.clone()), &app.clock, 7).await.close();
        let (now, arena) = (in_memory(&empty), in_memory(&empty));
        let end = in_memory(app.app.db.file().unwrap());
        let tables = tables(&arena);
        // An index over all tenants would keep the twins from having the same ids.
        for index in tables.iter().flat_map(|table| texts(&arena, SHARED_INDEXES, &table.name)) {
            arena.execute_batch(&format!("DROP INDEX {index}")).unwrap();
        }
        arena.execute_batch("CREATE TABLE wrote (tenant_id BLOB)").unwrap();
        for Table { name, .. } in &tables {
            for (verb, row) in
                [("INSERT", "NEW"), ("UPDATE", "NEW"), ("UPDATE", "OLD"), ("DELETE", "OLD")]
            {
                let trigger = format!(
                    "CREATE TRIGGER {name}_{verb}_{row} AFTER {verb} ON {name} \
                     BEGIN INSERT INTO wrote VALUES ({row}.tenant_id); END"
                );
                arena.execute_batch(&trigger).unwrap();
            }
        }
        Self { now, end, arena, tables }
    }

    /// Lets a command or a savepoint take its effect.
    pub fn replay(&self, text: &str, args: &[Value]) {
        // What failed in the story fails again, and is rolled back by what follows.
        let _ = run(&self.now, text, args);
    }

    /// The tables in which the replay and the story ended differently.
    pub fn differing_tables(&self) -> Vec<&str> {
        let all = |conn: &Connection, table: &Table| {
            run(conn, &format!("SELECT * FROM {}", table.name), &[]).unwrap().0
        };
        let differs = |table: &&Table| all(&self.now, table) != all(&self.end, table);
        self.tables.iter().filter(differs).map(|table| table.name.as_str()).collect()
    }

    /// Runs one tenant's statement among the rows of its twins. Says how it failed them, or whether
    /// it met rows of its tenant at all: was answered with them, or wrote them.
    pub fn check(&self, kind: StatementKind, text: &str, args: &[Value]) -> Result<bool, String> {
        let Some(Value::Uuid(tenant)) = args.first() else {
            return Err("its first argument is not a tenant".to_owned());
        };
        // On both sides of the tenant, so that no order hides them all.
        let twin = |apart: i128| Uuid::from_u128(tenant.as_u128().wrapping_add_signed(apart));
        let concerned = self.concerned(text);
        let as_they_are = rows_of(&self.now, &concerned, *tenant);
        let as_they_will_be = rows_of(&self.end, &concerned, *tenant);

        self.control("BEGIN; PRAGMA defer_foreign_keys = ON");
        let among_nobody = self.try_out(text, args);
        self.add(*tenant, &as_they_are);
        let alone = self.try_out(text, args);
        self.add(twin(-1), &as_they_are);
        self.add(twin(1), &as_they_will_be);
        self.add(twin(2), &a_year_older(as_they_are));
        let among_all = self.try_out(text, args);
        self.remove(*tenant, &concerned);
        let among_twins = self.try_out(text, args);
        self.control("ROLLBACK");

        if among_all.answer != alone.answer {
            return Err(format!(
                "rows of another tenant change its answer: {:?} instead of {:?}",
                among_all.answer, alone.answer
            ));
        }
        if among_twins.answer != among_nobody.answer {
            return Err(format!(
                "without rows of its tenant it answers from another's: {:?} instead of {:?}",
                among_twins.answer, among_nobody.answer
            ));
        }
        let mut wrote = among_all.wrote;
        wrote.extend(among_twins.wrote);
        wrote.remove(tenant.as_bytes().as_slice());
        if !wrote.is_empty() {
            return Err(format!("it writes rows of {} other tenants", wrote.len()));
        }
        Ok(match kind {
            StatementKind::Query => alone.answer != among_nobody.answer,
            StatementKind::Command => !alone.wrote.is_empty(),
        })
    }

    fn control(&self, text: &str) {
        self.arena.execute_batch(text).unwrap();
    }

    /// Runs a text in the arena, and undoes it.
    fn try_out(&self, text: &str, args: &[Value]) -> Outcome {
        self.control("SAVEPOINT try_out; DELETE FROM wrote");
        let answer = run(&self.arena, text, args).map_err(|error| error.to_string());
        let wrote = run(&self.arena, "SELECT tenant_id FROM wrote", &[]).unwrap().0;
        self.control("ROLLBACK TO try_out; RELEASE try_out");
        let bytes = |cell| if let Cell::Blob(bytes) = cell { bytes } else { Vec::new() };
        Outcome { answer, wrote: wrote.into_iter().flatten().map(bytes).collect() }
    }

    /// The tables that a text can touch: those that it names, and those that depend on them.
    fn concerned(&self, text: &str) -> Vec<&Table> {
        let named = |table: &Table| text.contains(&table.name);
        let depends = |table: &Table| {
            let mut named = self.tables.iter().filter(|other| named(other));
            named.any(|other| other.dependents.contains(&table.name))
        };
        self.tables.iter().filter(|table| named(table) || depends(table)).collect()
    }

    fn add(&self, tenant: Uuid, rows: &TenantRows<'_>) {
        for (Table { name, columns, .. }, rows) in rows {
            let marks = ", ?".repeat(columns.len());
            let names = columns.join(", ");
            let text = format!("INSERT INTO {name} ({names}, tenant_id) VALUES (?{marks})");
            let mut insert = self.arena.prepare_cached(&text).unwrap();
            for row in rows {
                let tenant = Cell::Blob(tenant.as_bytes().to_vec());
                let cells = row.iter().chain([&tenant]);
                insert.execute(rusqlite::params_from_iter(cells)).unwrap();
            }
        }
    }

    fn remove(&self, tenant: Uuid, tables: &[&Table]) {
        for Table { name, .. } in tables {
            let text = format!("DELETE FROM {name} WHERE tenant_id = ?1");
            run(&self.arena, &text, &[Value::Uuid(tenant)]).unwrap();
        }
    }
}

fn rows_of<'t>(conn: &Connection, tables: &[&'t Table], tenant: Uuid) -> TenantRows<'t> {
    let rows = |table: &Table| {
        let columns = table.columns.join(", ");
        let text = format!("SELECT {columns} FROM {} WHERE tenant_id = ?1", table.name);
        run(conn, &text, &[Value::Uuid(tenant)]).unwrap().0
    };
    tables.iter().map(|table| (*table, rows(table))).collect()
}

fn a_year_older(mut rows: TenantRows<'_>) -> TenantRows<'_> {
    const YEAR: i64 = 365 * 24 * 60 * 60 * 1_000_000;
    for (table, rows) in &mut rows {
        for (cell, column) in rows.iter_mut().flat_map(|row| row.iter_mut().zip(&table.columns)) {
            if let Cell::Integer(at) = cell
                && column.ends_with("_at")
            {
                *at -= YEAR;
            }
        }
    }
    rows
}

/// The texts that lack one comparison of `tenant_id` each: what a check must find out.
pub fn sabotaged(text: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '?');
    let comparisons = text.match_indices("tenant_id = ").filter_map(|(at, found)| {
        let left = text[..at].rfind(|c| !is_name(c)).map_or(0, |end| end + 1);
        let right = &text[at + found.len()..];
        let value = &right[..right.find(|c| !is_name(c)).unwrap_or(right.len())];
        // An assignment is no comparison.
        (!text[..left].ends_with("SET ")).then(|| {
            let after = &right[value.len()..];
            format!("{}{value} IS {value}{after}", &text[..left])
        })
    });
    comparisons.collect()
}

fn in_memory(path: &Path) -> Connection {
    let file = Connection::open(path).unwrap();
    let mut memory = Connection::open_in_memory().unwrap();
    Backup::new(&file, &mut memory)
        .and_then(|backup| backup.run_to_completion(1_000, Duration::ZERO, None))
        .unwrap();
    memory.execute_batch("PRAGMA foreign_keys = ON; PRAGMA journal_mode = MEMORY").unwrap();
    memory.set_prepared_statement_cache_capacity(1_024);
    memory
}

/// Every table of tenants.
fn tables(conn: &Connection) -> Vec<Table> {
    let text = "SELECT m.name, c.name, m.sql LIKE '%' || c.name || ' INTEGER PRIMARY KEY%' \
                FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' \
                AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) t WHERE t.name = 'tenant_id') \
                ORDER BY m.name, c.cid";
    let mut tables: Vec<Table> = Vec::new();
    let mut statement = conn.prepare(text).unwrap();
    let columns =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    for column in columns {
        let (name, column, is_given_out): (String, String, bool) = column.unwrap();
        if tables.last().is_none_or(|table| table.name != name) {
            let dependents = texts(conn, DEPENDENTS, &name);
            tables.push(Table { name, columns: Vec::new(), dependents });
        }
        if let Some(table) = tables.last_mut().filter(|_| column != "tenant_id" && !is_given_out) {
            table.columns.push(column);
        }
    }
    tables
}

/// The tables that have a foreign key to a table, and those that have one to them.
const DEPENDENTS: &str = "WITH RECURSIVE d (name) AS (SELECT ?1 UNION SELECT m.name FROM d, \
    sqlite_master m, pragma_foreign_key_list(m.name) k WHERE m.type = 'table' \
    AND k.\"table\" = d.name) SELECT name FROM d";

/// The unique indexes of a table that do not begin with the tenant.
const SHARED_INDEXES: &str = "SELECT i.name FROM pragma_index_list(?1) i, \
    pragma_index_info(i.name) c WHERE i.\"unique\" AND c.seqno = 0 AND c.name <> 'tenant_id'";

/// The answer of a text that gives names for the name of a table.
fn texts(conn: &Connection, text: &str, table: &str) -> Vec<String> {
    let rows = run(conn, text, &[Value::Text(table.to_owned())]).unwrap().0;
    let texts = rows.into_iter().flatten().map(|cell| match cell {
        Cell::Text(text) => text,
        Cell::Null | Cell::Integer(_) | Cell::Real(_) | Cell::Blob(_) => String::new(),
    });
    texts.collect()
}

fn run(conn: &Connection, text: &str, args: &[Value]) -> rusqlite::Result<(Vec<Vec<Cell>>, u64)> {
    let mut statement = conn.prepare_cached(text)?;
    for (index, arg) in args.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, cell(arg))?;
    }
    let columns = statement.column_count();
    if columns == 0 {
        return statement.raw_execute().map(|changed| (Vec::new(), changed as u64));
    }
    let mut found = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        found.push((0..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?);
    }
    Ok((found, 0))
}

/// An argument as SQLite stores it.
fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Int(number) => Cell::Integer(*number),
        Value::Bool(yes) => Cell::Integer(i64::from(*yes)),
        Value::Text(text) => Cell::Text(text.clone()),
        Value::Bytes(bytes) => Cell::Blob(bytes.to_vec()),
        Value::Uuid(uuid) => Cell::Blob(uuid.as_bytes().to_vec()),
        Value::List(items) => {
            let items = items.iter().map(|item| match item {
                Value::Uuid(uuid) => uuid.simple().to_string(),
                Value::Text(text) => text.clone(),
                Value::Null | Value::Int(_) | Value::Bool(_) | Value::Bytes(_) | Value::List(_) => {
                    panic!("{item:?} stands in no list")
                }
            });
            Cell::Text(items.collect::<serde_json::Value>().to_string())
        }
    }
}
