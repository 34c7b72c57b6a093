//! Statements on a connection of PostgreSQL.

use std::future::Future;
use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use tokio::time::error::Elapsed;
use tokio_postgres::error::SqlState;

use crate::pg_value::{PgColumn, PgValue};
use crate::{DbError, Row, Statement, Value};

/// The longest wait for an answer. The server ends a statement before that (`statement_timeout`), so
/// whoever says nothing for longer is not there any more: a server that another took over from
/// without a word, a network that swallows. No error would ever tell.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(12);
/// From this on a wait that nobody waited out is a reason to distrust the connections beside it.
const SILENT_AFTER: Duration = Duration::from_secs(1);

/// What came within [`ANSWER_MAX`].
type Answer<T> = Result<Result<T, tokio_postgres::Error>, Elapsed>;

/// Waits for an answer, though not for ever.
fn answered<F: Future>(asking: F) -> tokio::time::Timeout<F> {
    tokio::time::timeout(ANSWER_MAX, asking)
}

/// A pooled connection that is closed, not returned, if it is dropped inside a transaction, or while
/// an answer is awaited: whoever takes it next would wait behind that.
pub(crate) struct PgConn {
    pub(crate) client: Option<Object>,
    /// Since when an answer is awaited.
    asked_at: Option<Instant>,
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
        if self.in_transaction || self.asked_at.is_some() {
            self.throw_away();
        }
    }
}

impl PgConn {
    pub(crate) fn new(client: Object) -> Self {
        Self {
            client: Some(client),
            asked_at: None,
            in_transaction: false,
            conflicted: false,
            failed: false,
            entry: None,
        }
    }

    /// The connection, to ask something: until [`PgConn::note`] an answer is awaited.
    fn ask(&mut self) -> Result<&Object, DbError> {
        let client = self.client.as_ref();
        let client = client.ok_or_else(|| DbError::Unavailable("connection closed".to_owned()))?;
        self.asked_at = Some(Instant::now());
        Ok(client)
    }

    fn note<T>(&mut self, answer: Answer<T>) -> Result<T, DbError> {
        let Ok(result) = answer else {
            self.failed = true;
            self.throw_away();
            let seconds = ANSWER_MAX.as_secs();
            let error = format!("PostgreSQL did not answer within {seconds} seconds");
            return Err(DbError::Unavailable(error));
        };
        self.asked_at = None;
        result.map_err(|error| {
            let error = pg_error(error);
            self.failed = true;
            self.conflicted |= matches!(error, DbError::Conflict);
            error
        })
    }

    /// Closes the connection. Where an answer was awaited for long, connections that have answered
    /// nobody since are closed too: what swallowed this one may have swallowed them, and each would
    /// cost somebody the same wait.
    fn throw_away(&mut self) {
        let Some(client) = self.client.take() else { return };
        let silent = self.asked_at.map(|asked_at| asked_at.elapsed());
        if let Some(silent) = silent.filter(|silent| *silent >= SILENT_AFTER)
            && let Some(pool) = Object::pool(&client)
        {
            let kept = pool.retain(|_, used| used.last_used() < silent);
            tracing::warn!(
                seconds = silent.as_secs(),
                beside = kept.removed.len(),
                "a connection to PostgreSQL was silent and is closed"
            );
        }
        drop(Object::take(client));
    }

    pub(crate) async fn query(
        &mut self,
        statement: &Statement,
        args: &[Value],
    ) -> Result<Vec<Row>, DbError> {
        self.enter().await?;
        let client = self.ask()?;
        let answer = answered(async {
            let prepared = client.prepare_cached(statement.postgres()).await?;
            let args: Vec<PgValue<'_>> = args.iter().map(PgValue).collect();
            client.query(&prepared, &pg_args(&args)).await
        });
        let answer = answer.await;
        self.note(answer)?.iter().map(pg_row).collect()
    }

    pub(crate) async fn execute(
        &mut self,
        statement: &Statement,
        args: &[Value],
    ) -> Result<u64, DbError> {
        self.enter().await?;
        let client = self.ask()?;
        let answer = answered(async {
            let prepared = client.prepare_cached(statement.postgres()).await?;
            let args: Vec<PgValue<'_>> = args.iter().map(PgValue).collect();
            client.execute(&prepared, &pg_args(&args)).await
        });
        let answer = answer.await;
        self.note(answer)
    }

    pub(crate) async fn execute_many(
        &mut self,
        statement: &Statement,
        rows: &[Vec<Value>],
    ) -> Result<u64, DbError> {
        self.enter().await?;
        let client = self.ask()?;
        let answer = answered(async {
            let prepared = client.prepare_cached(statement.postgres()).await?;
            let columns = pg_columns(statement, rows);
            client.execute(&prepared, &pg_arrays(&columns)).await
        });
        let answer = answer.await;
        self.note(answer)
    }

    pub(crate) async fn insert_many(
        &mut self,
        statement: &Statement,
        rows: &[Vec<Value>],
    ) -> Result<Vec<Row>, DbError> {
        self.enter().await?;
        let client = self.ask()?;
        let answer = answered(async {
            let prepared = client.prepare_cached(statement.postgres()).await?;
            let columns = pg_columns(statement, rows);
            client.query(&prepared, &pg_arrays(&columns)).await
        });
        let answer = answer.await;
        self.note(answer)?.iter().map(pg_row).collect()
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
        let answer = answered(self.ask()?.batch_execute(text)).await;
        self.note(answer)
    }

    /// Ends the transaction. A COMMIT that the server did not refuse may have happened.
    pub(crate) async fn end(&mut self, text: &str) -> Result<(), DbError> {
        let answer = answered(self.ask()?.batch_execute(text)).await;
        self.in_transaction = !matches!(answer, Ok(Ok(())));
        let refused = matches!(&answer, Ok(Err(error)) if error.as_db_error().is_some() && !error.is_closed());
        self.note(answer).map_err(|error| {
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
