//! `tidings trigger`: an example of any type, sent to one subscription.

use std::time::Duration;

use clap::Args as ClapArgs;
use http::StatusCode;
use serde_json::{Value, json};
use tidings_client::{Answer, Client};
use tidings_kernel::WebhookSubscriptionId;

use crate::Failure;
use crate::failure::{Ended, misused};
use crate::say::say;

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
    /// The server.
    #[arg(long, env = "TIDINGS_URL", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// A key of the tenant, with the permission to manage webhooks.
    #[arg(long, env = "TIDINGS_API_KEY", hide_env_values = true)]
    api_key: String,
    /// Wait for the first attempt and say how it went; a minute at most.
    #[arg(long)]
    wait: bool,
    /// What the server tells, as a JSON object; with --wait the delivery.
    #[arg(long)]
    json: bool,
}

/// Asks the server to send it.
pub(crate) async fn run(args: TriggerArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server).with_key(&args.api_key);
    let subscription = match &args.subscription {
        Some(text) => {
            let parsed: Result<WebhookSubscriptionId, _> = text.parse();
            parsed.map_err(|error| misused(format!("--subscription: {error}")))?.to_string()
        }
        None => only_subscription(&client).await?,
    };
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

/// The one subscription that is active.
async fn only_subscription(client: &Client) -> Result<String, Failure> {
    let answer = client.get("/api/v1/webhooks/subscriptions?limit=200").await?;
    if answer.status != StatusCode::OK {
        return Err(refusal(&answer).into());
    }
    let json = answer.json();
    let rows = json["data"].as_array().cloned().unwrap_or_default();
    let active: Vec<&Value> = rows.iter().filter(|row| row["is_active"] == true).collect();
    match active.as_slice() {
        [one] => Ok(one["id"].as_str().unwrap_or_default().to_owned()),
        [] => {
            Err("the tenant has no active webhook subscription; make one, or run `tidings listen \
                   --api-key …` beside this"
                .into())
        }
        several => {
            let mut lines =
                vec!["several subscriptions are active; choose with --subscription:".to_owned()];
            lines.extend(several.iter().map(|row| {
                let word = |name: &str| row[name].as_str().unwrap_or_default();
                format!("  {}  {}", word("id"), word("url"))
            }));
            Err(misused(lines.join("\n")))
        }
    }
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

/// What the server said, with each fault and what to do about the usual ones.
fn refusal(answer: &Answer) -> String {
    let detail = answer.text("/detail");
    let status = answer.status.as_u16();
    let mut text = if detail.is_empty() {
        format!("the server answered {status}")
    } else {
        format!("the server answered {status}: {detail}")
    };
    let advice = match answer.status.as_u16() {
        401 => "\n  give --api-key or TIDINGS_API_KEY a key of the tenant",
        403 => "\n  the key lacks a permission; a key with webhooks.manage has it",
        404 => "\n  check --subscription and --server; a key sees its own tenant only",
        _ => "",
    };
    text.push_str(advice);
    text
}
