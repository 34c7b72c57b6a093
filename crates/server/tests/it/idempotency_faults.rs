//! Idempotency keys while the database is slow, full, away, or lost in the middle of a COMMIT
//! (promise P8, tests A10 and A11).

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use http::StatusCode;
use serde_json::{Value, json};
use tidings_db::{Committed, DbError, work};
use tidings_kernel::{Ctx, limits};
use tidings_testkit::{Answer, Client, Cut, Tenant, TestApp, TestEngine, stories};

const CUSTOMERS: &str = "/api/v1/customers";

fn ada() -> Value {
    json!({"email": "ada@example.com", "first_name": "A", "last_name": "L"})
}

async fn post(client: Client, body: Value) -> Answer {
    client.post(CUSTOMERS, &body).await.unwrap()
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.json());
    assert_eq!(answer.problem(), "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
}

/// How many customers there are, and how many the log tells of.
async fn made(app: &TestApp, acme: &Tenant) -> (usize, usize) {
    app.settle().await;
    let page = acme.get("/api/v1/customers?limit=200").await.json();
    let told = acme.log().await.iter().filter(|name| *name == "customer.created").count();
    (page["data"].as_array().unwrap().len(), told)
}

async fn ctx(app: &TestApp, acme: &Tenant) -> Ctx {
    app.app.db.tenant_ctx("test", acme.id.parse().unwrap()).await.unwrap()
}

type Waiting = Pin<Box<dyn Future<Output = Result<Committed<()>, DbError>> + Send>>;

/// A unit of work that ends when the gate is opened, and does nothing.
fn unit_at(app: &TestApp, ctx: &Ctx, gate: Option<Receiver<()>>) -> Waiting {
    let (db, ctx) = (app.app.db.clone(), ctx.clone());
    let gate = Arc::new(Mutex::new(gate));
    Box::pin(async move {
        let waiting = work!([gate], |work| async move {
            let _now = work.now();
            if let Some(gate) = &*gate.lock().unwrap() {
                // Whichever end it comes to, it is open.
                let _opened = gate.recv();
            }
            Ok::<(), DbError>(())
        });
        db.write(&ctx, waiting).await
    })
}

/// Hands a unit to the writer, and does not wait for it.
fn queue(mut unit: Waiting) -> Waiting {
    assert!(unit.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    unit
}

/// Something that no customer gets past until it is opened.
enum Gate {
    Sqlite(Sender<()>, Waiting),
    Postgres,
}

impl Gate {
    async fn closed(app: &TestApp, acme: &Tenant) -> Self {
        let Some(database) = app.database() else {
            let (open, opened) = channel();
            return Self::Sqlite(open, queue(unit_at(app, &ctx(app, acme).await, Some(opened))));
        };
        // A sequence is read as it is, in whatever transaction.
        database
            .run(
                "CREATE SEQUENCE gate; CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN WHILE NOT (SELECT is_called FROM gate) LOOP PERFORM pg_sleep(0.01); \
                 END LOOP; RETURN NULL; END'; \
                 CREATE TRIGGER wait AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION wait()",
            )
            .await;
        Self::Postgres
    }

    async fn open(self, app: &TestApp) {
        match self {
            Self::Sqlite(open, unit) => {
                drop(open);
                let _committed = unit.await.unwrap();
            }
            Self::Postgres => app.database().unwrap().run("SELECT nextval('gate')").await,
        }
    }
}

stories! {
    async fn the_second_call_waits_five_seconds_for_the_first_and_is_told(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let gate = Gate::closed(app, &acme).await;
        let keyed = acme.client.with_header("idempotency-key", "slow");
        let mut calls = tokio::task::JoinSet::new();
        calls.spawn(post(keyed.clone(), ada()));
        calls.spawn(post(keyed.clone(), ada()));
        let began = std::time::Instant::now();
        let second = calls.join_next().await.unwrap().unwrap();
        assert_eq!(second.problem(), "idempotency_in_progress", "{}", second.json());
        assert_eq!((second.status, &second.headers["retry-after"]),
            (StatusCode::CONFLICT, &http::HeaderValue::from_static("1")));
        assert!(began.elapsed() >= limits::IDEMPOTENCY_WAIT_MAX, "{:?}", began.elapsed());
        gate.open(app).await;
        let first = calls.join_next().await.unwrap().unwrap();
        assert_eq!(first.status, StatusCode::CREATED, "{}", first.json());
        let third = post(keyed, ada()).await;
        assert_eq!(third.bytes, first.bytes);
        assert_eq!(third.headers["idempotent-replayed"], "true");
        assert_eq!(made(app, &acme).await, (1, 1));
    }

    async fn a_call_that_waited_gets_the_first_ones_answer(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let gate = Gate::closed(app, &acme).await;
        let keyed = acme.client.with_header("idempotency-key", "slow");
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..3 {
            calls.spawn(post(keyed.clone(), ada()));
        }
        // Another key is kept waiting by nobody but the database.
        let other = acme.client.with_header("idempotency-key", "slower");
        let refused = other.post(CUSTOMERS, &json!({"email": 1})).await.unwrap();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        gate.open(app).await;
        let answers = calls.join_all().await;
        assert!(answers.iter().all(|a| a.status == StatusCode::CREATED), "{answers:?}");
        assert!(answers.iter().all(|a| a.bytes == answers[0].bytes));
        let replayed = |a: &&Answer| a.headers.contains_key("idempotent-replayed");
        assert_eq!(answers.iter().filter(replayed).count(), 2);
        assert_eq!(made(app, &acme).await, (1, 1));
    }
}

/// SQLite's writer takes so many units and no more.
#[test]
fn a_call_that_the_writer_has_no_room_for_leaves_its_key_free() {
    TestApp::run(TestEngine::Sqlite, |app| Box::pin(overfill(app)));
}

async fn overfill(app: &TestApp) {
    let acme = app.tenant("acme").await;
    let ctx = ctx(app, &acme).await;
    let gate = Gate::closed(app, &acme).await;
    let keyed = acme.client.with_header("idempotency-key", "one");
    let mut waiting = Vec::new();
    let mut room = true;
    while room {
        let mut unit = unit_at(app, &ctx, None);
        room = unit.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        waiting.push(unit);
    }
    assert!(waiting.len() >= limits::WRITER_QUEUE_MAX);
    let refused = post(keyed.clone(), ada()).await;
    assert_unavailable(&refused);
    gate.open(app).await;
    waiting.pop();
    for unit in waiting {
        let _committed = unit.await.unwrap();
    }
    let made_now = post(keyed, ada()).await;
    assert_eq!(made_now.status, StatusCode::CREATED, "{}", made_now.json());
    assert!(!made_now.headers.contains_key("idempotent-replayed"));
    assert_eq!(made(app, &acme).await, (1, 1));
}

/// PostgreSQL is another process, and can go away before, in the middle of, and after a unit.
#[test]
fn a_call_whose_connection_is_lost_leaves_its_key_free() {
    TestApp::run(TestEngine::Postgres, |app| Box::pin(lose_a_connection(app)));
}

async fn lose_a_connection(app: &TestApp) {
    let acme = app.tenant("acme").await;
    let database = app.database().unwrap();
    database
        .run(
            "CREATE FUNCTION part() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'; \
             CREATE TRIGGER part AFTER INSERT ON customers \
             FOR EACH ROW EXECUTE FUNCTION part()",
        )
        .await;
    let keyed = acme.client.with_header("idempotency-key", "one");
    for _ in 0..2 {
        assert_unavailable(&post(keyed.clone(), ada()).await);
    }
    database.run("DROP TRIGGER part ON customers").await;
    let again = post(keyed, ada()).await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.json());
    assert_eq!(made(app, &acme).await, (1, 1));
}

fn wired(story: impl AsyncFnOnce(&TestApp, &tidings_testkit::Wire)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some((app, wire)) = TestApp::start_wired().await else { return };
        story(&app, &wire).await;
        app.end().await;
    });
}

#[test]
fn a_database_that_is_away_is_told_as_such_and_leaves_the_key_free() {
    wired(async |app, wire| {
        let acme = app.tenant("acme").await;
        let keyed = acme.client.with_header("idempotency-key", "one");
        wire.part();
        for _ in 0..2 {
            assert_unavailable(&post(keyed.clone(), ada()).await);
        }
        wire.mend();
        let mut again = post(keyed.clone(), ada()).await;
        // Connections of before the cut are found out one by one.
        for _ in 0..20 {
            if again.status == StatusCode::CREATED {
                break;
            }
            assert_unavailable(&again);
            again = post(keyed.clone(), ada()).await;
        }
        assert_eq!(again.status, StatusCode::CREATED, "{}", again.json());
        assert_eq!(made(app, &acme).await, (1, 1));
    });
}

#[test]
fn a_commit_whose_answer_is_lost_is_answered_from_the_stored_reply() {
    wired(async |app, wire| {
        let acme = app.tenant("acme").await;
        let keyed = acme.client.with_header("idempotency-key", "one");
        wire.lose_commit_of("ada@example.com", Cut::Answer);
        let resolved = post(keyed.clone(), ada()).await;
        assert!(wire.is_cut());
        assert_eq!(resolved.status, StatusCode::CREATED, "{}", resolved.json());
        assert_eq!(resolved.headers["idempotent-replayed"], "true");
        assert_eq!(post(keyed, ada()).await.bytes, resolved.bytes);

        // Without a key there is nothing to look up, and the caller is told.
        wire.lose_commit_of("bob@example.com", Cut::Answer);
        let bob = json!({"email": "bob@example.com", "first_name": "B", "last_name": "B"});
        let unknown = post(acme.client.clone(), bob).await;
        assert_unavailable(&unknown);
        assert!(unknown.text("/detail").contains("the outcome is unknown"), "{}", unknown.json());
        assert_eq!(made(app, &acme).await, (2, 2));
    });
}

#[test]
fn a_commit_that_is_lost_has_one_effect_when_it_is_sent_again() {
    wired(async |app, wire| {
        let acme = app.tenant("acme").await;
        for round in 0..20 {
            let cut = if round % 2 == 0 { Cut::Request } else { Cut::Answer };
            let email = format!("customer-{round}@example.com");
            let body = json!({"email": email, "first_name": "A", "last_name": "L"});
            let key = format!("round-{round}");
            let keyed = acme.client.with_header("idempotency-key", &key);
            wire.lose_commit_of(&email, cut);
            let first = post(keyed.clone(), body.clone()).await;
            assert!(wire.is_cut(), "round {round}");
            match cut {
                Cut::Answer => assert_eq!(first.status, StatusCode::CREATED, "round {round}"),
                Cut::Request => {
                    assert_unavailable(&first);
                    assert!(first.text("/detail").contains("unknown"), "{}", first.json());
                }
            }
            let again = post(keyed, body).await;
            assert_eq!(again.status, StatusCode::CREATED, "round {round}: {}", again.json());
        }
        assert_eq!(made(app, &acme).await, (20, 20));
    });
}

/// What two nodes do with one key is settled by its row.
#[test]
fn a_key_that_another_node_works_on_is_in_progress() {
    TestApp::run(TestEngine::Postgres, |app| Box::pin(two_nodes(app)));
}

async fn two_nodes(app: &TestApp) {
    let acme = app.tenant("acme").await;
    let id = acme.customer("ada@example.com").await;
    let beside = app.start_beside().await;
    let path = format!("{CUSTOMERS}/{id}/notes");
    // Events are written after the reply: what waits there holds the key's row.
    app.database()
        .unwrap()
        .run(
            "CREATE SEQUENCE gate; CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN WHILE NOT (SELECT is_called FROM gate) LOOP PERFORM pg_sleep(0.01); \
             END LOOP; RETURN NULL; END'; \
             CREATE TRIGGER wait AFTER INSERT ON events \
             FOR EACH STATEMENT EXECUTE FUNCTION wait()",
        )
        .await;
    let here = acme.client.with_header("idempotency-key", "one");
    let there = beside
        .anonymous()
        .with_key(acme.client.key().unwrap())
        .with_header("idempotency-key", "one");
    let mut calls = tokio::task::JoinSet::new();
    for client in [here.clone(), there.clone()] {
        let path = path.clone();
        calls.spawn(async move { client.post(&path, &json!({"content": "hi"})).await.unwrap() });
    }
    let second = calls.join_next().await.unwrap().unwrap();
    assert_eq!(second.problem(), "idempotency_in_progress", "{}", second.json());
    assert_eq!(second.headers["retry-after"], "1");
    app.database().unwrap().run("SELECT nextval('gate')").await;
    let first = calls.join_next().await.unwrap().unwrap();
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.json());
    for client in [here, there] {
        let again = client.post(&path, &json!({"content": "hi"})).await.unwrap();
        assert_eq!(again.bytes, first.bytes);
    }
    let notes = acme.get(&path).await.json();
    assert_eq!(notes["data"].as_array().unwrap().len(), 1);
    beside.end().await;
}
