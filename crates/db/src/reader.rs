//! Reading, inside a unit of work and outside of one.

use crate::conn::Conn;
use crate::{DbError, FromRow, Query, Value};

/// The capability to run queries. It cannot write: its statements are checked to be selects when
/// they are compiled, and outside of a unit of work its connection is read-only at the engine too.
pub struct Reader<'c> {
    pub(crate) conn: &'c mut Conn,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader<'_> {
    /// Every row of the answer.
    pub async fn rows<T: FromRow>(
        &mut self,
        query: &Query,
        args: &[Value],
    ) -> Result<Vec<T>, DbError> {
        let rows = self.conn.query(query.statement(), args).await?;
        rows.into_iter().map(|mut row| T::from_row(&mut row)).collect()
    }

    /// The first row of the answer, if there is one.
    pub async fn row<T: FromRow>(
        &mut self,
        query: &Query,
        args: &[Value],
    ) -> Result<Option<T>, DbError> {
        Ok(self.rows(query, args).await?.into_iter().next())
    }

    /// The only column of the only row: a count, a sum.
    pub async fn scalar<T: crate::FromValue>(
        &mut self,
        query: &Query,
        args: &[Value],
    ) -> Result<T, DbError> {
        let row: Option<(T,)> = self.row(query, args).await?;
        row.map(|(value,)| value).ok_or(DbError::Decode { column: 0 })
    }
}
