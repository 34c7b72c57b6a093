//! One run of a scenario, on a server and a database of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Failure;
use crate::book::{Book, Spread};
use crate::load::{Load, publish};
use crate::product::{Product, Tenant};
use crate::receiver::{Manner, Receiver};
use crate::scenario::Scenario;

/// How long a run waits for an arrival before it counts what is missing as lost.
/// Longer than an endpoint is left alone at first.
const PATIENCE: Duration = Duration::from_secs(45);
/// Tenants whose endpoints are all dead, and how many endpoints each has.
const DEAD: (usize, usize) = (10, 1_000);
/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:9/hook";

/// What is the same for all runs.
pub(crate) struct Setting {
    pub(crate) binary: PathBuf,
    pub(crate) database: Option<String>,
    pub(crate) nodes: usize,
    pub(crate) length: Duration,
    pub(crate) publishers: usize,
}

/// What one run showed.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(crate) struct Figures {
    pub(crate) accepted: usize,
    pub(crate) published_per_second: f64,
    pub(crate) delivered_per_second: f64,
    pub(crate) publish: Spread,
    pub(crate) deliver: Spread,
    pub(crate) cpu_us_per_event: f64,
    pub(crate) database_us_per_event: f64,
    pub(crate) peak_mib: f64,
    /// From the start with work pending to readiness, and to the first arrival; 0 elsewhere.
    pub(crate) ready_ms: f64,
    pub(crate) first_arrival_ms: f64,
    pub(crate) refused: usize,
    pub(crate) lost: usize,
    pub(crate) repeated: usize,
}

/// Who receives, and who publishes.
struct Stage {
    receivers: Vec<Receiver>,
    tenants: Vec<Tenant>,
}

/// Runs a scenario once.
pub(crate) async fn run(scenario: Scenario, setting: &Setting) -> Result<Figures, Failure> {
    let mut product = Product::start(setting).await?;
    let book = Arc::new(Book::open(scenario.events_max()));
    let stage = set(scenario, &product, &book).await?;
    let dead = if scenario == Scenario::Dead { Some(dead(&product).await?) } else { None };
    let before = product.cpu();
    let (_, path, body) = scenario.load();
    let publishing = publish(Load {
        addresses: product.addresses(),
        path: path.to_owned(),
        keys: stage.tenants.iter().map(|tenant| format!("Bearer {}", tenant.key)).collect(),
        body,
        filling: scenario.filling(),
        rate: scenario.rate(),
        length: scenario.length(setting.length),
        publishers: setting.publishers,
        book: Arc::clone(&book),
    });
    let refused = if let Some(tenants) = dead {
        tokio::select! {
            refused = publishing => refused?,
            failure = to_the_dead(&tenants) => return Err(failure),
        }
    } else {
        publishing.await?
    };
    let mut figures = Figures { refused, ..Figures::default() };
    if scenario == Scenario::Pending {
        start_again(&mut product, &stage, &book, &mut figures).await?;
    }
    let times = scenario.arrivals();
    wait(&book, book.acceptances() * times as usize).await;
    let after = product.cpu();
    let (published, delivered) = book.spans();
    figures.accepted = book.acceptances();
    (figures.lost, figures.repeated) = book.amiss(times);
    if figures.lost + figures.repeated > 0 {
        // Neither should be: whoever measured wants to know why.
        let (lost, repeated) = (figures.lost, figures.repeated);
        eprintln!("{lost} lost and {repeated} repeated; see {}", product.keep_data().display());
    }
    let per_event = |seconds: f64| seconds * 1e6 / (figures.accepted.max(1) as f64);
    figures.cpu_us_per_event = per_event(after.0 - before.0);
    figures.database_us_per_event = per_event(after.1 - before.1);
    figures.published_per_second = figures.accepted as f64 / published.as_secs_f64();
    figures.delivered_per_second = book.arrivals() as f64 / delivered.as_secs_f64();
    figures.publish = book.publishing();
    figures.deliver = book.delivering();
    figures.peak_mib = product.peak_mib();
    Ok(figures)
}

/// Makes the tenants and their subscriptions, and starts the receivers.
async fn set(scenario: Scenario, product: &Product, book: &Arc<Book>) -> Result<Stage, Failure> {
    let (tenants, others) = scenario.crowd();
    let mut receivers = Vec::new();
    for _ in 0..scenario.endpoints() {
        let is_https = scenario == Scenario::Https;
        receivers.push(Receiver::start(Arc::clone(book), scenario.manner(), is_https).await?);
    }
    if scenario == Scenario::Hang {
        receivers.push(Receiver::start(Arc::clone(book), Manner::Hangs, false).await?);
    }
    let (name, ..) = scenario.load();
    let mut made = Vec::new();
    for _ in 0..tenants {
        let tenant = product.tenant().await?;
        for receiver in &receivers {
            tenant.subscribe(&receiver.url(), name, 1).await?;
        }
        // Of a type that is never published here.
        tenant.subscribe(NOWHERE, "customer.deleted", others).await?;
        made.push(tenant);
    }
    Ok(Stage { receivers, tenants: made })
}

/// Tenants with dead endpoints only.
async fn dead(product: &Product) -> Result<Vec<Tenant>, Failure> {
    let (tenants, endpoints) = DEAD;
    let mut made = Vec::new();
    for _ in 0..tenants {
        let tenant = product.tenant().await?;
        tenant.subscribe(NOWHERE, "custom.bench", endpoints).await?;
        made.push(tenant);
    }
    Ok(made)
}

/// An event for one of them after the other, for ever: a thousand attempts in vain each second, and
/// their retries.
async fn to_the_dead(tenants: &[Tenant]) -> Failure {
    let event = json!({"event_type": "custom.bench", "event_data": {}});
    loop {
        for tenant in tenants {
            if let Err(failure) = tenant.make("/api/v1/webhooks/events", &event).await {
                return failure;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Kills the server while nothing was delivered, lets the endpoint take what comes, and starts anew.
async fn start_again(
    product: &mut Product,
    stage: &Stage,
    book: &Book,
    figures: &mut Figures,
) -> Result<(), Failure> {
    product.kill();
    for receiver in &stage.receivers {
        receiver.behave(Manner::Takes);
    }
    let began = Instant::now();
    product.launch().await?;
    figures.ready_ms = began.elapsed().as_secs_f64() * 1_000.0;
    while book.arrivals() == 0 && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    figures.first_arrival_ms = began.elapsed().as_secs_f64() * 1_000.0;
    Ok(())
}

/// Waits until so many have arrived, or none did for a while.
async fn wait(book: &Book, arrivals: usize) {
    let (mut seen, mut since) = (book.arrivals(), Instant::now());
    while seen < arrivals && since.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if book.arrivals() > seen {
            (seen, since) = (book.arrivals(), Instant::now());
        }
    }
    // What comes once too often comes late.
    tokio::time::sleep(Duration::from_millis(200)).await;
}
