//! Statements on a connection of PostgreSQL.

use tokio_postgres::error::SqlState;

use crate::pg_value::{PgColumn, PgValue};
use crate::{DbError, Row, Statement, Value};

/// A pooled connection that is closed, not returned, if it is dropped inside a transaction.
pub(crate) struct PgConn {
    pub(crate) client: Option<deadpool_postgres::Object>,
    pub(crate) in_transaction: bool,
    /// Whether the server ended the transaction because another came in between.
    pub(crate) conflicted: bool,
    /// Whether a statement failed: what is committed after that is nothing.
    pub(crate) failed: bool,
    /// What opens the unit of a group, sent before the unit's first statement: most have none.
    pub(crate) entry: Option<String>,
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

    pub(crate) async fn query(
        &mut self,
        statement: &Statement,
        args: &[Value],
    ) -> Result<Vec<Row>, DbError> {
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

    pub(crate) async fn execute(
        &mut self,
        statement: &Statement,
        args: &[Value],
    ) -> Result<u64, DbError> {
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

    pub(crate) async fn execute_many(
        &mut self,
        statement: &Statement,
        rows: &[Vec<Value>],
    ) -> Result<u64, DbError> {
        self.enter().await?;
        let client = self.client()?;
        let result = async {
            let prepared = client.prepare_cached(statement.postgres()).await?;
            let columns = pg_columns(statement, rows);
            client.execute(&prepared, &pg_arrays(&columns)).await
        };
        let result = result.await;
        self.note(result)
    }

    pub(crate) async fn insert_many(
        &mut self,
        statement: &Statement,
        rows: &[Vec<Value>],
    ) -> Result<Vec<Row>, DbError> {
        self.enter().await?;
        let client = self.client()?;
        let result = async {
            let prepared = client.prepare_cached(statement.postgres()).await?;
            let columns = pg_columns(statement, rows);
            client.query(&prepared, &pg_arrays(&columns)).await
        };
        let result = result.await;
        self.note(result)?.iter().map(pg_row).collect()
    }

    /// Opens the unit of a group, if that is still to be done.
    async fn enter(&mut self) -> Result<(), DbError> {
        match self.entry.take() {
            Some(entry) => self.control(&entry).await,
            None => Ok(()),
        }
    }

    /// Ends the unit of a group. Says whether what it did stays.
    pub(crate) async fn leave(&mut self, done: bool) -> Result<bool, DbError> {
        let stays = done && !self.failed;
        if self.entry.take().is_none() {
            let end = if stays { "" } else { "ROLLBACK TO SAVEPOINT unit; " };
            (self.failed, self.conflicted) = (false, false);
            let text = format!("{end}RELEASE SAVEPOINT unit; SET LOCAL tidings.tenant = '*'");
            self.control(&text).await?;
        }
        Ok(stays)
    }

    pub(crate) async fn control(&mut self, text: &str) -> Result<(), DbError> {
        let result = self.client()?.batch_execute(text).await;
        self.note(result)
    }

    /// Ends the transaction. A COMMIT that the server did not refuse may have happened.
    pub(crate) async fn end(&mut self, text: &str) -> Result<(), DbError> {
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

fn pg_args<'a>(args: &'a [PgValue<'_>]) -> Vec<&'a (dyn tokio_postgres::types::ToSql + Sync)> {
    args.iter().map(|arg| arg as _).collect()
}

/// The rows of a bulk statement, as one array for each column.
fn pg_columns<'a>(statement: &Statement, rows: &'a [Vec<Value>]) -> Vec<PgColumn<'a>> {
    let columns = statement.columns().iter().enumerate();
    columns.map(|(index, column)| PgColumn { rows, index, column: *column }).collect()
}

fn pg_arrays<'a>(
    columns: &'a [PgColumn<'_>],
) -> Vec<&'a (dyn tokio_postgres::types::ToSql + Sync)> {
    columns.iter().map(|column| column as _).collect()
}

fn pg_row(row: &tokio_postgres::Row) -> Result<Row, DbError> {
    let mut values = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        values.push(row.try_get::<_, Value>(column).map_err(|_| DbError::Decode { column })?);
    }
    Ok(Row::new(values))
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
        code if *code == SqlState::CHARACTER_NOT_IN_REPERTOIRE
            || *code == SqlState::UNTRANSLATABLE_CHARACTER =>
        {
            DbError::Unstorable
        }
        code if *code == SqlState::DISK_FULL => DbError::Full,
        code if *code == SqlState::LOCK_NOT_AVAILABLE => DbError::Locked,
        code if code.code().starts_with("57P")
            || code.code().starts_with("53")
            || code.code().starts_with("08")
            || *code == SqlState::QUERY_CANCELED =>
        {
            DbError::Unavailable(server.message().to_owned())
        }
        _ => DbError::Engine(Box::new(error)),
    }
}
