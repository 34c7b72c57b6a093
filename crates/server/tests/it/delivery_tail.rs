//! Attempts as they are settled: in order, each once, on whichever node, for those who may read them.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Client, Events, Message, Receiver, Script, Tenant, stories};

const STREAM: &str = "/api/v1/webhooks/deliveries/stream";

/// Whether an attempt is among those that were asked for.
type Fits<'t> = Box<dyn Fn(&Value) -> bool + 't>;

/// The next message of a stream that is no comment.
async fn next(events: &mut Events) -> Option<Message> {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(30), events.next()).await;
        let message = next.expect("the stream says nothing").unwrap();
        if !message.as_ref().is_some_and(|message| message.is_comment) {
            return message;
        }
    }
}

async fn open(client: &Client, query: &str) -> Events {
    let events = client.events(&format!("{STREAM}{query}")).await.unwrap();
    assert_eq!(events.status, StatusCode::OK, "{query}");
    assert_eq!(events.headers["content-type"], "text/event-stream");
    events
}

/// The next attempts of a stream: what they were, and the place behind the last.
async fn read(events: &mut Events, count: usize) -> (Vec<Value>, String) {
    let (mut found, mut place) = (Vec::new(), String::new());
    while found.len() < count {
        let message = next(events).await.expect("the stream has ended");
        assert_eq!(message.event, "message", "{}", message.data);
        place = message.id.unwrap();
        found.push(serde_json::from_str(&message.data).unwrap());
    }
    (found, place)
}

/// Of attempts: which, and what the delivery was after it.
fn outcomes(attempts: &[Value]) -> Vec<(u64, &str)> {
    let of = |attempt: &Value| attempt["attempt"].as_u64().unwrap();
    attempts.iter().map(|attempt| (of(attempt), attempt["status"].as_str().unwrap())).collect()
}

/// Where a stream that is opened now would begin.
async fn here(acme: &Tenant) -> String {
    let mut live = open(&acme.client, "").await;
    // Its first frame names the place, and nothing else; it is read with what follows.
    let hook = acme.receiver(&["customer.created"]).await;
    acme.customer("place@example.com").await;
    hook.wait_for(1).await;
    let (_, place) = read(&mut live, 1).await;
    acme.delete(&format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id)).await;
    place
}

async fn failing(acme: &Tenant) -> Receiver {
    let hook = acme.receiver(&["customer.*"]).await;
    hook.then(Script::status(500));
    hook
}

stories! {
    async fn attempts_come_as_they_are_settled_and_a_stream_resumes(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let other = app.tenant("other").await;
        let theirs = other.receiver(&["*"]).await;
        let hook = failing(&acme).await;
        let mut live = open(&acme.client, "").await;
        let mut foreign = open(&other.client, "?after=0").await;
        let customer = acme.customer("ada@example.com").await;
        app.settle().await;
        let (found, place) = read(&mut live, 1).await;
        assert_eq!(outcomes(&found), [(1, "waiting")]);
        let arrived = &hook.arrivals()[0];
        for (field, value) in [
            ("event_id", json!(arrived.id())),
            ("event_type", json!("customer.created")),
            ("subject_type", json!("customer")),
            ("subscription_id", json!(hook.subscription_id)),
            ("origin", json!("event")),
            ("http_status", json!(500)),
            ("error", json!("http")),
        ] {
            assert_eq!(found[0][field], value, "{field}");
        }
        let path = format!("/api/v1/webhooks/deliveries/{}", found[0]["delivery_id"].as_str().unwrap());
        assert_eq!(acme.get(&path).await.text("/status"), "waiting");
        drop(live);

        // What is settled while nobody listens is there when the client comes back, each once.
        app.advance(Duration::from_secs(6)).await;
        acme.patch(&format!("/api/v1/customers/{customer}"), json!({"first_name": "A"})).await;
        app.settle().await;
        let resumed = acme.client.with_header("last-event-id", &place);
        let mut live = open(&resumed, "?after=0").await;
        let (missed, _) = read(&mut live, 2).await;
        assert_eq!(outcomes(&missed), [(2, "delivered"), (1, "delivered")]);
        assert_eq!(missed[0]["delivery_id"], found[0]["delivery_id"]);
        let mut all = open(&acme.client, "?after=0").await;
        assert_eq!(outcomes(&read(&mut all, 3).await.0),
            [(1, "waiting"), (2, "delivered"), (1, "delivered")]);

        // Another tenant sees its own and nothing of these.
        other.customer("theirs@example.com").await;
        app.settle().await;
        let (own, _) = read(&mut foreign, 1).await;
        assert_eq!(own[0]["subscription_id"], json!(theirs.subscription_id));
    }

    async fn a_stream_of_deliveries_is_narrowed_by_all_that_is_asked_for(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let (bad, good) = (failing(&acme).await, acme.receiver(&["customer.*"]).await);
        let ada = acme.customer("ada@example.com").await;
        let grace = acme.customer("grace@example.com").await;
        acme.patch(&format!("/api/v1/customers/{ada}"), json!({"first_name": "A"})).await;
        app.settle().await;
        let (all, _) = read(&mut open(&acme.client, "?after=0").await, 6).await;
        let events = acme.get("/api/v1/webhooks/events/log?subject_type=customer").await.json();
        let of = |attempt: &Value, id: &str| {
            let mut log = events["data"].as_array().unwrap().iter();
            let event = log.find(|event| event["id"] == attempt["event_id"]).unwrap();
            event["event"]["subject"]["id"] == id
        };
        let to = |attempt: &Value, hook: &Receiver| {
            attempt["subscription_id"] == hook.subscription_id.as_str()
        };
        let cases: [(String, usize, Fits<'_>); 6] = [
            (format!("subscription_id={}", bad.subscription_id), 3, Box::new(|a| to(a, &bad))),
            ("status=waiting,exhausted".to_owned(), 1, Box::new(|a| a["status"] == "waiting")),
            ("event_type=customer.updated".to_owned(), 2,
                Box::new(|a| a["event_type"] == "customer.updated")),
            (format!("subject_id={grace}"), 2, Box::new(|a| of(a, &grace))),
            (format!("subject_id={ada}&subscription_id={}", good.subscription_id), 2,
                Box::new(|a| of(a, &ada) && to(a, &good))),
            ("subject_type=customer&status=delivered".to_owned(), 5,
                Box::new(|a| a["status"] == "delivered")),
        ];
        for (query, count, fits) in cases {
            let mut live = open(&acme.client, &format!("?after=0&{query}")).await;
            let wanted: Vec<&Value> = all.iter().filter(|attempt| fits(attempt)).collect();
            let (found, _) = read(&mut live, count).await;
            assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{query}");
        }
        // What is left out is passed over, and what fits comes.
        let mut updates = open(&acme.client, "?event_type=customer.updated").await;
        acme.customer("alan@example.com").await;
        acme.patch(&format!("/api/v1/customers/{grace}"), json!({"first_name": "G"})).await;
        app.settle().await;
        let (found, _) = read(&mut updates, 2).await;
        assert!(found.iter().all(|attempt| attempt["event_type"] == "customer.updated"));
    }

    async fn who_comes_back_too_late_is_told_that_some_may_be_left_out(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let place = here(&acme).await;
        let hook = acme.receiver(&["customer.*"]).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        app.advance(Duration::from_hours(3)).await;
        acme.customer("grace@example.com").await;
        app.settle().await;
        let late = acme.client.with_header("last-event-id", &place);
        let mut live = open(&late, "").await;
        let told = next(&mut live).await.unwrap();
        assert_eq!((told.event.as_str(), told.data.as_str()),
            ("left_out", "{\"reason\":\"kept_no_longer\"}"));
        let (found, _) = read(&mut live, 1).await;
        assert_eq!(found[0]["event_id"], json!(hook.arrivals()[1].id()), "what is left of it");
    }

    async fn deliveries_are_followed_no_further_once_the_key_is_revoked(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let _hook = acme.receiver(&["customer.*"]).await;
        let body = json!({"name": "tail", "scopes": ["webhooks.read"]});
        let key = acme.post("/api/v1/auth/api-keys", body).await;
        let mut live = open(&acme.client.with_key(key.text("/api_key")), "").await;
        let revoked = acme.delete(&format!("/api/v1/auth/api-keys/{}", key.text("/id"))).await;
        assert!(revoked.status.is_success(), "{}", revoked.json());
        // A key is remembered for five seconds.
        app.clock.advance(Duration::from_secs(6));
        acme.customer("ada@example.com").await;
        app.settle().await;
        let last = next(&mut live).await.unwrap();
        assert_eq!((last.event.as_str(), last.data.as_str()),
            ("end", "{\"reason\":\"not_allowed\"}"));
        assert!(next(&mut live).await.is_none(), "it goes on");
    }

    async fn deliveries_that_are_followed_wrongly_are_refused(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for (query, pointer) in [
            ("?after=x", "?after"),
            ("?after=17", "?after"),
            ("?status=late", "?status"),
            ("?status=pending", "?status"),
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
        let body = json!({"name": "events", "scopes": ["events.read"]});
        let key = acme.post("/api/v1/auth/api-keys", body).await.text("/api_key");
        let refused = acme.client.with_key(key).get(STREAM).await.unwrap();
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(app.anonymous().get(STREAM).await.unwrap().status, StatusCode::UNAUTHORIZED);
    }
}
