//! `tidings replay`: against the real server, on both engines, also killed in the middle.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidings_testkit::{Client, Receiver, ScratchDir, postgres};

use super::server::{OPERATOR, Server, free_port, start};
use super::{err, out, run_beside, tidings};

/// A tenant with customers that nobody was told of, and one new subscription.
struct Scene {
    url: String,
    key: String,
    client: Client,
    hook: Receiver,
}

impl Scene {
    async fn set(server: &Server, customers: usize) -> Self {
        let operator = server.client.with_key(OPERATOR);
        let tenant = operator.post("/api/v1/tenants", &json!({"name": "acme"})).await.unwrap();
        let key = tenant.text("/api_key");
        let client = server.client.with_key(&key);
        for number in 0..customers {
            let body = json!({"email": format!("c{number}@example.com"), "first_name": "C",
                "last_name": number.to_string()});
            let made = client.post("/api/v1/customers", &body).await.unwrap();
            assert!(made.status.is_success(), "{}", made.json());
        }
        let mut hook = Receiver::start().await;
        let body = json!({"url": hook.url(), "events": ["customer.created"]});
        let made = client.post("/api/v1/webhooks/subscriptions", &body).await.unwrap();
        hook.subscription_id = made.text("/id");
        hook.secret = made.text("/secret");
        Self { url: server.client.base().to_owned(), key, client, hook }
    }

    async fn replay(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = tidings(&["replay", "--server", &self.url]);
        command.env("TIDINGS_API_KEY", &self.key).args(arguments);
        let done = run_beside(command).await;
        (done.status.code(), out(&done), err(&done))
    }

    fn distinct(&self) -> usize {
        self.hook.verified().iter().map(|arrival| arrival.id()).collect::<BTreeSet<_>>().len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn past_events_are_counted_sent_waited_for_listed_and_cancelled() {
    let scratch = ScratchDir::new();
    let server = start(&scratch.path().join("data"), free_port(), None).await;
    let scene = Scene::set(&server, 20).await;
    let (status, said, _) = scene.replay(&["--after-position", "0", "--dry-run"]).await;
    assert_eq!(status, Some(0));
    assert!(said.contains("20 events would be sent"), "{said}");
    assert!(said.contains("20  customer.created"), "{said}");
    assert_eq!(scene.hook.count(), 0);
    let (status, said, _) = scene.replay(&["--list"]).await;
    assert_eq!((status, said.trim()), (Some(0), "there are no replays"));

    let (status, said, steps) = scene.replay(&["--after-position", "0", "--wait"]).await;
    assert_eq!(status, Some(0), "{said}{steps}");
    assert!(said.contains("completed") && said.contains("20 delivered, 0 failed"), "{said}");
    assert!(steps.contains("running"), "progress is told: {steps}");
    assert_eq!((scene.hook.count(), scene.distinct()), (20, 20));

    let slow = ["--after-position", "0", "--rate", "1", "--json"];
    let (status, said, _) = scene.replay(&slow).await;
    assert_eq!(status, Some(0), "{said}");
    let made: Value = serde_json::from_str(&said).unwrap();
    let id = made["id"].as_str().unwrap();
    let (status, said, _) = scene.replay(&["--cancel", id]).await;
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("cancelled"), "{said}");
    let (_, said, _) = scene.replay(&["--list"]).await;
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.lines().next().unwrap().contains(id), "the newest first: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replayed_says_what_to_do() {
    let scratch = ScratchDir::new();
    let server = start(&scratch.path().join("data"), free_port(), None).await;
    let scene = Scene::set(&server, 0).await;
    let foreign = "rpl_01h455vb4pex5vsknk084sn02q";
    let cases: [(&[&str], i32, &str); 7] = [
        (&[], 2, "--after-position 0"),
        (&["--after-position", "0", "--subscription", "cus_1"], 2, "starts with whs_"),
        (&["--cancel", "whs_1"], 2, "starts with rpl_"),
        (&["--cancel", foreign], 1, "404"),
        (&["--after-position", "0", "--wait", "--dry-run"], 2, "cannot be used with"),
        (&["--after-position", "0", "--events", "customer.creatd"], 1, "customer.created"),
        (&["--after-position", "0", "--rate", "0", "--deliveries", "x"], 1, "failed or missing"),
    ];
    for (arguments, code, says) in cases {
        let (status, _, said) = scene.replay(arguments).await;
        assert_eq!(status, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

/// Kills the server in the middle of a replay, three times; all of it arrives.
async fn killed_in_the_middle(database: Option<&str>) {
    let scratch = ScratchDir::new();
    let data = scratch.path().join("data");
    let address = free_port();
    let mut server = start(&data, address, database).await;
    let scene = Scene::set(&server, 60).await;
    let (status, said, _) =
        scene.replay(&["--after-position", "0", "--rate", "20", "--json"]).await;
    assert_eq!(status, Some(0), "{said}");
    let made: Value = serde_json::from_str(&said).unwrap();
    let path = format!("/api/v1/webhooks/replays/{}", made["id"].as_str().unwrap());
    for round in 1..=3 {
        scene.hook.wait_for(round * 10).await;
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        server = start(&data, address, database).await;
    }
    let began = Instant::now();
    let ended = loop {
        let view = scene.client.get(&path).await.unwrap().json();
        if view["finished_at"].is_string() {
            break view;
        }
        // A job that was being done at a kill is leased for a minute.
        assert!(began.elapsed() < Duration::from_mins(3), "{view:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let progress = &ended["progress"];
    assert_eq!(
        (&ended["status"], &progress["planned"], &progress["delivered"]),
        (&json!("completed"), &json!(60), &json!(60))
    );
    assert_eq!(scene.distinct(), 60);
    // At most what was being sent at each kill comes twice: a window's worth.
    assert!(scene.hook.count() <= 60 + 3 * 64, "{}", scene.hook.count());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_survives_kills_on_sqlite() {
    killed_in_the_middle(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_survives_kills_on_postgres() {
    let Some(database) = postgres::fresh_database().await else { return };
    killed_in_the_middle(Some(&database.url)).await;
}
