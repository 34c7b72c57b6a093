//! `tidings listen`: a receiver on this machine that verifies each webhook, prints it, and hands it
//! on.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tidings_client::Client;
use tidings_kernel::{Clock, SystemClock};
use tidings_webhooks::signing::{ID_HEADER, SigningSecret, TOLERANCE, verify_request};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::Failure;
use crate::args::ListenArgs;
use crate::forward::{Forward, Forwarded};
use crate::say::{aside, say};
use crate::signals::Signals;

/// Is told of each genuine webhook, and of the end of whoever reads what is printed.
pub(crate) type Seen = mpsc::Sender<Result<Value, Failure>>;

/// A receiver: verifies, prints, hands on, and tells of each genuine webhook.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// What a signature may be by; without any, nothing is verified.
    pub(crate) secrets: Vec<SigningSecret>,
    /// Where to hand it on.
    pub(crate) forward: Option<Forward>,
    /// Whether to print lines of JSON.
    pub(crate) json: bool,
    /// Who is told.
    pub(crate) seen: Seen,
}

/// Listens until it is told to end, and ends the subscription that it has made.
pub(crate) async fn run(args: ListenArgs) -> Result<(), Failure> {
    // Before anything is made that must be ended.
    let mut signals = Signals::listen()?;
    let mut secrets = Vec::new();
    if !args.secrets.is_empty() {
        secrets = args.secrets.read()?;
    }
    let forward = args.forward.as_deref().map(Forward::to).transpose()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}; choose --listen", args.listen))?;
    let json = args.json;
    if let Some(forward) = &forward {
        tell(json, format_args!("forwarding to {}", forward.url()))?;
    }
    let (seen, events) = mpsc::channel(64);
    let mut receiver = Receiver { secrets, forward, json, seen };
    let Some(key) = args.api_key.filter(|_| receiver.secrets.is_empty()) else {
        if receiver.secrets.is_empty() {
            let text = "no secret: nothing is verified; give --secret or --api-key";
            tell(json, format_args!("{text}"))?;
        }
        return receive_on(listener, receiver, events, &mut signals).await;
    };
    let client = Client::new(&args.server).with_key(key);
    let (id, secret) = subscribe(&client, listener.local_addr()?, &args.events).await?;
    let outcome = async {
        receiver.secrets.push(SigningSecret::parse(&secret)?);
        tell(json, format_args!("subscribed as {id} to {}", args.events.join(", ")))?;
        receive_on(listener, receiver, events, &mut signals).await
    };
    let outcome = outcome.await;
    client.delete(&format!("/api/v1/webhooks/subscriptions/{id}")).await?;
    outcome?;
    tell(json, format_args!("the subscription {id} is ended"))
}

/// Receives until a signal arrives, or nobody reads what is printed.
async fn receive_on(
    listener: TcpListener,
    receiver: Receiver,
    mut events: mpsc::Receiver<Result<Value, Failure>>,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let address = listener.local_addr()?;
    tell(receiver.json, format_args!("listening on http://{address}/ — end with Ctrl-C"))?;
    let heard = async {
        while let Some(event) = events.recv().await {
            event?;
        }
        Ok::<_, Failure>(())
    };
    tokio::select! {
        served = axum::serve(listener, router(receiver)) => Ok(served?),
        heard = heard => heard,
        () = signals.next() => Ok(()),
    }
}

/// Says how it goes: beside standard output, where that is for programs.
fn tell(json: bool, text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    if json {
        aside(text);
        return Ok(());
    }
    say!("{text}")
}

/// Subscribes a receiver at this address; gives the subscription's id and secret.
pub(crate) async fn subscribe(
    client: &Client,
    address: SocketAddr,
    events: &[String],
) -> Result<(String, String), Failure> {
    let body = json!({
        "url": format!("http://{address}/"),
        "events": events,
        "description": "tidings listen",
    });
    let answer = client.post("/api/v1/webhooks/subscriptions", &body).await?;
    if answer.status == StatusCode::CREATED {
        return Ok((answer.text("/id"), answer.text("/secret")));
    }
    Err(format!("the server refused the subscription: {}", answer.text("/detail")).into())
}

/// The receiver as a service.
pub(crate) fn router(receiver: Receiver) -> Router {
    Router::new().fallback(post(receive)).with_state(Arc::new(receiver))
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let verdict = if receiver.secrets.is_empty() {
        Ok("not verified")
    } else {
        verify_request(&receiver.secrets, &headers, &body, SystemClock.now(), TOLERANCE)
            .map(|()| "signature ok")
            .map_err(|error| error.to_string())
    };
    let forwarded = match (&verdict, &receiver.forward) {
        // What is not genuine is not handed on: the application is to be as safe as it will be.
        (Ok(_), Some(forward)) => Some(forward.send(&headers, body.clone()).await),
        (Ok(_), None) | (Err(_), _) => None,
    };
    let event: Value = serde_json::from_slice(&body)
        .unwrap_or_else(|_| json!(String::from_utf8_lossy(&body).into_owned()));
    let id = headers.get(ID_HEADER).and_then(|value| value.to_str().ok()).unwrap_or("no id");
    let arrival = Arrival { id, verdict: &verdict, forwarded: forwarded.as_ref(), event: &event };
    let text = if receiver.json { arrival.json().to_string() } else { arrival.text() };
    // Nobody may be counting.
    let _ = match (say!("{text}"), &verdict) {
        (Err(error), _) => receiver.seen.try_send(Err(error)),
        (Ok(()), Ok(_)) => receiver.seen.try_send(Ok(event)),
        (Ok(()), Err(_)) => Ok(()),
    };
    match (verdict, forwarded) {
        (Err(_), _) => (StatusCode::UNAUTHORIZED, "the signature does not fit\n").into_response(),
        (Ok(_), None) => (StatusCode::OK, "ok\n").into_response(),
        (Ok(_), Some(Forwarded { answer, .. })) => {
            (answer.status, answer.headers, answer.bytes).into_response()
        }
    }
}

/// What is printed of one webhook.
struct Arrival<'a> {
    id: &'a str,
    verdict: &'a Result<&'static str, String>,
    forwarded: Option<&'a Forwarded>,
    event: &'a Value,
}

impl Arrival<'_> {
    fn name(&self) -> &str {
        self.event["type"].as_str().unwrap_or("unknown")
    }

    fn text(&self) -> String {
        let Self { id, event, .. } = self;
        let mut text = match self.verdict {
            Ok(verdict) => format!("\n── {}  {id}  [{verdict}]\n{event:#}", self.name()),
            Err(error) => return format!("\n── refused  {id}  [{error}]"),
        };
        if let Some(forwarded) = self.forwarded {
            let ms = forwarded.took.as_millis();
            let status = forwarded.answer.status.as_u16();
            let end = match &forwarded.failure {
                None => format!("\n→ the application answered {status} in {ms} ms"),
                Some(failure) => format!("\n→ {failure}; the sender got {status}"),
            };
            text.push_str(&end);
        }
        text
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "type": self.name(),
            "verdict": self.verdict.as_ref().map_or("refused", |verdict| verdict),
            "detail": self.verdict.as_ref().err(),
            "forwarded": self.forwarded.map(|forwarded| json!({
                "status": forwarded.answer.status.as_u16(),
                "duration_ms": u64::try_from(forwarded.took.as_millis()).unwrap_or(u64::MAX),
                "failure": forwarded.failure,
            })),
            "event": self.event,
        })
    }
}
