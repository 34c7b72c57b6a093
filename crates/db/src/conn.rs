//! One connection of either engine.

use std::sync::Arc;

use crate::pg_conn::PgConn;
use crate::run::Isolation;
use crate::sqlite_conn::{
    sqlite_control, sqlite_execute, sqlite_execute_many, sqlite_query, sqlite_returning,
};
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
                sqlite_execute_many(conn, bulk.statement(), rows.iter().map(Vec::as_slice))
            }
            Link::Postgres(conn) => conn.execute_many(bulk.statement(), rows).await,
        }
    }

    /// The same, with what the statement returns of each row, in the order of the rows.
    pub(crate) async fn insert_many(
        &mut self,
        bulk: &Bulk,
        rows: &[Vec<Value>],
    ) -> Result<Vec<Row>, DbError> {
        for row in rows {
            self.observe(bulk.statement(), row);
        }
        match &mut self.link {
            Link::Sqlite(conn) => {
                let mut returned = Vec::with_capacity(rows.len());
                for row in rows {
                    returned.extend(sqlite_returning(conn, bulk.statement(), row)?);
                }
                Ok(returned)
            }
            Link::Postgres(conn) => conn.insert_many(bulk.statement(), rows).await,
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

    /// Whether there is still a transaction: SQLite undoes one by itself where there is no room.
    pub(crate) fn is_in_transaction(&self) -> bool {
        match &self.link {
            Link::Sqlite(conn) => !conn.is_autocommit(),
            Link::Postgres(conn) => conn.in_transaction,
        }
    }

    /// Rows that SQLite's connection has changed since it was opened.
    pub(crate) fn changes(&self) -> u64 {
        match &self.link {
            Link::Sqlite(conn) => conn.total_changes(),
            Link::Postgres(_) => 0,
        }
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
