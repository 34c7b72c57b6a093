//! A group in which one unit finds no room: SQLite may undo the neighbours' part with it.

use super::*;
use crate::engine::group::Unit;

type Outcome = Result<(), DbError>;

/// A unit that runs a function and hands on what it and the flush came to.
struct Told<F> {
    run: F,
    result: Outcome,
    outcome: std::sync::mpsc::Sender<Outcome>,
}

impl<F: Fn(&Connection) -> Outcome + Send> Unit for Told<F> {
    fn run(&mut self, conn: Box<Connection>, guard: Guard) -> (Box<Connection>, Ended) {
        if guard == Guard::Savepoint {
            run(&conn, "SAVEPOINT unit").unwrap();
        }
        let before = conn.total_changes();
        self.result = (self.run)(&conn);
        let failed = self.result.is_err();
        if guard == Guard::Savepoint {
            run(&conn, if failed { "ROLLBACK TO unit; RELEASE unit" } else { "RELEASE unit" })
                .unwrap();
            return (conn, Ended::Whole);
        }
        let wrote = conn.total_changes() != before && !conn.is_autocommit();
        let ended = if failed && wrote { Ended::Spoilt } else { Ended::Whole };
        (conn, ended)
    }

    fn reply(self: Box<Self>, flushed: Result<(), DbError>) {
        // The test that asks for it waits for it.
        let _ = self.outcome.send(self.result.and(flushed));
    }
}

fn job(
    run: impl Fn(&Connection) -> Outcome + Send + 'static,
    outcome: std::sync::mpsc::Sender<Outcome>,
) -> Job {
    Box::new(Told { run, result: Ok(()), outcome })
}

fn run(conn: &Connection, text: &str) -> Outcome {
    conn.execute_batch(text).map_err(sqlite_error)
}

struct Bench {
    sqlite: Sqlite,
    fatal: Arc<Mutex<Vec<String>>>,
    folder: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tidings-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let fatal = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&fatal);
        let on_fatal: OnFatal = Arc::new(move |error| told.lock().unwrap().push(error.to_owned()));
        let path = folder.join("t.db");
        let metrics = DbMetrics::default();
        let sqlite = Sqlite::open(&path, WriterMode::Thread, on_fatal, metrics).unwrap();
        Self { sqlite, fatal, folder }
    }

    /// Runs jobs in one group: the first holds the writer until all the others wait.
    fn group(&self, texts: &[&'static str]) -> Vec<Outcome> {
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let (send, receive) = std::sync::mpsc::channel();
        let first =
            job(move |_| gate.recv().map_err(|e| DbError::Unavailable(e.to_string())), send);
        self.sqlite.push(Lane::Bulk, first).unwrap();
        let mut outcomes = vec![receive];
        for &text in texts {
            let (send, receive) = std::sync::mpsc::channel();
            self.sqlite.push(Lane::Bulk, job(move |conn| run(conn, text), send)).unwrap();
            outcomes.push(receive);
        }
        go.send(()).unwrap();
        // The group may run again, and its first job must not wait again.
        drop(go);
        outcomes.into_iter().skip(1).map(|outcome| outcome.recv().unwrap()).collect()
    }

    fn count(&self) -> i64 {
        let conn = self.sqlite.take_reader().unwrap();
        let count = conn.query_row("SELECT COUNT(*) FROM t", [], |row| row.get(0)).unwrap();
        self.sqlite.give_back(conn);
        count
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.sqlite.close();
        // A folder that is left behind is a nuisance, not a failure.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const SMALL: &str = "INSERT INTO t VALUES ('small')";
/// More than the pages that are left, in one row, so that SQLite undoes the whole transaction.
const HUGE: &str = "INSERT INTO t VALUES (zeroblob(4000000))";

#[test]
fn who_shares_a_group_with_a_unit_without_room_is_not_told_that_it_is_durable() {
    let bench = Bench::new("full");
    let made = bench.group(&["CREATE TABLE t (v)", "PRAGMA max_page_count = 400"]);
    assert!(made.iter().all(Result::is_ok), "{made:?}");

    let outcomes = bench.group(&[SMALL, HUGE, SMALL]);
    assert!(matches!(outcomes[0], Err(DbError::Full)), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(DbError::Full)), "{outcomes:?}");
    // What came after it is in a group of its own, and is as durable as it says.
    assert!(outcomes[2].is_ok(), "{outcomes:?}");
    assert_eq!(bench.count(), 1);
    assert!(bench.fatal.lock().unwrap().is_empty(), "a full disk ends no process");
}

/// Writes a row and fails then.
const HALF: &str = "INSERT INTO t VALUES ('half'); INSERT INTO nowhere VALUES (1)";

#[test]
fn a_unit_that_fails_after_it_wrote_is_undone_alone() {
    let bench = Bench::new("half");
    let made = bench.group(&["CREATE TABLE t (v)"]);
    assert!(made[0].is_ok(), "{made:?}");

    let outcomes = bench.group(&[SMALL, SMALL, HALF, SMALL, HALF, SMALL]);
    let went_well: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(went_well, [true, true, false, true, false, true], "{outcomes:?}");
    assert_eq!(bench.count(), 4);
}
