//! `tidings trigger`: an example of any type, sent to one subscription.

use std::time::Duration;

use clap::Args as ClapArgs;
use http::StatusCode;
use serde_json::{Value, json};
use tidings_client::Client;

use crate::Failure;
use crate::failure::Ended;
use crate::say::say;
use crate::tenant::{TenantArgs, refusal, subscription};

const EXAMPLES: &str = "\
Examples:
  tidings trigger customer.created
  tidings trigger custom.order.shipped --subscription whs_01h455vb4pex5vsknk084sn02q --wait

`tidings events list` prints the types. The event is an example, made for this one subscription; it
is in the log like any other, and nothing in the tenant has changed.

Exit status: 0 taken on, with --wait delivered; 1 refused, or with --wait not delivered; 2 wrong
arguments.";

/// How often the delivery is looked at, and for how long.
const LOOKS: (Duration, u32) = (Duration::from_millis(200), 300);

/// Sends an example.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TriggerArgs {
    /// A type of the catalog, or one of the tenant's own: customer.created
    event_type: String,
    /// The subscription; may be left out where only one is active.
    #[arg(long, value_name = "whs_…")]
    subscription: Option<String>,
    #[command(flatten)]
    tenant: TenantArgs,
    /// Wait for the first attempt and say how it went; a minute at most.
    #[arg(long)]
    wait: bool,
    /// What the server tells, as a JSON object; with --wait the delivery.
    #[arg(long)]
    json: bool,
}

/// Asks the server to send it.
pub(crate) async fn run(args: TriggerArgs) -> Result<(), Failure> {
    let client = args.tenant.client();
    let subscription = subscription(&client, args.subscription.as_deref()).await?;
    let path = format!("/api/v1/webhooks/subscriptions/{subscription}/test");
    let answer = client.post(&path, &json!({"event_type": args.event_type})).await?;
    if answer.status != StatusCode::ACCEPTED {
        return Err(refusal(&answer).into());
    }
    let mut told = answer.json();
    if args.wait {
        told = first_attempt(&client, &told, &subscription).await?;
    }
    if args.json {
        say!("{told}")?;
    } else {
        say!("{}", said(&told, &args.event_type, &subscription, args.wait))?;
    }
    if args.wait && told["status"] != "delivered" {
        return Err(Ended::Negative.into());
    }
    Ok(())
}

fn said(delivery: &Value, event_type: &str, subscription: &str, waited: bool) -> String {
    let event = delivery["event_id"].as_str().unwrap_or("an event");
    if !waited {
        return format!("{event_type} is on its way to {subscription} as {event}");
    }
    let word = |name: &str| delivery[name].as_str().unwrap_or("unknown");
    let answer = match delivery["last_status"].as_u64() {
        Some(status) => format!("the endpoint answered {status}"),
        None => format!("no answer: {}", word("last_error")),
    };
    format!("{event_type} as {event} to {subscription}: {}; {answer}", word("status"))
}

/// The delivery of the event that the server told of, after its first attempt.
async fn first_attempt(
    client: &Client,
    told: &Value,
    subscription: &str,
) -> Result<Value, Failure> {
    let event = told["event_id"].as_str().unwrap_or_default();
    let path =
        format!("/api/v1/webhooks/deliveries?event_id={event}&subscription_id={subscription}");
    let (pause, looks) = LOOKS;
    for _ in 0..looks {
        let answer = client.get(&path).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer).into());
        }
        let delivery = answer.json()["data"][0].take();
        let is_tried = delivery["attempts"].as_u64().unwrap_or_default() > 0;
        if is_tried || delivery["status"] == "discarded" {
            return Ok(delivery);
        }
        tokio::time::sleep(pause).await;
    }
    Err(format!("{event} was not tried within a minute; `tidings doctor` says why").into())
}
