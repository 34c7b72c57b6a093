//! What the commands that speak for a tenant have in common: the server, the key, its words.

use clap::Args as ClapArgs;
use http::StatusCode;
use serde_json::Value;
use tidings_client::{Answer, Client};
use tidings_kernel::WebhookSubscriptionId;

use crate::Failure;
use crate::failure::misused;

/// Where a tenant is, and the key to it.
#[derive(Debug, ClapArgs)]
pub(crate) struct TenantArgs {
    /// The server.
    #[arg(long, env = "TIDINGS_URL", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// A key of the tenant, with the permission to manage webhooks.
    #[arg(long, env = "TIDINGS_API_KEY", hide_env_values = true)]
    api_key: String,
}

impl TenantArgs {
    /// A client with the tenant's key.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.server).with_key(&self.api_key)
    }
}

/// The subscription that was named, or the only one that is active.
pub(crate) async fn subscription(client: &Client, named: Option<&str>) -> Result<String, Failure> {
    match named {
        Some(text) => {
            let parsed: Result<WebhookSubscriptionId, _> = text.parse();
            Ok(parsed.map_err(|error| misused(format!("--subscription: {error}")))?.to_string())
        }
        None => only_subscription(client).await,
    }
}

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

/// What the server said, with each fault and what to do about the usual ones.
pub(crate) fn refusal(answer: &Answer) -> String {
    let detail = answer.text("/detail");
    let status = answer.status.as_u16();
    let mut text = if detail.is_empty() {
        format!("the server answered {status}")
    } else {
        format!("the server answered {status}: {detail}")
    };
    let json = answer.json();
    let faults = json["errors"].as_array().map_or(&[][..], Vec::as_slice);
    // One alone stands in the sentence already.
    for fault in faults.iter().filter(|_| faults.len() > 1) {
        let word = |name: &str| fault[name].as_str().unwrap_or_default();
        text.push_str(&format!("\n  {}: {}", word("pointer"), word("message")));
    }
    let advice = match status {
        401 => "\n  give --api-key or TIDINGS_API_KEY a key of the tenant",
        403 => "\n  the key lacks a permission; a key with webhooks.manage has it",
        404 => "\n  check the id and --server; a key sees its own tenant only",
        _ => "",
    };
    text.push_str(advice);
    text
}
