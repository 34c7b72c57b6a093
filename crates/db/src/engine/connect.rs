//! Connections to SQLite, each as sound as the next.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::DbError;
use crate::sqlite_conn::sqlite_error;

/// The oldest SQLite whose write-ahead log is known to be sound.
const OLDEST_VERSION: i32 = 3_051_003;

pub(super) fn assert_sound() -> Result<(), DbError> {
    if rusqlite::version_number() < OLDEST_VERSION {
        return Err(DbError::Unavailable(format!(
            "SQLite {} can corrupt its log; 3.51.3 is the oldest sound version",
            rusqlite::version()
        )));
    }
    Ok(())
}

pub(super) fn open_reader(path: &Path) -> Result<Box<Connection>, DbError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(sqlite_error)?;
    pragmas(&conn)?;
    conn.pragma_update(None, "query_only", true).map_err(sqlite_error)?;
    Ok(Box::new(conn))
}

/// A connection of whoever only looks, at a database that no server has open. The last connection
/// that is closed would copy the log back into the database, and remove it: what a crash has left
/// would be gone, and a full disk written to. Where there is no log, none is made.
pub(super) fn open_onlooker(path: &Path) -> Result<Box<Connection>, DbError> {
    if std::fs::metadata(wal_of(path)).is_ok_and(|log| log.len() > 0) {
        let conn = open_reader(path)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .map_err(sqlite_error)?;
        return Ok(conn);
    }
    // Nobody writes it, for whoever looks has the data directory's lock.
    let mut uri = url_of(path);
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(uri, flags).map_err(sqlite_error)?;
    pragmas(&conn)?;
    Ok(Box::new(conn))
}

/// The path as SQLite reads it in a URI: whatever could mean something there is escaped.
fn url_of(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    let escaped = path.as_os_str().as_bytes().iter().map(|byte| {
        if is_plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") }
    });
    // Behind an authority that is empty, so that a path that begins with two slashes has none.
    let scheme = if path.is_absolute() { "file://" } else { "file:" };
    std::iter::once(scheme.to_owned()).chain(escaped).collect()
}

pub(super) fn wal_of(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    PathBuf::from(wal)
}

pub(super) fn pragmas(conn: &Connection) -> Result<(), DbError> {
    conn.busy_timeout(Duration::from_secs(5)).map_err(sqlite_error)?;
    conn.set_prepared_statement_cache_capacity(512);
    for (name, value) in [
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("mmap_size", "0"),
        ("trusted_schema", "OFF"),
        ("cache_size", "-8192"),
        ("temp_store", "MEMORY"),
        // What is deleted is overwritten: erasure means the bytes of the file.
        ("secure_delete", "ON"),
    ] {
        conn.pragma_update(None, name, value).map_err(sqlite_error)?;
    }
    for (name, wanted) in [("synchronous", 2_i64), ("foreign_keys", 1)] {
        let is: i64 =
            conn.pragma_query_value(None, name, |row| row.get(0)).map_err(sqlite_error)?;
        if is != wanted {
            return Err(DbError::Unavailable(format!("SQLite did not accept {name}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a look must leave as it is.
    fn bytes(path: &Path) -> (Vec<u8>, Option<Vec<u8>>) {
        (std::fs::read(path).unwrap(), std::fs::read(wal_of(path)).ok())
    }

    fn count(conn: &Connection) -> i64 {
        conn.query_row("SELECT COUNT(*) FROM notes", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_path_is_escaped_in_a_uri() {
        for (path, uri) in [
            ("data/tidings.db", "file:data/tidings.db"),
            ("/srv/tidings.db", "file:///srv/tidings.db"),
            ("//srv/tidings.db", "file:////srv/tidings.db"),
            ("a?b=c#d%e f.db", "file:a%3fb%3dc%23d%25e%20f.db"),
            ("é.db", "file:%c3%a9.db"),
        ] {
            assert_eq!(url_of(Path::new(path)), uri, "{path}");
        }
    }

    #[test]
    fn a_look_leaves_a_log_as_a_crash_left_it_and_makes_none() {
        // Whatever could mean something in a URI.
        let name = format!("tidings ?a=b#50%25é-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let live = folder.join("live.db");
        let conn = Connection::open(&live).unwrap();
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        conn.execute_batch("CREATE TABLE notes (id INTEGER); INSERT INTO notes VALUES (1), (2)")
            .unwrap();
        // The files as they are beside a process that is killed now.
        let crashed = folder.join("crashed.db");
        std::fs::copy(&live, &crashed).unwrap();
        std::fs::copy(wal_of(&live), wal_of(&crashed)).unwrap();
        drop(conn);
        let stopped = live;

        for (path, has_log) in [(&crashed, true), (&stopped, false)] {
            let before = bytes(path);
            assert_eq!(before.1.is_some(), has_log);
            let (one, other) = (open_onlooker(path).unwrap(), open_onlooker(path).unwrap());
            assert_eq!((count(&one), count(&other)), (2, 2));
            assert!(one.execute("DELETE FROM notes", []).is_err(), "who looks cannot write");
            drop((one, other));
            assert!(bytes(path) == before, "{} was changed", path.display());
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
