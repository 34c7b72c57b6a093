//! PostgreSQL databases of their own for tests.
//!
//! The server comes from outside, in the variable `TIDINGS_TEST_POSTGRES`: `cargo xtask test` starts
//! one for the run. Each test takes an empty database from it and drops it at its end. The schema is
//! not copied from a template: the program migrates what it opens, and tests should see that.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::NoTls;
use url::Url;

use crate::given::given;

const SERVER_URL_VARIABLE: &str = "TIDINGS_TEST_POSTGRES";

/// An empty database that is dropped with this value, together with whoever is still connected.
#[derive(Debug)]
pub struct Database {
    /// Where the program finds it.
    pub url: String,
    server: Url,
    name: String,
}

/// Makes a database for one test.
///
/// `None` when no server was given: the test passes without having tested PostgreSQL, and the reason
/// is printed once. On CI that would be a lie, so there it panics.
pub async fn fresh_database() -> Option<Database> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = server_url()?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("t_{}_{number}", std::process::id());
    // A server that outlives its runs may still hold the database of a killed one.
    let leftover = drop_statement(&name);
    let create = format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
    );
    for statement in [leftover, create] {
        if let Err(error) = execute(&server, &statement).await {
            panic!("`{statement}` failed on the server of {SERVER_URL_VARIABLE}: {error:?}");
        }
    }
    let mut url = server.clone();
    url.set_path(&name);
    Some(Database { url: url.into(), server, name })
}

impl Drop for Database {
    /// On a thread with a runtime of its own, because a test's runtime cannot be waited on from
    /// within. A failure is tolerated: the test has its result, and the server goes with the run.
    fn drop(&mut self) {
        let server = self.server.clone();
        let statement = drop_statement(&self.name);
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.is_ok_and(|runtime| runtime.block_on(execute(&server, &statement)).is_ok())
        });
        let _ = dropping.join();
    }
}

fn server_url() -> Option<Url> {
    let url = given(SERVER_URL_VARIABLE, "PostgreSQL")?;
    match Url::parse(&url) {
        Ok(url) => Some(url),
        Err(error) => panic!("{SERVER_URL_VARIABLE} is not a URL: {error}"),
    }
}

impl Database {
    /// Runs text on a connection of its own, with everybody's rows.
    pub async fn run(&self, text: &str) {
        let url = Url::parse(&self.url).unwrap();
        execute(&url, &format!("SET tidings.tenant = '*'; {text}")).await.unwrap();
    }
}

/// The names are our own, so they need no quoting.
fn drop_statement(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
}

/// Runs one statement on a connection of its own; `CREATE DATABASE` allows no neighbours.
async fn execute(server: &Url, statement: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(server.as_str(), NoTls).await?;
    let work = async move {
        // The client goes at the end of this block, and with it the connection ends.
        client.batch_execute(statement).await
    };
    let (closed, done) = tokio::join!(connection, work);
    done.and(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn scalar(url: &str, query: &str) -> String {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let work = async move { client.query_one(query, &[]).await.unwrap().get(0) };
        let (closed, value) = tokio::join!(connection, work);
        closed.unwrap();
        value
    }

    #[tokio::test]
    async fn each_database_is_new_and_sorts_by_bytes() {
        let Some(first) = fresh_database().await else { return };
        let Some(second) = fresh_database().await else { return };
        assert_ne!(first.url, second.url);
        assert_eq!(scalar(&first.url, "SELECT current_user::text").await, "tidings");
        let collation =
            "SELECT datcollate::text FROM pg_database WHERE datname = current_database()";
        assert_eq!(scalar(&first.url, collation).await, "C");
    }

    #[tokio::test]
    async fn a_database_goes_with_its_value() {
        let Some(database) = fresh_database().await else { return };
        let count =
            format!("SELECT count(*)::text FROM pg_database WHERE datname = '{}'", database.name);
        let server = database.server.to_string();
        assert_eq!(scalar(&server, &count).await, "1");
        drop(database);
        assert_eq!(scalar(&server, &count).await, "0");
    }

    #[tokio::test]
    async fn a_database_in_use_goes_too() {
        let Some(database) = fresh_database().await else { return };
        let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
        drop(database);
        assert!(connection.await.is_err());
        drop(client);
    }
}
