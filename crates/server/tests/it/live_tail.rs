//! The log as it grows: in order, without a gap, for those who may read it.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Client, Events, Message, Tenant, TestApp, stories};

const STREAM: &str = "/api/v1/webhooks/events/stream";

/// The next message of a stream, comments included.
async fn next(events: &mut Events) -> Option<Message> {
    let next = tokio::time::timeout(Duration::from_secs(30), events.next()).await;
    next.expect("the stream says nothing").unwrap()
}

/// The next events of a stream: positions and types.
async fn read(events: &mut Events, count: usize) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    while found.len() < count {
        let message = next(events).await.expect("the stream has ended");
        if message.is_comment {
            continue;
        }
        let json: Value = serde_json::from_str(&message.data).unwrap();
        let position = json["position"].as_i64().unwrap();
        assert_eq!(message.id, Some(position.to_string()));
        assert_eq!(json["event"]["type"], json["type"], "the envelope goes along");
        found.push((position, json["type"].as_str().unwrap().to_owned()));
    }
    found
}

async fn open(client: &Client, query: &str) -> Events {
    let events = client.events(&format!("{STREAM}{query}")).await.unwrap();
    assert_eq!(events.status, StatusCode::OK, "{query}");
    assert_eq!(events.headers["content-type"], "text/event-stream");
    events
}

/// Everything has its position. Gives the newest.
async fn placed(app: &TestApp, acme: &Tenant) -> i64 {
    app.settle().await;
    i64::try_from(acme.log().await.len()).unwrap()
}

stories! {
    async fn a_stream_has_what_happens_from_now_on_and_resumes_where_it_was(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let other = app.tenant("other").await;
        acme.customer("before@example.com").await;
        let base = placed(app, &acme).await;
        let mut live = open(&acme.client, "").await;
        acme.customer("ada@example.com").await;
        other.customer("theirs@example.com").await;
        placed(app, &acme).await;
        let first = read(&mut live, 1).await;
        assert_eq!(first, [(base + 1, "customer.created".to_owned())]);
        drop(live);

        // What happens while nobody listens is there when the client comes back.
        acme.customer("grace@example.com").await;
        let _hook = acme.receiver(&["customer.*"]).await;
        placed(app, &acme).await;
        let resumed = acme.client.with_header("last-event-id", &(base + 1).to_string());
        let mut live = open(&resumed, "?after=0").await;
        let missed = read(&mut live, 2).await;
        assert_eq!(missed, [(base + 2, "customer.created".to_owned()),
            (base + 3, "webhook.subscription.created".to_owned())]);
        acme.customer("alan@example.com").await;
        placed(app, &acme).await;
        assert_eq!(read(&mut live, 1).await, [(base + 4, "customer.created".to_owned())]);

        let mut all = open(&acme.client, "?after=0").await;
        let count = usize::try_from(base + 4).unwrap();
        let positions: Vec<i64> = read(&mut all, count).await.into_iter().map(|(n, _)| n).collect();
        assert_eq!(positions, (1..=base + 4).collect::<Vec<_>>(), "all of it, each once");
    }

    async fn a_stream_is_narrowed_and_goes_on_behind_what_it_leaves_out(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let ada = acme.customer("ada@example.com").await;
        let base = placed(app, &acme).await;
        let mut types = open(&acme.client, "?event_type=customer.updated").await;
        let mut object = open(&acme.client, &format!("?subject_id={ada}&after=0")).await;
        acme.customer("grace@example.com").await;
        placed(app, &acme).await;
        acme.patch(&format!("/api/v1/customers/{ada}"), json!({"first_name": "Augusta"})).await;
        placed(app, &acme).await;
        assert_eq!(read(&mut types, 1).await, [(base + 2, "customer.updated".to_owned())]);
        assert_eq!(read(&mut object, 2).await,
            [(base, "customer.created".to_owned()), (base + 2, "customer.updated".to_owned())]);
    }

    async fn a_position_that_the_log_has_not_reached_is_refused(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        acme.customer("ada@example.com").await;
        let last = placed(app, &acme).await;
        let of_another = placed(app, &other).await;
        assert!(last > of_another, "another tenant's position means nothing in a shorter log");
        for (client, header, query, pointer) in [
            (&acme, None, format!("?after={}", last + 1), "?after"),
            (&acme, Some(i64::MAX), String::new(), "Last-Event-ID"),
            (&acme, Some(last + 1), "?after=0".to_owned(), "Last-Event-ID"),
            (&other, Some(last), String::new(), "Last-Event-ID"),
        ] {
            let asked = match header {
                Some(id) => client.client.with_header("last-event-id", &id.to_string()),
                None => client.client.clone(),
            };
            let refused = asked.get(&format!("{STREAM}{query}")).await.unwrap();
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{header:?} {query}");
            assert_eq!(refused.text("/errors/0/pointer"), pointer, "{header:?} {query}");
            let end = if client.id == acme.id { last } else { of_another };
            let message = refused.text("/errors/0/message");
            assert!(message.contains(&format!("the log ends at {end};")), "{message}");
        }
        // The end itself is where everybody waits.
        let mut live = open(&acme.client, &format!("?after={last}")).await;
        acme.customer("grace@example.com").await;
        placed(app, &acme).await;
        assert_eq!(read(&mut live, 1).await, [(last + 1, "customer.created".to_owned())]);
    }

    async fn a_quiet_stream_says_that_it_is_alive(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let mut live = open(&acme.client, "").await;
        // The clock stands still, so the stream says nothing until it is moved. It may not have
        // begun to wait yet, so it is moved until it does.
        let alive = async {
            loop {
                app.clock.advance(Duration::from_secs(16));
                let next = tokio::time::timeout(Duration::from_millis(50), next(&mut live));
                if let Ok(message) = next.await { return message.unwrap() }
            }
        };
        let message = tokio::time::timeout(Duration::from_secs(30), alive).await.unwrap();
        assert!(message.is_comment, "{message:?}");
    }

    async fn a_key_that_is_revoked_reads_no_further(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let body = json!({"name": "tail", "scopes": ["events.read"]});
        let key = acme.post("/api/v1/auth/api-keys", body).await;
        placed(app, &acme).await;
        let mut live = open(&acme.client.with_key(key.text("/api_key")), "").await;
        let revoked = acme.delete(&format!("/api/v1/auth/api-keys/{}", key.text("/id"))).await;
        assert!(revoked.status.is_success(), "{}", revoked.json());
        // A key is remembered for five seconds.
        app.clock.advance(Duration::from_secs(6));
        acme.customer("ada@example.com").await;
        placed(app, &acme).await;
        let mut last = None;
        while let Some(message) = next(&mut live).await {
            assert!(!message.data.contains("customer.created"), "{message:?}");
            last = Some(message);
        }
        let last = last.unwrap();
        assert_eq!((last.event.as_str(), last.data.as_str()),
            ("end", "{\"reason\":\"not_allowed\"}"));
    }

    async fn streams_are_counted_and_a_place_is_given_back(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let mut open_streams = Vec::new();
        for _ in 0..10 {
            open_streams.push(open(&acme.client, "").await);
        }
        let refused = acme.get(STREAM).await;
        assert_eq!((refused.status, refused.problem().as_str()),
            (StatusCode::CONFLICT, "limit_reached"), "{}", refused.json());
        drop(open(&other.client, "").await);
        open_streams.pop();
        let freed = async {
            loop {
                let again = acme.client.events(STREAM).await.unwrap();
                if again.status == StatusCode::OK { return }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), freed).await.unwrap();
    }

    async fn a_stream_that_is_asked_for_wrongly_is_refused(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for (query, pointer) in [
            ("?after=x", "?after"),
            ("?after=-1", "?after"),
            ("?event_type=a*", "?event_type"),
            ("?subject_id=ada", "?subject_id"),
            ("?colour=red", "?colour"),
        ] {
            let refused = acme.get(&format!("{STREAM}{query}")).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
            assert_eq!(refused.text("/errors/0/pointer"), pointer, "{query}");
        }
        let wrong = acme.client.with_header("last-event-id", "evt_1").get(STREAM).await.unwrap();
        assert_eq!(wrong.text("/errors/0/pointer"), "Last-Event-ID");
        let body = json!({"name": "hooks", "scopes": ["webhooks.read"]});
        let key = acme.post("/api/v1/auth/api-keys", body).await.text("/api_key");
        let refused = acme.client.with_key(key).get(STREAM).await.unwrap();
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(app.anonymous().get(STREAM).await.unwrap().status, StatusCode::UNAUTHORIZED);
    }
}

/// The end of the program ends streams at once, and says so.
#[test]
fn a_stream_ends_with_the_program() {
    for engine in [tidings_testkit::TestEngine::Sqlite, tidings_testkit::TestEngine::Postgres] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let Some(app) = TestApp::start(engine).await else { return };
            let acme = app.tenant("acme").await;
            let mut live = open(&acme.client, "").await;
            let began = std::time::Instant::now();
            let ended = tokio::join!(app.end(), async {
                let mut last = None;
                while let Some(message) = next(&mut live).await {
                    last = Some(message);
                }
                last
            });
            assert_eq!(ended.1.unwrap().data, "{\"reason\":\"shutdown\"}");
            assert!(began.elapsed() < Duration::from_secs(8), "it held up the end");
        });
    }
}
