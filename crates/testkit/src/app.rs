//! The whole program on one engine, with everything from outside in the test's hands.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_client::{Answer, Client};
use tidings_db::{CommitSink, Db, LeaseClock, Location, Options, WriterMode};
use tidings_egress::{Egress, NetworkChoice, Policy};
use tidings_events::CommittedEvent;
use tidings_identity::OperatorKey;
use tidings_kernel::{Clock, IdSeed, TestClock, Timestamp};
use tidings_server::{App, Otlp, Parts, serve};
use tidings_vault::Vault;
use tokio::net::TcpListener;

use crate::postgres::{self, Database};
use crate::receiver::Receiver;
use crate::scratch::ScratchDir;
use crate::statements::StatementLog;
use crate::wire::Wire;

/// The operator's key of every test.
const OPERATOR: &str = "operator-key-of-the-tests-0123456789";
/// Where every test's clock starts: 2026-11-23T12:00:00Z.
const START: Timestamp = Timestamp::from_micros(1_795_435_200_000_000);
/// The longest a test waits for what should come by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which engine a story runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestEngine {
    /// SQLite in a scratch folder.
    Sqlite,
    /// A fresh database on the test run's PostgreSQL.
    Postgres,
}

/// An event that was committed, and the place in the source that made it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emission {
    /// The type.
    pub name: String,
    /// The file, relative to the workspace.
    pub file: String,
    /// The line.
    pub line: u32,
}

#[derive(Default)]
struct Recorder(Mutex<Vec<Emission>>);

impl CommitSink for Recorder {
    fn committed(&self, events: &[CommittedEvent]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(events.iter().map(|event| Emission {
            name: event.name.as_str().to_owned(),
            file: event.made_at.file().to_owned(),
            line: event.made_at.line(),
        }));
    }
}

/// Opens a database as every test does.
pub(crate) async fn open(location: Location, clock: &Arc<TestClock>, seed: u64) -> Db {
    let options = Options {
        location,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        seed: IdSeed::from_number(seed),
        lease_clock: LeaseClock::Application,
        writer: WriterMode::Thread,
        on_fatal: Arc::new(|error| panic!("a flush failed: {error}")),
    };
    Db::open(options).await.unwrap()
}

/// The whole program on one engine.
pub struct TestApp {
    /// The application.
    pub app: App,
    /// Its clock, which stands still.
    pub clock: Arc<TestClock>,
    /// The operator's client.
    pub operator: Client,
    recorder: Arc<Recorder>,
    stop: tidings_bus::Shutdown,
    scratch: ScratchDir,
    database: Option<Database>,
}

impl std::fmt::Debug for TestApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestApp").field("db", &self.app.db).finish_non_exhaustive()
    }
}

/// What a test wants of its application besides the rest.
struct Wanted {
    name: &'static str,
    seed: u64,
    instant: Timestamp,
    log: Option<Arc<StatementLog>>,
    otlp: Option<Otlp>,
    network: NetworkChoice,
}

impl Default for Wanted {
    fn default() -> Self {
        let network = NetworkChoice::Machine;
        Self { name: "test", seed: 7, instant: START, log: None, otlp: None, network }
    }
}

/// A story over an application.
type Story<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl TestApp {
    /// Runs a story on an engine; without PostgreSQL its half is passed over, aloud.
    pub fn run(engine: TestEngine, story: impl for<'a> Fn(&'a Self) -> Story<'a>) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let Some(app) = Self::start(engine).await else { return };
            story(&app).await;
            app.end().await;
        });
    }

    /// Starts an application. None where there is no PostgreSQL to start it on.
    pub async fn start(engine: TestEngine) -> Option<Self> {
        Self::start_with(engine, Wanted::default()).await
    }

    /// Starts one whose clock stands at another instant.
    pub async fn start_at(engine: TestEngine, instant: Timestamp) -> Option<Self> {
        Self::start_with(engine, Wanted { instant, ..Wanted::default() }).await
    }

    /// The same as [`TestApp::start`], and writes down every statement that runs.
    pub async fn start_observed(
        engine: TestEngine,
        log: Option<Arc<StatementLog>>,
    ) -> Option<Self> {
        Self::start_with(engine, Wanted { log, ..Wanted::default() }).await
    }

    /// The same as [`TestApp::start`], and sends its traces to a collector.
    pub async fn start_traced(engine: TestEngine, otlp: Otlp) -> Option<Self> {
        Self::start_with(engine, Wanted { otlp: Some(otlp), ..Wanted::default() }).await
    }

    /// The same as [`TestApp::start`], and sends its webhooks over a network of the test's.
    pub async fn start_over(engine: TestEngine, network: NetworkChoice) -> Option<Self> {
        Self::start_with(engine, Wanted { network, ..Wanted::default() }).await
    }

    async fn start_with(engine: TestEngine, wanted: Wanted) -> Option<Self> {
        let scratch = ScratchDir::new();
        let (location, database) = match engine {
            TestEngine::Sqlite => (Location::Sqlite(scratch.path().join("tidings.db")), None),
            TestEngine::Postgres => {
                let database = postgres::fresh_database().await?;
                let url = database.url.clone();
                (Location::Postgres { url, connections: 6 }, Some(database))
            }
        };
        Some(Self::start_on(location, (scratch, database), wanted).await)
    }

    /// Starts one on PostgreSQL, at the other end of a wire that can be cut.
    pub async fn start_wired() -> Option<(Self, Wire)> {
        let database = postgres::fresh_database().await?;
        let wire = Wire::to(&database.url).await;
        let location = Location::Postgres { url: wire.url.clone(), connections: 6 };
        let places = (ScratchDir::new(), Some(database));
        Some((Self::start_on(location, places, Wanted::default()).await, wire))
    }

    /// Starts another node beside one that is on PostgreSQL.
    pub async fn start_beside(&self) -> Self {
        let url = self.database.as_ref().map(|database| database.url.clone()).unwrap();
        let location = Location::Postgres { url, connections: 6 };
        let wanted = Wanted { name: "beside", seed: 8, ..Wanted::default() };
        Self::start_on(location, (ScratchDir::new(), None), wanted).await
    }

    async fn start_on(
        location: Location,
        (scratch, database): (ScratchDir, Option<Database>),
        Wanted { name, seed, instant, log, otlp, network }: Wanted,
    ) -> Self {
        let clock = Arc::new(TestClock::at(instant));
        let db = open(location, &clock, seed).await;
        if let Some(log) = log {
            db.observe(log);
        }
        let recorder = Arc::new(Recorder::default());
        db.add_sink(Arc::clone(&recorder) as Arc<dyn CommitSink>);
        let policy = Policy { allow_loopback: true, ..Policy::default() };
        let options = tidings_egress::Options { network, ..Default::default() };
        let app = App::build(Parts {
            db,
            vault: Arc::new(Vault::seeded(7)),
            egress: Egress::new(policy, options).unwrap(),
            operator_key: Some(OperatorKey::parse(OPERATOR).unwrap()),
            background: false,
            name: name.to_owned(),
            webhook_origin: Some("tidings.example".to_owned()),
            otlp,
        })
        .await
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = tidings_bus::Shutdown::new();
        let (router, tasks, end) = (app.router.clone(), app.tasks.clone(), stop.clone());
        app.tasks.spawn(async move { serve(listener, router, &tasks, end).await });
        let operator = Client::new(base).with_key(OPERATOR);
        Self { app, clock, operator, recorder, stop, scratch, database }
    }

    /// The database, if it is on PostgreSQL.
    pub fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// Its folder: SQLite's database lies in it.
    pub fn directory(&self) -> &std::path::Path {
        self.scratch.path()
    }

    /// A client without a credential.
    pub fn anonymous(&self) -> Client {
        Client::new(self.operator.base())
    }

    /// Makes a tenant.
    pub async fn tenant(&self, name: &str) -> Tenant {
        let answer = self.operator.post("/api/v1/tenants", &json!({"name": name})).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.json());
        let client = self.operator.with_key(answer.text("/api_key"));
        Tenant { id: answer.text("/id"), client }
    }

    /// Dispatches, delivers, gives positions, runs reactions, jobs and sweeps until nothing is due.
    pub async fn settle(&self) {
        let settled = tokio::time::timeout(PATIENCE, async {
            loop {
                self.app.engine.activity().idle().await;
                let placed = self.app.runner.run_sequencer().await.unwrap();
                let reacted = self.app.runner.run_reactions().await.unwrap();
                let ran = self.app.runner.run_due().await.unwrap();
                let taken = self.app.engine.run_due().await.unwrap();
                let idle = self.app.engine.activity().count() == 0;
                let behind = self.app.runner.sequencer_is_behind().await.unwrap();
                if placed + reacted + ran + taken == 0 && idle && !behind {
                    return;
                }
                if behind {
                    // Another database's transaction, of a test beside this one, holds it up.
                    tokio::task::yield_now().await;
                }
            }
        });
        assert!(
            settled.await.is_ok(),
            "not settled after {PATIENCE:?}: {} under way, backlog {:?}",
            self.app.engine.activity().count(),
            self.app.webhooks.backlog().await
        );
    }

    /// Moves the clock, and settles.
    pub async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.settle().await;
    }

    /// What was committed, with the place that made it.
    pub fn emissions(&self) -> Vec<Emission> {
        self.recorder.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the application as a termination signal would.
    pub async fn end(self) {
        self.stop().await;
    }

    /// The same, for whoever looks at what is left behind.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.app.close().await;
    }
}

/// A tenant, and the client that its integrator would have.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// A client with a key that may do everything in the tenant.
    pub client: Client,
}

impl Tenant {
    /// A receiver, subscribed.
    pub async fn receiver(&self, events: &[&str]) -> Receiver {
        self.receiver_with(json!({"events": events})).await
    }

    /// A receiver, subscribed with more fields.
    pub async fn receiver_with(&self, mut fields: Value) -> Receiver {
        let mut receiver = Receiver::start().await;
        fields["url"] = json!(receiver.url());
        let answer = self.post("/api/v1/webhooks/subscriptions", fields).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.json());
        receiver.subscription_id = answer.text("/id");
        receiver.secret = answer.text("/secret");
        receiver
    }

    /// Makes a customer and gives its id.
    pub async fn customer(&self, email: &str) -> String {
        let body = json!({"email": email, "first_name": "Ada", "last_name": "Lovelace"});
        let answer = self.post("/api/v1/customers", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.json());
        answer.text("/id")
    }

    /// The names in the tenant's log, in order.
    pub async fn log(&self) -> Vec<String> {
        let answer = self.get("/api/v1/webhooks/events/log?after=0&limit=200").await;
        let json = answer.json();
        let rows = json["data"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.client.get(path).await.unwrap()
    }

    /// `POST`.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.client.post(path, &body).await.unwrap()
    }

    /// `PATCH`.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.client.patch(path, &body).await.unwrap()
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.client.delete(path).await.unwrap()
    }
}
