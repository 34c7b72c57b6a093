//! `tidings conformance`: what a receiver does with genuine webhooks and with forged ones.
//!
//! [`checks`] says what is sent and what should come back, [`forge`] makes the requests, and
//! [`report`] tells people and programs. Nothing but the URL of the command line is ever called.

mod checks;
mod forge;
mod report;

use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use http::{HeaderMap, Request};
use http_body_util::Full;
use tidings_client::Client;
use tidings_kernel::{Clock, SystemClock};
use tidings_webhooks::signing::SigningSecret;
use url::Url;

use crate::Failure;
use crate::failure::{Ended, misused};
use crate::forward::web_url;
use crate::inputs::{SecretArgs, read_headers};
use crate::say::say;
use checks::{CHECKS, Check, IN_TIME};
use forge::{Forge, Forged};
use report::{Report, Row, Verdict};

const EXAMPLES: &str = "\
Examples:
  tidings conformance http://localhost:3000/hook --secret whsec_…
  tidings conformance https://staging.example.com/hooks -H 'Authorization: Bearer …' --json

The receiver gets examples of customer.created and of a type that does not exist; point this at one
that may. What fails has its cure beside it. Recommended checks warn and do not fail.

Exit status: 0 every required check passed; 1 one did not; 2 wrong arguments, or nothing answers
at the URL.";

/// Checks a receiver.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConformanceArgs {
    /// The receiver's URL; nothing else is called.
    url: String,
    #[command(flatten)]
    secret: SecretArgs,
    /// A header to send along, where something before the receiver wants one.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Seconds within which an answer must come; a subscription waits 15 unless told.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=30))]
    within: u64,
    /// The report as a JSON object.
    #[arg(long)]
    json: bool,
}

/// What came back of one request.
#[derive(Debug)]
struct Outcome {
    /// The status; or why there is none.
    status: Result<u16, Silence>,
    took: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Silence {
    /// The time was up.
    Late,
    /// The connection was refused or broke, with the reason.
    Broken(String),
}

/// Runs every check, one after the other, and prints the report.
pub(crate) async fn run(args: ConformanceArgs) -> Result<(), Failure> {
    let url = web_url(&args.url)?;
    let secrets = args.secret.read()?;
    let [secret] = secrets.as_slice() else {
        return Err(misused("a receiver is checked with one secret; give one --secret"));
    };
    let probe = Probe {
        client: Client::new(url.as_str()),
        url,
        headers: read_headers(&args.header, None)?,
        within: Duration::from_secs(args.within),
    };
    let rows = probe.check_all(secret).await?;
    let report = Report { url: probe.url.as_str(), rows: &rows };
    say!("{}", if args.json { report.json().to_string() } else { report.table() })?;
    if report.passed() { Ok(()) } else { Err(Ended::Negative.into()) }
}

struct Probe {
    url: Url,
    client: Client,
    /// What goes along with every request.
    headers: HeaderMap,
    within: Duration,
}

impl Probe {
    async fn check_all(&self, secret: &SigningSecret) -> Result<Vec<Row>, Failure> {
        let mut rows: Vec<Row> = Vec::with_capacity(CHECKS.len() + 1);
        // As soon as the first webhook gets no answer, the others are spared the wait.
        let mut is_silent = false;
        for check in CHECKS {
            if is_silent {
                rows.push(Row { check, verdict: Verdict::Skipped, outcomes: Vec::new() });
                continue;
            }
            let outcomes = self.outcomes(check, secret).await;
            if rows.is_empty() {
                match outcomes.first().map(|outcome| &outcome.status) {
                    Some(Err(Silence::Broken(why))) => {
                        let url = &self.url;
                        return Err(misused(format!(
                            "no answer from {url}: {why}; is the receiver running?"
                        )));
                    }
                    Some(Err(Silence::Late)) => is_silent = true,
                    Some(Ok(_)) | None => {}
                }
            }
            rows.push(Row { check, verdict: judge(check, &outcomes), outcomes });
        }
        rows.push(self.in_time(&rows));
        Ok(rows)
    }

    /// The requests of a check, in their order. Each is made when it is sent, so that what is to be
    /// fresh is fresh.
    async fn outcomes(&self, check: &Check, secret: &SigningSecret) -> Vec<Outcome> {
        let forge = Forge::new(secret, SystemClock.now().unix_seconds());
        let mut outcomes = Vec::new();
        for forged in (check.requests)(&forge) {
            outcomes.push(self.send(forged).await);
        }
        outcomes
    }

    async fn send(&self, forged: Forged) -> Outcome {
        let Forged { method, headers, body } = forged;
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        if let Ok(uri) = self.url.as_str().parse() {
            *request.uri_mut() = uri;
        }
        request.headers_mut().extend(self.headers.clone());
        for (name, value) in headers {
            if let Ok(value) = value.parse() {
                request.headers_mut().insert(name, value);
            }
        }
        let began = Instant::now();
        let answer = tokio::time::timeout(self.within, self.client.exchange(request)).await;
        let status = match answer {
            Ok(Ok(answer)) => Ok(answer.status.as_u16()),
            Ok(Err(error)) => Err(Silence::Broken(root_cause(&error))),
            Err(_) => Err(Silence::Late),
        };
        Outcome { status, took: began.elapsed() }
    }

    /// Over all that was sent: whether every answer came in time, and how long the slowest took.
    fn in_time(&self, rows: &[Row]) -> Row {
        let outcomes = || rows.iter().flat_map(|row| &row.outcomes);
        let late = outcomes().filter(|outcome| outcome.status == Err(Silence::Late)).count();
        let verdict = if late == 0 {
            let slowest = outcomes().map(|outcome| outcome.took).max().unwrap_or_default();
            Verdict::Passed(format!("the slowest answer took {} ms", slowest.as_millis()))
        } else {
            let within = self.within.as_secs();
            let sent = outcomes().count();
            Verdict::Failed(format!("{late} of {sent} requests got no answer within {within} s"))
        };
        Row { check: &IN_TIME, verdict, outcomes: Vec::new() }
    }
}

/// Whether what came back is what should.
fn judge(check: &Check, outcomes: &[Outcome]) -> Verdict {
    let fault = outcomes.iter().find_map(|outcome| check.expects.fault(outcome));
    if let Some(fault) = fault {
        Verdict::Failed(fault)
    } else {
        let statuses: Vec<String> = outcomes
            .iter()
            .filter_map(|outcome| outcome.status.as_ref().ok())
            .map(ToString::to_string)
            .collect();
        Verdict::Passed(format!("answered {}", statuses.join(" and ")))
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
