//! One connection of either engine, and the statements that run on it.

use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::error::SqlState;

use crate::pg_value::{PgColumn, PgValue};
use crate::run::Isolation;
use crate::{Bulk, DbError, Row, Statement, Value};

/// Is told of everything that is about to run, for the test that runs it again among the rows of
/// two tenants. Nobody observes in production.
#[doc(hidden)]
pub trait Observer: Send + Sync {
    /// A statement; a bulk is told row by row.
    fn statement(&self, name: &'static str, args: &[Value]);
    /// Text without parameters: a savepoint of SQLite's writer, a session's settings.
    fn control(&self, text: &str);
}

/// A connection, and who observes it.
pub(crate) struct Conn {
    pub(crate) link: Link,
    observer: Option<Arc<dyn Observer>>,
}

/// A connection of either engine.
pub(crate) enum Link {
    /// SQLite: statements run at once, on the thread that asks.
    Sqlite(Box<rusqlite::Connection>),
    /// PostgreSQL: statements go over the wire.
    Postgres(Box<PgConn>),
}

/// A pooled connection that is closed, not returned, if it is dropped inside a transaction.
pub(crate) struct PgConn {
    pub(crate) client: Option<deadpool_postgres::Object>,
    pub(crate) in_transaction: bool,
    /// Whether the server ended the transaction because another came in between.
    pub(crate) conflicted: bool,
    /// Whether a statement failed: what is committed after that is nothing.
    pub(crate) failed: bool,
    /// What opens the unit of a group, sent before the unit's first statement: most have none.
    entry: Option<String>,
}

impl Drop for PgConn {
    fn drop(&mut self) {
        if self.in_transaction
            && let Some(client) = self.client.take()
        {
            drop(deadpool_postgres::Object::take(client));
        }
    }
}

impl PgConn {
    pub(crate) fn new(client: deadpool_postgres::Object) -> Self {
        Self {
            client: Some(client),
            in_transaction: false,
            conflicted: false,
            failed: false,
            entry: None,
        }
    }

    fn client(&self) -> Result<&deadpool_postgres::Object, DbError> {
        self.client.as_ref().ok_or_else(|| DbError::Unavailable("connection closed".to_owned()))
    }

    fn note<T>(&mut self, result: Result<T, tokio_postgres::Error>) -> Result<T, DbError> {
        result.map_err(|error| {
            let error = pg_error(error);
            self.failed = true;
            self.conflicted |= matches!(error, DbError::Conflict);
            error
        })
    }

    async fn query(&mut self, statement: &Statement, args: &[Value]) -> Result<Vec<Row>, DbError> {
        self.enter().await?;
        let client = self.client()?;
        let result = async {
            let prepared = client.prepare_cached(statement.postgres()).await?;
            let args: Vec<PgValue<'_>> = args.iter().map(PgValue).collect();
            client.query(&prepared, &pg_args(&args)).await
        };
        let result = result.await;
        self.note(result)?.iter().map(pg_row).collect()
    }

    async fn execute(&mut self, statement: &Statement, args: &[Value]) -> Result<u64, DbError> {
        self.enter().await?;
        let client = self.client()?;
        let result = async {
            let prepared = client.prepare_cached(statement.postgres()).await?;
            let args: Vec<PgValue<'_>> = args.iter().map(PgValue).collect();
            client.execute(&prepared, &pg_args(&args)).await
        };
        let result = result.await;
        self.note(result)
    }

    async fn execute_many(
        &mut self,
        statement: &Statement,
        rows: &[Vec<Value>],
    ) -> Result<u64, DbError> {
        self.enter().await?;
        let client = self.client()?;
        let result = async {
            let prepared = client.prepare_cached(statement.postgres()).await?;
            let columns: Vec<PgColumn<'_>> = statement
                .columns()
                .iter()
                .enumerate()
                .map(|(index, column)| PgColumn { rows, index, column: *column })
                .collect();
            let args: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
                columns.iter().map(|c| c as _).collect();
            client.execute(&prepared, &args).await
        };
        let result = result.await;
        self.note(result)
    }

    /// Opens the unit of a group, if that is still to be done.
    async fn enter(&mut self) -> Result<(), DbError> {
        match self.entry.take() {
            Some(entry) => self.control(&entry).await,
            None => Ok(()),
        }
    }

    /// Ends the unit of a group. Says whether what it did stays.
    async fn leave(&mut self, done: bool) -> Result<bool, DbError> {
        let stays = done && !self.failed;
        if self.entry.take().is_none() {
            let end = if stays { "" } else { "ROLLBACK TO SAVEPOINT unit; " };
            (self.failed, self.conflicted) = (false, false);
            let text = format!("{end}RELEASE SAVEPOINT unit; SET LOCAL tidings.tenant = '*'");
            self.control(&text).await?;
        }
        Ok(stays)
    }

    async fn control(&mut self, text: &str) -> Result<(), DbError> {
        let result = self.client()?.batch_execute(text).await;
        self.note(result)
    }

    /// Ends the transaction. A COMMIT that the server did not refuse may have happened.
    async fn end(&mut self, text: &str) -> Result<(), DbError> {
        let result = self.client()?.batch_execute(text).await;
        self.in_transaction = result.is_err();
        let refused =
            result.as_ref().is_err_and(|error| error.as_db_error().is_some() && !error.is_closed());
        self.note(result).map_err(|error| {
            let parted = matches!(error, DbError::Unavailable(_)) || !refused;
            if parted && text == "COMMIT" { DbError::Unknown(error.to_string()) } else { error }
        })
    }
}

impl Conn {
    pub(crate) fn new(link: Link, observer: Option<Arc<dyn Observer>>) -> Self {
        Self { link, observer }
    }

    fn observe(&self, statement: &Statement, args: &[Value]) {
        if let Some(observer) = &self.observer {
            observer.statement(statement.name, args);
        }
    }

    pub(crate) async fn query(
        &mut self,
        statement: &Statement,
        args: &[Value],
    ) -> Result<Vec<Row>, DbError> {
        self.observe(statement, args);
        match &mut self.link {
            Link::Sqlite(conn) => sqlite_query(conn, statement, args),
            Link::Postgres(conn) => conn.query(statement, args).await,
        }
    }

    pub(crate) async fn execute(
        &mut self,
        statement: &Statement,
        args: &[Value],
    ) -> Result<u64, DbError> {
        self.observe(statement, args);
        match &mut self.link {
            Link::Sqlite(conn) => sqlite_execute(conn, statement, args),
            Link::Postgres(conn) => conn.execute(statement, args).await,
        }
    }

    pub(crate) async fn execute_many(
        &mut self,
        bulk: &Bulk,
        rows: &[Vec<Value>],
    ) -> Result<u64, DbError> {
        if rows.is_empty() {
            return Ok(0);
        }
        for row in rows {
            self.observe(bulk.statement(), row);
        }
        match &mut self.link {
            Link::Sqlite(conn) => {
                let mut changed = 0;
                for row in rows {
                    changed += sqlite_execute(conn, bulk.statement(), row)?;
                }
                Ok(changed)
            }
            Link::Postgres(conn) => conn.execute_many(bulk.statement(), rows).await,
        }
    }

    /// Begins a transaction that sees one tenant's rows. SQLite's writer has begun
    /// one for the whole group already, and every one of its transactions is serialisable.
    pub(crate) async fn begin(
        &mut self,
        isolation: Isolation,
        tenant: &str,
    ) -> Result<(), DbError> {
        let Link::Postgres(conn) = &mut self.link else { return Ok(()) };
        conn.in_transaction = true;
        let level = match isolation {
            Isolation::Serializable => "SERIALIZABLE",
            Isolation::ReadCommitted => "READ COMMITTED",
        };
        let begin = format!(
            "BEGIN ISOLATION LEVEL {level} READ WRITE; SET LOCAL tidings.tenant = '{tenant}'"
        );
        conn.control(&begin).await
    }

    /// Begins one unit of a group that shares a transaction of PostgreSQL.
    pub(crate) fn enter_unit(&mut self, tenant: &str) {
        if let Link::Postgres(conn) = &mut self.link {
            let entry = format!("SAVEPOINT unit; SET LOCAL tidings.tenant = '{tenant}'");
            conn.entry = Some(entry);
        }
    }

    /// Ends it: what it did stays, or is undone. Says which.
    pub(crate) async fn leave_unit(&mut self, done: bool) -> Result<bool, DbError> {
        match &mut self.link {
            Link::Postgres(conn) => conn.leave(done).await,
            Link::Sqlite(_) => Ok(done),
        }
    }

    /// Makes durable what was done since [`Conn::begin`].
    pub(crate) async fn commit(&mut self) -> Result<(), DbError> {
        let Link::Postgres(conn) = &mut self.link else { return Ok(()) };
        if conn.failed {
            // PostgreSQL answers COMMIT after a failed statement with a rollback, and no error.
            conn.end("ROLLBACK").await?;
            return Err(DbError::Engine("a failed statement was passed over".into()));
        }
        conn.end("COMMIT").await
    }

    /// Undoes what was done since [`Conn::begin`].
    pub(crate) async fn roll_back(&mut self) -> Result<(), DbError> {
        let Link::Postgres(conn) = &mut self.link else { return Ok(()) };
        conn.end("ROLLBACK").await
    }

    /// Runs text that takes no parameters: transaction control, session settings.
    pub(crate) async fn control(&mut self, text: &str) -> Result<(), DbError> {
        if let Some(observer) = &self.observer {
            observer.control(text);
        }
        match &mut self.link {
            Link::Sqlite(conn) => sqlite_control(conn, text),
            Link::Postgres(conn) => conn.control(text).await,
        }
    }
}

/// Runs text that takes no parameters and answers nothing.
pub(crate) fn sqlite_control(conn: &rusqlite::Connection, text: &str) -> Result<(), DbError> {
    conn.prepare_cached(text).and_then(|mut s| s.raw_execute()).map_err(sqlite_error)?;
    Ok(())
}

fn pg_args<'a>(args: &'a [PgValue<'_>]) -> Vec<&'a (dyn tokio_postgres::types::ToSql + Sync)> {
    args.iter().map(|arg| arg as _).collect()
}

fn pg_row(row: &tokio_postgres::Row) -> Result<Row, DbError> {
    let mut values = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        values.push(row.try_get::<_, Value>(column).map_err(|_| DbError::Decode { column })?);
    }
    Ok(Row::new(values))
}

fn bind(statement: &mut rusqlite::Statement<'_>, args: &[Value]) -> Result<(), DbError> {
    for (index, arg) in args.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, SqliteValue(arg)).map_err(sqlite_error)?;
    }
    Ok(())
}

fn sqlite_query(
    conn: &rusqlite::Connection,
    statement: &Statement,
    args: &[Value],
) -> Result<Vec<Row>, DbError> {
    let mut prepared = conn.prepare_cached(statement.sqlite()).map_err(sqlite_error)?;
    bind(&mut prepared, args)?;
    let columns = prepared.column_count();
    let mut rows = prepared.raw_query();
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite_error)? {
        let mut values = Vec::with_capacity(columns);
        for column in 0..columns {
            let value = match row.get_ref(column).map_err(sqlite_error)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Int(number),
                ValueRef::Text(text) => Value::Text(
                    std::str::from_utf8(text).map_err(|_| DbError::Decode { column })?.to_owned(),
                ),
                ValueRef::Blob(bytes) => Value::Bytes(bytes::Bytes::copy_from_slice(bytes)),
                ValueRef::Real(_) => return Err(DbError::Decode { column }),
            };
            values.push(value);
        }
        out.push(Row::new(values));
    }
    Ok(out)
}

fn sqlite_execute(
    conn: &rusqlite::Connection,
    statement: &Statement,
    args: &[Value],
) -> Result<u64, DbError> {
    let mut prepared = conn.prepare_cached(statement.sqlite()).map_err(sqlite_error)?;
    bind(&mut prepared, args)?;
    prepared.raw_execute().map(|changed| changed as u64).map_err(sqlite_error)
}

struct SqliteValue<'a>(&'a Value);

impl rusqlite::ToSql for SqliteValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Int(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Bool(yes) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*yes))),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::Uuid(uuid) => ToSqlOutput::Borrowed(ValueRef::Blob(uuid.as_bytes())),
            Value::List(items) => ToSqlOutput::Owned(list_json(items).into()),
        })
    }
}

/// A list for `json_each`: ids in hexadecimal, because JSON has no bytes.
fn list_json(items: &[Value]) -> String {
    let items: Vec<serde_json::Value> = items
        .iter()
        .map(|item| match item {
            Value::Uuid(uuid) => uuid.simple().to_string().into(),
            Value::Text(text) => text.as_str().into(),
            Value::Int(number) => (*number).into(),
            Value::Bool(yes) => (*yes).into(),
            Value::Null | Value::Bytes(_) | Value::List(_) => serde_json::Value::Null,
        })
        .collect();
    serde_json::Value::Array(items).to_string()
}

/// Turns SQLite's error into one that can be acted on.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a code that nothing can be done about is passed on, whatever SQLite calls it"
)]
pub(crate) fn sqlite_error(error: rusqlite::Error) -> DbError {
    use rusqlite::ErrorCode;
    let Some(failure) = error.sqlite_error() else { return DbError::Engine(Box::new(error)) };
    match failure.code {
        ErrorCode::ConstraintViolation
            if matches!(
                failure.extended_code,
                rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                    | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            ) =>
        {
            DbError::Duplicate { constraint: error.to_string() }
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            DbError::Unavailable("another process holds the database".to_owned())
        }
        ErrorCode::DiskFull => DbError::Full,
        ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt => DbError::Fatal(Box::new(error)),
        _ => DbError::Engine(Box::new(error)),
    }
}

/// Turns PostgreSQL's error into one that can be acted on.
pub(crate) fn pg_error(error: tokio_postgres::Error) -> DbError {
    if error.is_closed() {
        return DbError::Unavailable("the connection to PostgreSQL was lost".to_owned());
    }
    let Some(server) = error.as_db_error() else {
        return if std::error::Error::source(&error)
            .is_some_and(|source| source.downcast_ref::<std::io::Error>().is_some())
        {
            DbError::Unavailable("the connection to PostgreSQL was lost".to_owned())
        } else {
            DbError::Engine(Box::new(error))
        };
    };
    match server.code() {
        code if *code == SqlState::T_R_SERIALIZATION_FAILURE
            || *code == SqlState::T_R_DEADLOCK_DETECTED =>
        {
            DbError::Conflict
        }
        code if *code == SqlState::UNIQUE_VIOLATION => {
            DbError::Duplicate { constraint: server.constraint().unwrap_or_default().to_owned() }
        }
        code if *code == SqlState::DISK_FULL => DbError::Full,
        code if code.code().starts_with("57P")
            || code.code().starts_with("53")
            || code.code().starts_with("08")
            || *code == SqlState::QUERY_CANCELED
            || *code == SqlState::LOCK_NOT_AVAILABLE =>
        {
            DbError::Unavailable(server.message().to_owned())
        }
        _ => DbError::Engine(Box::new(error)),
    }
}
