//! What ran, in order, and what an engine says of a statement that it has prepared.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tidings_db::{Observer, Statement, Value};
use tokio_postgres::NoTls;

use crate::TestApp;

/// Something that an application ran.
#[derive(Debug, Clone)]
pub enum Ran {
    /// A statement by its name; a bulk stands here row by row.
    Statement(&'static str, Vec<Value>),
    /// Text without parameters.
    Control(String),
}

/// Everything that an application ran, in order.
#[derive(Debug, Default)]
pub struct StatementLog(Mutex<Vec<Ran>>);

impl StatementLog {
    /// What has run so far.
    pub fn ran(&self) -> Vec<Ran> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The names of the statements that have run so far.
    pub fn names(&self) -> BTreeSet<&'static str> {
        let name = |ran: &Ran| match ran {
            Ran::Statement(name, _) => Some(*name),
            Ran::Control(_) => None,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(name).collect()
    }

    fn push(&self, ran: Ran) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(ran);
    }
}

impl Observer for StatementLog {
    fn statement(&self, name: &'static str, args: &[Value]) {
        self.push(Ran::Statement(name, args.to_vec()));
    }

    fn control(&self, text: &str) {
        self.push(Ran::Control(text.to_owned()));
    }
}

/// What an engine says of a statement that it has prepared. SQLite knows no types of parameters,
/// and types of those columns only that come straight out of a table.
#[derive(Debug)]
pub struct Description {
    /// The types of the parameters.
    pub parameters: Vec<Option<String>>,
    /// The types of the answer's columns.
    pub columns: Vec<Option<String>>,
    /// The types of the columns that a bulk insert fills.
    pub filled: Vec<Option<String>>,
}

impl TestApp {
    /// Prepares each statement on this application's engine.
    pub async fn describe(&self, statements: &[&Statement]) -> Vec<Description> {
        match self.database() {
            None => self.describe_on_sqlite(statements),
            Some(database) => describe_on_postgres(&database.url, statements).await,
        }
    }

    fn describe_on_sqlite(&self, statements: &[&Statement]) -> Vec<Description> {
        let conn = rusqlite::Connection::open(self.app.db.file().unwrap()).unwrap();
        let columns = |name: &str, text: &str| {
            let prepared =
                conn.prepare(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            let types = prepared.columns().map(|column| column.decl_type().map(str::to_owned));
            (prepared.parameter_count(), types.collect::<Vec<_>>())
        };
        let describe = |statement: &&Statement| {
            let (parameters, types) = columns(statement.name, statement.sqlite());
            let filled = filled(statement).map(|text| columns(statement.name, &text).1);
            Description {
                parameters: vec![None; parameters],
                columns: types,
                filled: filled.unwrap_or_default(),
            }
        };
        statements.iter().map(describe).collect()
    }
}

async fn describe_on_postgres(url: &str, statements: &[&Statement]) -> Vec<Description> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let work = async move {
        let mut described = Vec::new();
        for statement in statements {
            let name = statement.name;
            let prepare = async |text: &str| {
                let prepared = client.prepare(text).await;
                prepared.unwrap_or_else(|error| panic!("{name}: {error:?}\n{text}"))
            };
            let prepared = prepare(statement.postgres()).await;
            let filled = match filled(statement) {
                Some(text) => prepare(&text).await.columns().iter().map(column_type).collect(),
                None => Vec::new(),
            };
            described.push(Description {
                parameters: prepared.params().iter().map(|ty| Some(ty.name().to_owned())).collect(),
                columns: prepared.columns().iter().map(column_type).collect(),
                filled,
            });
        }
        described
    };
    let (closed, described) = tokio::join!(connection, work);
    closed.unwrap();
    described
}

#[expect(clippy::unnecessary_wraps, reason = "SQLite does not know every type")]
fn column_type(column: &tokio_postgres::Column) -> Option<String> {
    Some(column.type_().name().to_owned())
}

/// A query for the columns that a bulk insert fills.
fn filled(statement: &Statement) -> Option<String> {
    let text = statement.sqlite().strip_prefix("INSERT INTO ")?;
    let (table, rest) = text.split_once(" (").filter(|_| !statement.columns().is_empty())?;
    let (names, _) = rest.split_once(')')?;
    Some(format!("SELECT {names} FROM {table}"))
}
