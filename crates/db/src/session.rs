//! Reading outside of a unit of work.

use tidings_kernel::{TenantId, Timestamp, Uuid};

use crate::conn::{Conn, Link};
use crate::open::Engine;
use crate::pg_conn::PgConn;
use crate::{Db, DbError, LeaseClock, Reader};

crate::statements! {
    /// The one clock of all nodes.
    forked across query SERVER_TIME =
        "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
    /// The one writer of SQLite makes number and commit the same order; with several, transactions
    /// older than every running one have ended.
    forked across query ENDED_BELOW = "SELECT 9223372036854775807",
        "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)";
}

impl Db {
    /// Opens a read-only session for one tenant, or (the nil id) for all.
    pub async fn read(&self, tenant_id: TenantId) -> Result<ReadSession, DbError> {
        let conn = match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                let since = std::time::Instant::now();
                let permit = sqlite.permits.acquire().await;
                self.0.metrics.connected("readers", since);
                let permit = permit
                    .map_err(|_| DbError::Unavailable("the database is closed".to_owned()))?;
                permit.forget();
                let conn = sqlite.take_reader();
                let conn = conn.ok_or_else(|| DbError::Unavailable("no reader".to_owned()))?;
                self.0.conn(Link::Sqlite(conn))
            }
            Engine::Postgres(postgres) => {
                let link = Link::Postgres(Box::new(PgConn::new(postgres.connection().await?)));
                let mut conn = self.0.conn(link);
                let settings = format!(
                    "SET default_transaction_read_only = on; SET tidings.tenant = '{}'",
                    tenant_setting(tenant_id)
                );
                conn.control(&settings).await?;
                conn
            }
            Engine::Simulated(simulated) => {
                self.0.conn(Link::Sqlite(Box::pin(simulated.reader()).await?))
            }
        };
        Ok(ReadSession { conn: Some(conn), db: self.clone() })
    }

    /// Opens a read-only session over all tenants, for the engine's own loops.
    pub async fn read_across_tenants(&self) -> Result<ReadSession, DbError> {
        self.read(TenantId::from_uuid(Uuid::nil())).await
    }

    /// The server's clock, where leases follow it: nodes that differ from it show wrong instants.
    pub async fn server_now(&self) -> Result<Option<Timestamp>, DbError> {
        match (self.0.lease_clock, &self.0.engine) {
            (LeaseClock::Database, Engine::Postgres(_)) => self.lease_now().await.map(Some),
            (LeaseClock::Application, _) | (_, Engine::Sqlite(_) | Engine::Simulated(_)) => {
                Ok(None)
            }
        }
    }

    /// The clock that leases follow.
    pub async fn lease_now(&self) -> Result<Timestamp, DbError> {
        match (self.0.lease_clock, &self.0.engine) {
            (LeaseClock::Application, _) | (_, Engine::Sqlite(_)) => Ok(self.now()),
            (LeaseClock::Database, Engine::Simulated(simulated)) => Ok(simulated.time()),
            (LeaseClock::Database, Engine::Postgres(postgres)) => {
                let link = Link::Postgres(Box::new(PgConn::new(postgres.reserved().await?)));
                let mut conn = self.0.conn(link);
                Reader { conn: &mut conn }.scalar(&SERVER_TIME, &[]).await
            }
        }
    }
}

/// What row security compares with: the tenant, or `*` for the engine's own loops.
pub(crate) fn tenant_setting(tenant_id: TenantId) -> String {
    if tenant_id.uuid().is_nil() { "*".to_owned() } else { tenant_id.uuid().to_string() }
}

/// A read-only connection, given back when it is dropped.
pub struct ReadSession {
    conn: Option<Conn>,
    db: Db,
}

impl std::fmt::Debug for ReadSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadSession")
    }
}

impl ReadSession {
    /// The capability to read with it.
    pub fn reader(&mut self) -> Reader<'_> {
        let Some(conn) = &mut self.conn else { unreachable!("it is taken on drop only") };
        Reader { conn }
    }

    /// The transactions below this number have all ended: what is read after this call has all that
    /// they wrote, and nothing can appear among it any more. Whoever follows a table in the order of
    /// commits goes as far as this.
    pub async fn ended_below(&mut self) -> Result<i64, DbError> {
        self.reader().scalar(&ENDED_BELOW, &[]).await
    }
}

impl Drop for ReadSession {
    fn drop(&mut self) {
        let Some(Conn { link: Link::Sqlite(conn), .. }) = self.conn.take() else { return };
        match &self.db.0.engine {
            Engine::Sqlite(sqlite) => {
                sqlite.give_back(conn);
                sqlite.permits.add_permits(1);
            }
            Engine::Simulated(simulated) => simulated.give_back(conn),
            Engine::Postgres(_) => {}
        }
    }
}
