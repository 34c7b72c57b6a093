//! `tidings conformance` against a receiver that is right, and against each way of being wrong.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::{OTHER, SECRET, err, out, run_beside, served, tidings};

/// One way of being wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    LooksAtNoSignature,
    ComparesTheBeginning,
    PassesOverTheScheme,
    LooksAtTheFirstEntry,
    LooksAtTheLastEntry,
    TakesOldOnes,
    TakesFutureOnes,
    TakesAnyTimestamp,
    ParsesFirst,
    NeedsNoId,
    FallsOverWithoutHeaders,
    RefusesDuplicates,
    RefusesUnknownTypes,
    TakesSmallBodies,
    IsSlowWithLargeBodies,
    NeverAnswers,
    Redirects,
    IsGone,
    HasAnotherSecret,
    FallsOverOnGet,
}

impl Flaw {
    /// The checks that must find it, and no other may.
    fn found_by(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::LooksAtNoSignature => &[
                "bad_signature",
                "truncated_signature",
                "unknown_scheme",
                "tampered_body",
                "tampered_id",
                "tampered_timestamp",
            ],
            Self::ComparesTheBeginning => &["truncated_signature"],
            Self::PassesOverTheScheme => &["unknown_scheme"],
            Self::LooksAtTheFirstEntry => &["rotation_good_last"],
            Self::LooksAtTheLastEntry => &["rotation_good_first"],
            Self::TakesOldOnes => &["stale_timestamp"],
            Self::TakesFutureOnes => &["future_timestamp"],
            Self::TakesAnyTimestamp => &["stale_timestamp", "future_timestamp"],
            Self::ParsesFirst => &["raw_bytes"],
            Self::NeedsNoId => &["missing_id"],
            Self::FallsOverWithoutHeaders => {
                &["missing_id", "missing_timestamp", "missing_signature"]
            }
            Self::RefusesDuplicates => &["duplicate"],
            Self::RefusesUnknownTypes => &["unknown_type"],
            Self::TakesSmallBodies => &["large_body"],
            Self::IsSlowWithLargeBodies => &["large_body", "in_time"],
            Self::NeverAnswers => &["good_signature", "in_time"],
            Self::Redirects | Self::IsGone | Self::HasAnotherSecret => &[
                "good_signature",
                "raw_bytes",
                "rotation_good_first",
                "rotation_good_last",
                "duplicate",
                "unknown_type",
                "large_body",
            ],
            Self::FallsOverOnGet => &["get"],
        }
    }

    const ALL: [Self; 20] = [
        Self::LooksAtNoSignature,
        Self::ComparesTheBeginning,
        Self::PassesOverTheScheme,
        Self::LooksAtTheFirstEntry,
        Self::LooksAtTheLastEntry,
        Self::TakesOldOnes,
        Self::TakesFutureOnes,
        Self::TakesAnyTimestamp,
        Self::ParsesFirst,
        Self::NeedsNoId,
        Self::FallsOverWithoutHeaders,
        Self::RefusesDuplicates,
        Self::RefusesUnknownTypes,
        Self::TakesSmallBodies,
        Self::IsSlowWithLargeBodies,
        Self::NeverAnswers,
        Self::Redirects,
        Self::IsGone,
        Self::HasAnotherSecret,
        Self::FallsOverOnGet,
    ];
}

#[derive(Clone)]
struct Receiver {
    flaw: Flaw,
    seen: Arc<Mutex<BTreeSet<String>>>,
}

async fn receiver(flaw: Flaw) -> String {
    let state = Receiver { flaw, seen: Arc::default() };
    let router =
        Router::new().fallback(receive).layer(DefaultBodyLimit::max(1024 * 1024)).with_state(state);
    format!("http://{}/hook", served(router).await)
}

async fn receive(
    State(receiver): State<Receiver>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let flaw = receiver.flaw;
    match (method, flaw) {
        (Method::GET, Flaw::FallsOverOnGet) => return StatusCode::INTERNAL_SERVER_ERROR,
        (Method::POST, _) => {}
        (_, _) => return StatusCode::METHOD_NOT_ALLOWED,
    }
    if flaw == Flaw::NeverAnswers || (flaw == Flaw::IsSlowWithLargeBodies && body.len() > 65_536) {
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    if flaw == Flaw::TakesSmallBodies && body.len() > 65_536 {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    if !is_genuine(flaw, &headers, &body) {
        let is_lacking = ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .iter()
            .any(|name| !headers.contains_key(*name));
        return if flaw == Flaw::FallsOverWithoutHeaders && is_lacking {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::UNAUTHORIZED
        };
    }
    let event: Value = serde_json::from_slice(&body).unwrap();
    let id = event["id"].as_str().unwrap().to_owned();
    let is_new = receiver.seen.lock().unwrap().insert(id);
    let is_known = event["type"] == "customer.created";
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most flaws are in what is checked, not answered"
    )]
    match flaw {
        Flaw::Redirects => StatusCode::PERMANENT_REDIRECT,
        Flaw::IsGone => StatusCode::GONE,
        Flaw::RefusesDuplicates if !is_new => StatusCode::CONFLICT,
        Flaw::RefusesUnknownTypes if !is_known => StatusCode::BAD_REQUEST,
        _ => StatusCode::NO_CONTENT,
    }
}

/// As a receiver finds out, without our own code: the right one asks the official library.
fn is_genuine(flaw: Flaw, headers: &HeaderMap, body: &[u8]) -> bool {
    let secret = if flaw == Flaw::HasAnotherSecret { OTHER } else { SECRET };
    let official = standardwebhooks::Webhook::new(secret).unwrap();
    if flaw == Flaw::None {
        return official.verify(body, headers).is_ok();
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let Some(timestamp) = text("webhook-timestamp").and_then(|text| text.parse::<i64>().ok())
    else {
        return false;
    };
    #[expect(clippy::disallowed_methods, reason = "a receiver has a clock of its own")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let age = i64::try_from(now).unwrap() - timestamp;
    let takes_old = matches!(flaw, Flaw::TakesOldOnes | Flaw::TakesAnyTimestamp);
    let takes_future = matches!(flaw, Flaw::TakesFutureOnes | Flaw::TakesAnyTimestamp);
    if (age > 300 && !takes_old) || (age < -300 && !takes_future) {
        return false;
    }
    let Some(given) = text("webhook-signature") else { return false };
    let id = match text("webhook-id") {
        Some(id) => id,
        // It takes the one in the body, which is the same.
        None if flaw == Flaw::NeedsNoId => {
            let event: Value = serde_json::from_slice(body).unwrap();
            event["id"].as_str().unwrap().to_owned()
        }
        None => return false,
    };
    if flaw == Flaw::LooksAtNoSignature {
        return true;
    }
    let parsed = serde_json::from_slice::<Value>(body).unwrap().to_string();
    let body = if flaw == Flaw::ParsesFirst { parsed.as_bytes() } else { body };
    let wanted = official.sign(&id, timestamp, body).unwrap();
    let entries: Vec<&str> = given.split(' ').collect();
    let looked_at = if flaw == Flaw::LooksAtTheFirstEntry {
        &entries[..1]
    } else if flaw == Flaw::LooksAtTheLastEntry {
        &entries[entries.len() - 1..]
    } else {
        &entries[..]
    };
    looked_at.iter().any(|entry| {
        *entry == wanted
            || flaw == Flaw::ComparesTheBeginning && wanted.starts_with(entry)
            || flaw == Flaw::PassesOverTheScheme && entry.ends_with(&wanted[3..])
    })
}

async fn conformance(url: &str, more: &[&str]) -> (Option<i32>, Value) {
    let mut command = tidings(&["conformance", url, "--json", "--within", "2"]);
    command.args(more).env("TIDINGS_WEBHOOK_SECRET", SECRET);
    let done = run_beside(command).await;
    assert_eq!(err(&done), "");
    (done.status.code(), serde_json::from_str(&out(&done)).unwrap())
}

fn names(report: &Value, results: &[&str]) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap().iter();
    let found = checks.filter(|check| results.contains(&check["result"].as_str().unwrap()));
    found.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_receiver_passes_every_check() {
    let url = receiver(Flaw::None).await;
    let (status, report) = conformance(&url, &[]).await;
    assert_eq!(names(&report, &["fail", "warn", "skip"]), [""; 0], "{report:#}");
    assert_eq!((status, &report["passed"]), (Some(0), &Value::Bool(true)));
    assert_eq!(report["required_passed"], report["required"]);

    let mut command = tidings(&["conformance", &url]);
    command.env("TIDINGS_WEBHOOK_SECRET", SECRET);
    let table = run_beside(command).await;
    assert!(table.status.success());
    assert!(out(&table).contains("pass  good_signature"), "{}", out(&table));
    assert!(out(&table).contains("20 of 20 required checks passed"), "{}", out(&table));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_found_and_nothing_else() {
    for flaw in Flaw::ALL {
        let url = receiver(flaw).await;
        let (status, report) = conformance(&url, &[]).await;
        let found = names(&report, &["fail", "warn"]);
        let mut wanted = flaw.found_by().to_vec();
        // The report has them in the order of the checks.
        wanted.sort_by_key(|name| found.iter().position(|one| one == name));
        assert_eq!(found, wanted, "{flaw:?}: {report:#}");
        // A recommendation alone does not fail.
        let passes = flaw == Flaw::FallsOverOnGet;
        assert_eq!(status, Some(i32::from(!passes)), "{flaw:?}");
        for check in report["checks"].as_array().unwrap() {
            let is_good = check["result"] == "pass";
            assert_eq!(check["cure"].is_string(), !is_good, "{flaw:?}: {check}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_has_its_cure_beside_it() {
    let url = receiver(Flaw::ParsesFirst).await;
    let done = run_beside(tidings(&["conformance", &url, "--secret", SECRET])).await;
    assert_eq!(done.status.code(), Some(1));
    let table = out(&done);
    assert!(table.contains("FAIL  raw_bytes") && table.contains("→ verify the bytes"), "{table}");
    assert!(table.contains("19 of 20 required checks passed"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_checked_it_is_said() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}/");
    let cases: [(&[&str], &str); 5] = [
        (&[&nobody, "--secret", SECRET], "is the receiver running?"),
        (&["localhost:3000", "--secret", SECRET], "write it as http://"),
        (&[&nobody], "TIDINGS_WEBHOOK_SECRET"),
        (&[&nobody, "--secret", SECRET, "--secret", OTHER], "one secret"),
        (&["http://me:you@localhost/", "--secret", SECRET], "use a header"),
    ];
    for (arguments, says) in cases {
        let mut command = tidings(&["conformance"]);
        command.args(arguments);
        let done = run_beside(command).await;
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {}", out(&done));
        assert!(err(&done).contains(says), "{arguments:?}: {}", err(&done));
    }
}
