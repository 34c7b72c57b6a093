//! The scenarios, and how one is run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Failure;
use crate::book::{Book, Spread};
use crate::load::{Load, publish};
use crate::product::Product;
use crate::receiver::{Manner, Receiver};

/// Events that a run may publish.
const EVENTS_MAX: usize = 1_000_000;
/// How long a run waits for an arrival before it counts what is missing as lost.
/// Longer than an endpoint is left alone at first.
const PATIENCE: Duration = Duration::from_secs(45);

/// What is the same for all runs.
pub(crate) struct Setting {
    pub(crate) binary: PathBuf,
    pub(crate) database: Option<String>,
    pub(crate) length: Duration,
    pub(crate) publishers: usize,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    Saturated,
    Steady100,
    Steady5000,
    Customers,
    FanOut,
    Hang,
    FailFirst,
    Large,
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
    pub(crate) refused: usize,
    pub(crate) lost: usize,
    pub(crate) repeated: usize,
}

impl Scenario {
    pub(crate) const ALL: [Self; 8] = [
        Self::Saturated,
        Self::Steady100,
        Self::Steady5000,
        Self::Customers,
        Self::FanOut,
        Self::Hang,
        Self::FailFirst,
        Self::Large,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Saturated => "saturated",
            Self::Steady100 => "steady-100",
            Self::Steady5000 => "steady-5000",
            Self::Customers => "customers",
            Self::FanOut => "fan-out",
            Self::Hang => "hang",
            Self::FailFirst => "fail-first",
            Self::Large => "large",
        }
    }

    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::Saturated => "events of 1 KiB as fast as they are taken, one endpoint",
            Self::Steady100 => "100 events a second",
            Self::Steady5000 => "5,000 events a second",
            Self::Customers => "customers created as fast as they are taken",
            Self::FanOut => "each event to ten endpoints; deliveries are counted",
            Self::Hang => {
                "1,000 events a second to an endpoint that takes them and to one that hangs"
            }
            Self::FailFirst => {
                "every first attempt fails; 1,000 events a second, the retries included"
            }
            Self::Large => "events of 64 KiB as fast as they are taken",
        }
    }

    fn rate(self) -> Option<u32> {
        match self {
            Self::Steady100 => Some(100),
            Self::Steady5000 => Some(5_000),
            Self::Hang | Self::FailFirst => Some(1_000),
            Self::Saturated | Self::Customers | Self::FanOut | Self::Large => None,
        }
    }

    /// How many endpoints book their arrivals, and how they behave.
    fn endpoints(self) -> (usize, Manner) {
        match self {
            Self::FanOut => (10, Manner::Takes),
            Self::FailFirst => (1, Manner::FailsFirst),
            Self::Saturated
            | Self::Steady100
            | Self::Steady5000
            | Self::Customers
            | Self::Hang
            | Self::Large => (1, Manner::Takes),
        }
    }

    /// How often each event arrives when all is well.
    fn arrivals(self) -> u32 {
        match self {
            Self::FanOut => 10,
            Self::FailFirst => 2,
            Self::Saturated
            | Self::Steady100
            | Self::Steady5000
            | Self::Customers
            | Self::Hang
            | Self::Large => 1,
        }
    }
}

/// An event to publish.
pub(crate) fn event(number: usize, filling: usize) -> String {
    let mark = Book::mark(number);
    let filling = "x".repeat(filling);
    format!(
        r#"{{"event_type":"custom.bench","event_data":{{"mark":"{mark}","filling":"{filling}"}}}}"#
    )
}

fn customer(number: usize, _filling: usize) -> String {
    let mark = Book::mark(number);
    json!({"email": format!("{mark}@example.com"), "first_name": "Ada", "last_name": "Lovelace"})
        .to_string()
}

/// Runs a scenario once, on a server and a database of its own.
pub(crate) async fn run(scenario: Scenario, setting: &Setting) -> Result<Figures, Failure> {
    let mut product = Product::start(&setting.binary, setting.database.as_deref()).await?;
    let book = Arc::new(Book::open(EVENTS_MAX));
    let changes_customers = scenario == Scenario::Customers;
    let names: &[&str] = if changes_customers { &["customer.created"] } else { &["custom.bench"] };
    let (endpoints, manner) = scenario.endpoints();
    let mut receivers = Vec::new();
    for _ in 0..endpoints {
        let receiver = Receiver::start(Arc::clone(&book), manner).await?;
        product.subscribe(&receiver.url(), names).await?;
        receivers.push(receiver);
    }
    if scenario == Scenario::Hang {
        let receiver = Receiver::start(Arc::clone(&book), Manner::Hangs).await?;
        product.subscribe(&receiver.url(), names).await?;
        receivers.push(receiver);
    }
    let before = product.cpu();
    let path = if changes_customers { "/api/v1/customers" } else { "/api/v1/webhooks/events" };
    let refused = publish(Load {
        address: product.address,
        path: path.to_owned(),
        key: format!("Bearer {}", product.client.key().unwrap_or_default()),
        body: if changes_customers { customer } else { event },
        filling: if scenario == Scenario::Large { 64 * 1_024 } else { 1_024 },
        rate: scenario.rate(),
        length: setting.length,
        publishers: setting.publishers,
        book: Arc::clone(&book),
    })
    .await?;
    let times = scenario.arrivals();
    wait(&book, book.acceptances() * times as usize).await;
    let after = product.cpu();
    let (published, delivered) = book.spans();
    let accepted = book.acceptances();
    let (lost, repeated) = book.amiss(times);
    if lost + repeated > 0 {
        // Neither should be: whoever measured wants to know why.
        eprintln!("{lost} lost and {repeated} repeated; see {}", product.keep_data().display());
    }
    let per_event = |seconds: f64| seconds * 1e6 / (accepted.max(1) as f64);
    Ok(Figures {
        accepted,
        published_per_second: accepted as f64 / published.as_secs_f64(),
        delivered_per_second: book.arrivals() as f64 / delivered.as_secs_f64(),
        publish: book.publishing(),
        deliver: book.delivering(),
        cpu_us_per_event: per_event(after.0 - before.0),
        database_us_per_event: per_event(after.1 - before.1),
        peak_mib: product.peak_mib(),
        refused,
        lost,
        repeated,
    })
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
