//! `tidings listen`: a receiver on this machine that verifies each webhook and prints it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tidings_client::Client;
use tidings_kernel::{Clock, SystemClock};
use tidings_webhooks::signing::{SigningSecret, TOLERANCE, verify_request};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::Failure;
use crate::args::ListenArgs;
use crate::say::say;
use crate::signals::Signals;

/// A receiver: verifies, prints, and tells of each genuine webhook.
#[derive(Clone)]
pub(crate) struct Receiver {
    secret: Option<Arc<SigningSecret>>,
    seen: Seen,
}

/// Is told of each genuine webhook, and of the end of whoever reads what is printed.
pub(crate) type Seen = mpsc::Sender<Result<Value, Failure>>;

/// Listens until it is told to end, and ends the subscription that it has made.
pub(crate) async fn run(args: ListenArgs) -> Result<(), Failure> {
    // Before anything is made that must be ended.
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let (secret, api_key) = (args.secret.as_deref(), args.api_key.as_deref());
    let Some(key) = api_key.filter(|_| secret.is_none()) else {
        if secret.is_none() {
            say!("no secret: nothing is verified; give --secret or --api-key")?;
        }
        return receive_on(listener, secret, &mut signals).await;
    };
    let client = Client::new(&args.server).with_key(key);
    let (id, secret) = subscribe(&client, address, &args.events).await?;
    let received = async {
        say!("subscribed as {id} to {}", args.events.join(", "))?;
        receive_on(listener, Some(&secret), &mut signals).await
    };
    let received = received.await;
    client.delete(&format!("/api/v1/webhooks/subscriptions/{id}")).await?;
    received?;
    say!("the subscription {id} is ended")
}

/// Receives until a signal arrives, or nobody reads what is printed.
async fn receive_on(
    listener: TcpListener,
    secret: Option<&str>,
    signals: &mut Signals,
) -> Result<(), Failure> {
    say!("listening on http://{}/ — end with Ctrl-C", listener.local_addr()?)?;
    let (seen, mut events) = mpsc::channel(64);
    let router = router(secret, seen)?;
    let heard = async {
        while let Some(event) = events.recv().await {
            event?;
        }
        Ok::<_, Failure>(())
    };
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        heard = heard => heard,
        () = signals.next() => Ok(()),
    }
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
pub(crate) fn router(secret: Option<&str>, seen: Seen) -> Result<Router, Failure> {
    let secret = secret.map(SigningSecret::parse).transpose()?.map(Arc::new);
    Ok(Router::new().fallback(post(receive)).with_state(Receiver { secret, seen }))
}

async fn receive(
    State(receiver): State<Receiver>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let verdict = match &receiver.secret {
        Some(secret) => {
            let secrets = [clone(secret)];
            verify_request(&secrets, &headers, &body, SystemClock.now(), TOLERANCE)
                .map(|()| "signature ok")
                .map_err(|error| error.to_string())
        }
        None => Ok("not verified"),
    };
    let id = headers.get("webhook-id").and_then(|v| v.to_str().ok()).unwrap_or("no id");
    match verdict {
        Ok(verdict) => {
            let event: Value = serde_json::from_slice(&body).unwrap_or_default();
            let name = event["type"].as_str().unwrap_or("unknown");
            let said = say!("\n── {name}  {id}  [{verdict}]\n{event:#}");
            // Nobody may be counting.
            let _ = receiver.seen.try_send(said.map(|()| event));
            (StatusCode::OK, "ok\n")
        }
        Err(error) => {
            if let Err(closed) = say!("\n── refused  {id}  [{error}]") {
                let _ = receiver.seen.try_send(Err(closed));
            }
            (StatusCode::UNAUTHORIZED, "the signature does not fit\n")
        }
    }
}

fn clone(secret: &SigningSecret) -> SigningSecret {
    // A secret does not copy by itself; its text does, and parses by construction.
    let Ok(again) = SigningSecret::parse(&secret.to_text()) else {
        unreachable!("a secret's own text parses")
    };
    again
}
