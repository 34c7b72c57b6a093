//! `tidings events tail` and `tidings deliveries tail`: what happens in a tenant, as it happens.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::Value;
use tidings_client::{Client, ClientError, Events};

use crate::Failure;
use crate::failure::misused;
use crate::say::{aside, say};
use crate::signals::Signals;

const EVENTS_EXAMPLES: &str = "\
Examples:
  tidings events tail
  tidings events tail --event-type 'customer.*' --json | jq .event.data
  tidings events tail --after 0 --subject cus_01h455vb4pex5vsknk084sn02q

A line is the position, the instant, the type and the event's id. When the connection breaks, it goes
on where it was; nothing is left out and nothing comes twice.

Exit status: 0 ended by Ctrl-C; 1 refused; 2 wrong arguments.";

const DELIVERIES_EXAMPLES: &str = "\
Examples:
  tidings deliveries tail
  tidings deliveries tail --status waiting,exhausted
  tidings deliveries tail --subscription whs_01h455vb4pex5vsknk084sn02q --json | jq .error

A line is the instant, what the delivery is after the attempt, which attempt it was, the answer or the
error, the type and the delivery's id. When the connection breaks, it goes on where it was. What was
settled is known for an hour; where some of it may be left out, that is said.

Exit status: 0 ended by Ctrl-C; 1 refused; 2 wrong arguments.";

/// Between a connection that broke and the next.
const PAUSE: Duration = Duration::from_secs(2);

/// What is sent to subscriptions.
#[derive(Debug, Subcommand)]
pub(crate) enum DeliveriesCommand {
    /// Follow a tenant's attempts as their outcomes are written.
    Tail(DeliveriesTailArgs),
}

/// Where it is followed, and how it is shown.
#[derive(Debug, ClapArgs)]
struct Followed {
    /// Only what is about events of this type, or of these: customer.created, customer.*
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// Only what is about this object.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// A line of JSON for each, as the API has it.
    #[arg(long)]
    json: bool,
    /// The server.
    #[arg(long, env = "TIDINGS_URL", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// A key of the tenant, with the permission to read events or webhooks.
    #[arg(long, env = "TIDINGS_API_KEY", hide_env_values = true)]
    api_key: String,
}

/// Which events are followed.
#[derive(Debug, ClapArgs)]
#[command(after_help = EVENTS_EXAMPLES)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    followed: Followed,
    /// Begin after this position; 0 is the beginning of the log. From now on unless told.
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
}

/// Which attempts are followed.
#[derive(Debug, ClapArgs)]
#[command(after_help = DELIVERIES_EXAMPLES)]
pub(crate) struct DeliveriesTailArgs {
    #[command(flatten)]
    followed: Followed,
    /// Only attempts to this subscription.
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// Only those after which the delivery is this: delivered, waiting, exhausted, discarded, or
    /// several with commas between.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Begin after this id of the stream; 0 for all that is known. From now on unless told.
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
}

/// Follows events until it is told to end.
pub(crate) async fn events(args: TailArgs) -> Result<(), Failure> {
    let after = args.after.map(|position| position.to_string());
    run(&args.followed, "events", &[("after", after)], event_line).await
}

/// Follows deliveries until it is told to end.
pub(crate) async fn deliveries(command: DeliveriesCommand) -> Result<(), Failure> {
    let DeliveriesCommand::Tail(args) = command;
    let DeliveriesTailArgs { followed, subscription, status, after } = args;
    let narrowed = [("subscription_id", subscription), ("status", status), ("after", after)];
    run(&followed, "deliveries", &narrowed, attempt_line).await
}

/// How one thing is shown to people.
type Line = fn(&Value) -> String;

async fn run(
    followed: &Followed,
    what: &str,
    narrowed: &[(&str, Option<String>)],
    line: Line,
) -> Result<(), Failure> {
    let Followed { event_type, subject, json, server, api_key } = followed;
    let mut query = vec![("event_type", event_type.clone()), ("subject_id", subject.clone())];
    query.extend_from_slice(narrowed);
    let path = format!("/api/v1/webhooks/{what}/stream?{}", pairs(&query)?);
    let mut signals = Signals::listen()?;
    let client = Client::new(server).with_key(api_key);
    let line = (!json).then_some(line);
    tokio::select! {
        ended = follow(&client, &path, line) => ended,
        () = signals.next() => Ok(()),
    }
}

/// The query of those that have a value.
fn pairs(query: &[(&str, Option<String>)]) -> Result<String, Failure> {
    let mut pairs = Vec::new();
    for (name, value) in query {
        let Some(value) = value else { continue };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*,".contains(&byte);
        if !value.bytes().all(is_plain) {
            return Err(misused(format!("{value:?} is neither a type nor an id")));
        }
        pairs.push(format!("{name}={value}"));
    }
    Ok(pairs.join("&"))
}

/// Follows over as many connections as it takes.
async fn follow(client: &Client, path: &str, line: Option<Line>) -> Result<(), Failure> {
    let mut last: Option<String> = None;
    let mut was_connected = false;
    loop {
        let resumed = match &last {
            Some(id) => client.with_header("last-event-id", id),
            None => client.clone(),
        };
        match resumed.events(path).await {
            Ok(mut events) if events.status.is_success() => {
                was_connected = true;
                let read = print_all(&mut events, line).await;
                last = events.last_id().map(str::to_owned).or(last);
                match read {
                    Ok(()) => aside(format_args!("the stream has ended; going on")),
                    Err(Read::Lost(error)) => aside(format_args!("{error}; going on")),
                    Err(Read::Closed(failure)) => return Err(failure),
                }
            }
            Ok(events) => {
                let answer = events.into_answer().await?;
                if !answer.status.is_server_error() {
                    return Err(answer.text("/detail").into());
                }
                aside(format_args!("the server answers {}; trying again", answer.status));
            }
            // A server that never answered is more likely misspelt than away.
            Err(error) if !was_connected => return Err(error.into()),
            Err(error) => aside(format_args!("{error}; trying again")),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why reading ended early.
enum Read {
    /// The connection broke.
    Lost(ClientError),
    /// Nobody reads what is printed, or the key is not allowed any more.
    Closed(Failure),
}

async fn print_all(events: &mut Events, line: Option<Line>) -> Result<(), Read> {
    while let Some(message) = events.next().await.map_err(Read::Lost)? {
        if message.is_comment {
            continue;
        }
        if message.event == "end" {
            if message.data.contains("not_allowed") {
                return Err(Read::Closed("the key may not read this any more".into()));
            }
            continue;
        }
        if message.event == "left_out" {
            aside(format_args!("some of what was before may be left out: it is known no longer"));
            continue;
        }
        print(&message.data, line).map_err(Read::Closed)?;
    }
    Ok(())
}

fn print(data: &str, line: Option<Line>) -> Result<(), Failure> {
    match line {
        None => say!("{data}"),
        Some(line) => say!("{}", line(&serde_json::from_str(data)?)),
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn event_line(event: &Value) -> String {
    let position = event["position"].as_i64().unwrap_or_default();
    let text = |name| text(event, name);
    format!("{position:>8}  {}  {:<36} {}", text("timestamp"), text("type"), text("id"))
}

fn attempt_line(attempt: &Value) -> String {
    let text = |name| text(attempt, name);
    let number = attempt["attempt"].as_i64().unwrap_or_default();
    let answer = match attempt["http_status"].as_i64() {
        Some(status) => status.to_string(),
        None => text("error").to_owned(),
    };
    format!(
        "{}  {:<9} {number:>2}  {answer:<15} {:<36} {}",
        text("settled_at"),
        text("status"),
        text("event_type"),
        text("delivery_id"),
    )
}
