//! A node on a PostgreSQL, on the machine's clock.

use std::sync::Arc;

use tidings_db::{Db, LeaseClock, Location, Options, WriterMode};
use tidings_egress::{Egress, Policy};
use tidings_identity::OperatorKey;
use tidings_kernel::{IdSeed, SystemClock};
use tidings_server::{App, Parts, Shutdown, serve};
use tidings_testkit::Client;
use tidings_vault::{Vault, system_random};
use tokio::net::TcpListener;

/// The operator's key of every node.
pub(crate) const OPERATOR: &str = "operator-key-of-the-tests-0123456789";
/// A node, with everything that runs by itself.
pub(crate) struct Node {
    app: App,
    /// A client without a credential.
    pub(crate) client: Client,
    stop: Shutdown,
}

impl Node {
    /// Ends it as a termination signal would.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.app.close().await;
    }
}

/// Starts a node on a PostgreSQL.
pub(crate) async fn node(url: &str, name: &str) -> Node {
    let db = Db::open(Options {
        location: Location::Postgres { url: url.to_owned(), connections: 8 },
        clock: Arc::new(SystemClock),
        seed: IdSeed::new(system_random()),
        lease_clock: LeaseClock::Database,
        writer: WriterMode::Thread,
        on_fatal: Arc::new(|error| panic!("{error}")),
    })
    .await
    .unwrap();
    let policy = Policy { allow_loopback: true, ..Policy::default() };
    let app = App::build(Parts {
        db,
        vault: Arc::new(Vault::seeded(7)),
        egress: Egress::new(policy, tidings_egress::Options::default()).unwrap(),
        operator_key: Some(OperatorKey::parse(OPERATOR).unwrap()),
        background: true,
        name: name.to_owned(),
        webhook_origin: Some("tidings.example".to_owned()),
        otlp: None,
    })
    .await
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(format!("http://{}", listener.local_addr().unwrap()));
    let stop = Shutdown::new();
    let (router, tasks, end) = (app.router.clone(), app.tasks.clone(), stop.clone());
    app.tasks.spawn(async move { serve(listener, router, &tasks, end).await });
    Node { app, client, stop }
}
