//! Statements on a connection of SQLite.

use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::{DbError, Row, Statement, Value};

/// Runs text that takes no parameters and answers nothing.
pub(crate) fn sqlite_control(conn: &rusqlite::Connection, text: &str) -> Result<(), DbError> {
    conn.prepare_cached(text).and_then(|mut s| s.raw_execute()).map_err(sqlite_error)?;
    Ok(())
}

fn bind(statement: &mut rusqlite::Statement<'_>, args: &[Value]) -> Result<(), DbError> {
    for (index, arg) in args.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, SqliteValue(arg)).map_err(sqlite_error)?;
    }
    Ok(())
}

pub(crate) fn sqlite_query(
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

/// Runs a command, in the open transaction and nowhere else: where an earlier statement found no
/// room, SQLite has undone the transaction by itself, and what came now would be half of a change.
pub(crate) fn sqlite_execute(
    conn: &rusqlite::Connection,
    statement: &Statement,
    args: &[Value],
) -> Result<u64, DbError> {
    sqlite_execute_many(conn, statement, std::iter::once(args))
}

/// The same once for each row, prepared once.
pub(crate) fn sqlite_execute_many<'r>(
    conn: &rusqlite::Connection,
    statement: &Statement,
    rows: impl Iterator<Item = &'r [Value]>,
) -> Result<u64, DbError> {
    let mut prepared = conn.prepare_cached(statement.sqlite()).map_err(sqlite_error)?;
    let mut changed = 0;
    for args in rows {
        if conn.is_autocommit() {
            return Err(DbError::Full);
        }
        bind(&mut prepared, args)?;
        changed += prepared.raw_execute().map_err(sqlite_error)? as u64;
    }
    Ok(changed)
}

/// The same for a command that returns something of what it wrote.
pub(crate) fn sqlite_returning(
    conn: &rusqlite::Connection,
    statement: &Statement,
    args: &[Value],
) -> Result<Vec<Row>, DbError> {
    if conn.is_autocommit() {
        return Err(DbError::Full);
    }
    sqlite_query(conn, statement, args)
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
