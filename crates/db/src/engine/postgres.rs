//! PostgreSQL: a pool of connections.

use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::config::{Config, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::DbError;
use crate::engine::sqlite::WriterMode;
use crate::metrics::{DbMetrics, PoolState};
use crate::pg_conn::{ANSWER_MAX, pg_error};

/// How long to wait for a connection before a caller is told to come back.
const ACQUIRE_MAX: Duration = Duration::from_secs(2);
/// The oldest server: 15 has `NULLS NOT DISTINCT` and what the statements need.
const OLDEST_VERSION: i64 = 150_000;

pub(crate) struct Postgres {
    pool: Pool,
    /// For bookkeeping alone: a heartbeat must not wait behind requests for a connection.
    reserved: Pool,
    metrics: DbMetrics,
}

/// What each connection is told. A plan is made for each execution: one that was made while the tables
/// were empty, and kept, reads all of them once they are full, which a burst does within seconds and
/// before anything is analysed. Compiling a plan costs more than any statement here.
const SETTINGS: &str = "-c statement_timeout=10s -c lock_timeout=5s \
    -c idle_in_transaction_session_timeout=10s -c search_path=public \
    -c plan_cache_mode=force_custom_plan -c jit=off -c max_parallel_workers_per_gather=0";

/// What the server does not confirm within this ends a connection, and so does silence of a bit more
/// than that while nothing is asked. Long enough for a packet that is sent again, short enough to be
/// over before the watchdog looks.
const UNHEARD_MAX: Duration = Duration::from_secs(5);
/// Between two questions whether the other end is still there, and how many are asked in vain.
const KEEPALIVE: (Duration, u32) = (Duration::from_secs(2), 3);

/// Connections for bookkeeping.
const RESERVED: usize = 4;

impl Postgres {
    pub(crate) async fn open(
        url: &str,
        connections: usize,
        writer: WriterMode,
        metrics: DbMetrics,
    ) -> Result<Self, DbError> {
        let mut config: Config = url
            .parse()
            .map_err(|_| DbError::Unavailable("the database URL cannot be read".to_owned()))?;
        config
            .application_name("tidings")
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(Duration::from_secs(5))
            .tcp_user_timeout(UNHEARD_MAX)
            .keepalives(true)
            .keepalives_idle(UNHEARD_MAX)
            .keepalives_interval(KEEPALIVE.0)
            .keepalives_retries(KEEPALIVE.1)
            .options(SETTINGS);
        let only_looks = writer == WriterMode::Absent;
        if only_looks {
            // A standby will do.
            config
                .target_session_attrs(TargetSessionAttrs::Any)
                .options(format!("{SETTINGS} -c default_transaction_read_only=on"));
        }
        let tls = MakeRustlsConnect::new(tls()?);
        let pool = |size: usize| {
            let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            let manager = Manager::from_config(config.clone(), tls.clone(), recycling);
            Pool::builder(manager)
                .max_size(size)
                .runtime(Runtime::Tokio1)
                .timeouts(Timeouts {
                    wait: Some(ACQUIRE_MAX),
                    create: Some(Duration::from_secs(6)),
                    recycle: Some(ACQUIRE_MAX),
                })
                .build()
                .map_err(|error| DbError::Unavailable(error.to_string()))
        };
        let engine = Self { pool: pool(connections)?, reserved: pool(RESERVED)?, metrics };
        let silent = |_| DbError::Unavailable("PostgreSQL accepts and says nothing".to_owned());
        tokio::time::timeout(ANSWER_MAX, engine.assert_sound()).await.map_err(silent)??;
        let mut connection = engine.connection().await?;
        if only_looks {
            crate::migrate::expect_postgres(&connection).await?;
        } else {
            crate::migrate::postgres(&mut connection).await?;
        }
        drop(connection);
        Ok(engine)
    }

    pub(crate) async fn connection(&self) -> Result<Object, DbError> {
        self.take("requests", &self.pool).await
    }

    /// A connection for bookkeeping.
    pub(crate) async fn reserved(&self) -> Result<Object, DbError> {
        self.take("bookkeeping", &self.reserved).await
    }

    /// The connections as they are now.
    pub(crate) fn pools(&self) -> [PoolState; 2] {
        [("requests", &self.pool), ("bookkeeping", &self.reserved)].map(|(pool, connections)| {
            let status = connections.status();
            let in_use = status.size.saturating_sub(status.available);
            PoolState { pool, most: status.max_size, in_use, waiting: status.waiting }
        })
    }

    async fn take(&self, name: &'static str, pool: &Pool) -> Result<Object, DbError> {
        let since = Instant::now();
        let connection = pool.get().await;
        self.metrics.connected(name, since);
        connection.map_err(|error| {
            if let deadpool_postgres::PoolError::Backend(error) = error {
                tracing::warn!(%error, "no connection to PostgreSQL");
                return DbError::Unavailable("no connection to PostgreSQL".to_owned());
            }
            DbError::Unavailable(error.to_string())
        })
    }

    async fn assert_sound(&self) -> Result<(), DbError> {
        let client = self.connection().await?;
        let row = client
            .query_one(
                "SELECT CAST(current_setting('server_version_num') AS BIGINT), \
                 current_setting('synchronous_commit'), current_setting('fsync')",
                &[],
            )
            .await
            .map_err(pg_error)?;
        let version: i64 = row.get(0);
        let commit: &str = row.get(1);
        if version < OLDEST_VERSION {
            return Err(DbError::Unavailable(format!(
                "PostgreSQL 15 or newer is needed, this is {}",
                version / 10_000
            )));
        }
        if commit == "off" {
            return Err(DbError::Unavailable(
                "synchronous_commit is off: a crash would lose what was accepted".to_owned(),
            ));
        }
        if row.get::<_, &str>(2) == "off" {
            tracing::warn!("fsync is off on this PostgreSQL: a power cut loses what was accepted");
        }
        Ok(())
    }
}

fn tls() -> Result<rustls::ClientConfig, DbError> {
    let mut roots = rustls::RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DbError::Unavailable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
