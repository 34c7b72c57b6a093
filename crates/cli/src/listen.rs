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

/// A receiver: verifies, prints, and tells of each genuine webhook.
#[derive(Clone)]
pub(crate) struct Receiver {
    secret: Option<Arc<SigningSecret>>,
    seen: mpsc::Sender<Value>,
}

/// Listens until Ctrl-C.
pub(crate) async fn run(args: ListenArgs) -> Result<(), Failure> {
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let (subscription, secret) = match (&args.secret, &args.api_key) {
        (Some(secret), _) => (None, Some(secret.clone())),
        (None, Some(key)) => {
            let client = Client::new(&args.server).with_key(key);
            let (id, secret) = subscribe(&client, address, &args.events).await?;
            println!("subscribed as {id} to {}", args.events.join(", "));
            (Some((client, id)), Some(secret))
        }
        (None, None) => (None, None),
    };
    if secret.is_none() {
        println!("no secret: nothing is verified; give --secret or --api-key");
    }
    println!("listening on http://{address}/ — end with Ctrl-C");
    let (seen, mut events) = mpsc::channel(64);
    let router = router(secret.as_deref(), seen)?;
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        () = async { while events.recv().await.is_some() {} } => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    if let Some((client, id)) = subscription {
        client.delete(&format!("/api/v1/webhooks/subscriptions/{id}")).await?;
        println!("the subscription {id} is ended");
    }
    Ok(())
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
pub(crate) fn router(secret: Option<&str>, seen: mpsc::Sender<Value>) -> Result<Router, Failure> {
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
            println!("\n── {name}  {id}  [{verdict}]\n{event:#}");
            // Nobody may be counting.
            let _ = receiver.seen.try_send(event);
            (StatusCode::OK, "ok\n")
        }
        Err(error) => {
            println!("\n── refused  {id}  [{error}]");
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
