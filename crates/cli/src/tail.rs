//! `tidings events tail`: a tenant's events as they happen, without a gap.

use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::Value;
use tidings_client::{Client, ClientError, Events};

use crate::Failure;
use crate::failure::misused;
use crate::say::{aside, say};
use crate::signals::Signals;

const EXAMPLES: &str = "\
Examples:
  tidings events tail
  tidings events tail --event-type 'customer.*' --json | jq .event.data
  tidings events tail --after 0 --subject cus_01h455vb4pex5vsknk084sn02q

A line is the position, the instant, the type and the event's id. When the connection breaks, it goes
on where it was; nothing is left out and nothing comes twice.

Exit status: 0 ended by Ctrl-C; 1 refused; 2 wrong arguments.";

/// Between a connection that broke and the next.
const PAUSE: Duration = Duration::from_secs(2);

/// What is followed.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TailArgs {
    /// Only events of this type, or of these: customer.created, customer.*
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// Only events about this object.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Begin after this position; 0 is the beginning of the log. From now on unless told.
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// A line of JSON for each event, as the log has it.
    #[arg(long)]
    json: bool,
    /// The server.
    #[arg(long, env = "TIDINGS_URL", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// A key of the tenant, with the permission to read events.
    #[arg(long, env = "TIDINGS_API_KEY", hide_env_values = true)]
    api_key: String,
}

/// Follows until it is told to end.
pub(crate) async fn run(args: TailArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let client = Client::new(&args.server).with_key(&args.api_key);
    let path = path(&args)?;
    tokio::select! {
        ended = follow(&client, &path, args.json) => ended,
        () = signals.next() => Ok(()),
    }
}

fn path(args: &TailArgs) -> Result<String, Failure> {
    let mut query: Vec<(&str, String)> = Vec::new();
    for (name, value) in [("event_type", &args.event_type), ("subject_id", &args.subject)] {
        let Some(value) = value else { continue };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*".contains(&byte);
        if !value.bytes().all(is_plain) {
            return Err(misused(format!("{value:?} is neither a type nor an id")));
        }
        query.push((name, value.clone()));
    }
    query.extend(args.after.map(|position| ("after", position.to_string())));
    let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(format!("/api/v1/webhooks/events/stream?{}", pairs.join("&")))
}

/// Follows over as many connections as it takes.
async fn follow(client: &Client, path: &str, json: bool) -> Result<(), Failure> {
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
                let read = print_all(&mut events, json).await;
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

async fn print_all(events: &mut Events, json: bool) -> Result<(), Read> {
    while let Some(message) = events.next().await.map_err(Read::Lost)? {
        if message.is_comment {
            continue;
        }
        if message.event == "end" {
            if message.data.contains("not_allowed") {
                return Err(Read::Closed("the key may not read events any more".into()));
            }
            continue;
        }
        print(&message.data, json).map_err(Read::Closed)?;
    }
    Ok(())
}

fn print(data: &str, json: bool) -> Result<(), Failure> {
    if json {
        return say!("{data}");
    }
    let event: Value = serde_json::from_str(data)?;
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let position = event["position"].as_i64().unwrap_or_default();
    say!("{position:>8}  {}  {:<36} {}", text("timestamp"), text("type"), text("id"))
}
