//! `tidings replay`: past events, sent once more to one subscription.

use std::time::Duration;

use clap::Args as ClapArgs;
use http::StatusCode;
use serde_json::{Map, Value, json};
use tidings_client::{Answer, Client};
use tidings_kernel::ReplayId;

use crate::Failure;
use crate::failure::{Ended, misused};
use crate::say::{aside, say};
use crate::tenant::{TenantArgs, refusal, subscription};

const EXAMPLES: &str = "\
Examples:
  tidings replay --after-position 0 --dry-run
  tidings replay --from 2026-11-23T12:00:00Z --deliveries missing --wait
  tidings replay --subscription whs_01h455vb4pex5vsknk084sn02q --after-position 0 --events 'customer.*'
  tidings replay --list
  tidings replay --cancel rpl_01h455vb4pex5vsknk084sn02q
  tidings replay --resume rpl_01h455vb4pex5vsknk084sn02q

Only that subscription gets anything. What arrives has the header webhook-replay, and the webhook-id
and the bytes that it had the first time.

Exit status: 0 done, with --wait all delivered; 1 refused, or with --wait not all delivered; 2 wrong
arguments.";

/// How often a replay is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Sends past events once more.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct ReplayArgs {
    /// The subscription that gets them; may be left out where only one is active.
    #[arg(long, value_name = "whs_…")]
    subscription: Option<String>,
    /// Behind this position of the log; 0 begins with the first event.
    #[arg(long, value_name = "N")]
    after_position: Option<i64>,
    /// Up to this position.
    #[arg(long, value_name = "N")]
    until_position: Option<i64>,
    /// From this instant on.
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,
    /// Before this instant.
    #[arg(long, value_name = "INSTANT")]
    to: Option<String>,
    /// Only these types, among those that the subscription wants.
    #[arg(long, value_delimiter = ',', value_name = "TYPE,…")]
    events: Option<Vec<String>>,
    /// Only events of this object: cus_…
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// All of them, those that failed, or those that are missing.
    #[arg(long, value_name = "all|failed|missing")]
    deliveries: Option<String>,
    /// How many to send in a second at most, 1 to 1000.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Only count what would be sent.
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Wait until it has ended, and say how far it is.
    #[arg(long)]
    wait: bool,
    /// List the replays, the newest first, and do nothing else.
    #[arg(long, conflicts_with_all = ["cancel", "wait", "dry_run"])]
    list: bool,
    /// Cancel this one, and do nothing else.
    #[arg(long, value_name = "rpl_…", conflicts_with_all = ["wait", "dry_run"])]
    cancel: Option<String>,
    /// Go on with this one, which got stuck, and do nothing else.
    #[arg(long, value_name = "rpl_…", conflicts_with_all = ["wait", "dry_run", "list", "cancel"])]
    resume: Option<String>,
    /// What the server tells, as a JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tenant: TenantArgs,
}

const REPLAYS: &str = "/api/v1/webhooks/replays";

/// Asks the server for a replay, or about those that there are.
pub(crate) async fn run(args: ReplayArgs) -> Result<(), Failure> {
    let client = args.tenant.client();
    if args.list {
        return list(&client, args.json).await;
    }
    for (verb, id) in [("cancel", &args.cancel), ("resume", &args.resume)] {
        let Some(id) = id else { continue };
        let id: ReplayId = id.parse().map_err(|error| misused(format!("--{verb}: {error}")))?;
        let answer = client.post(&format!("{REPLAYS}/{id}/{verb}"), &json!({})).await?;
        return tell(&told(&answer, StatusCode::OK)?, args.json);
    }
    if args.after_position.is_none() && args.from.is_none() {
        let sentence = "say where to begin: --after-position 0 for everything, or --from INSTANT";
        return Err(misused(sentence));
    }
    let to = subscription(&client, args.subscription.as_deref()).await?;
    let answer = client.post(REPLAYS, &body(&args, &to)).await?;
    if args.dry_run {
        let counted = told(&answer, StatusCode::OK)?;
        return if args.json { say!("{counted}") } else { say!("{}", estimate(&counted, &to)) };
    }
    let mut replay = told(&answer, StatusCode::CREATED)?;
    if args.wait {
        replay = wait(&client, replay).await?;
    }
    tell(&replay, args.json)?;
    let is_whole = replay["status"] == "completed" && replay["progress"]["failed"] == 0;
    if args.wait && !is_whole { Err(Ended::Negative.into()) } else { Ok(()) }
}

/// The fields that were given; the server knows the defaults, and what is wrong.
fn body(args: &ReplayArgs, subscription: &str) -> Value {
    let fields = [
        ("subscription_id", json!(subscription)),
        ("after_position", json!(args.after_position)),
        ("until_position", json!(args.until_position)),
        ("from", json!(args.from)),
        ("to", json!(args.to)),
        ("event_types", json!(args.events)),
        ("subject_id", json!(args.subject)),
        ("deliveries", json!(args.deliveries)),
        ("rate_per_second", json!(args.rate)),
        ("dry_run", json!(args.dry_run)),
    ];
    let given = fields.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(given.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

fn told(answer: &Answer, wanted: StatusCode) -> Result<Value, Failure> {
    if answer.status == wanted { Ok(answer.json()) } else { Err(refusal(answer).into()) }
}

async fn list(client: &Client, as_json: bool) -> Result<(), Failure> {
    let listed = told(&client.get(&format!("{REPLAYS}?limit=200")).await?, StatusCode::OK)?;
    if as_json {
        return say!("{listed}");
    }
    let rows = listed["data"].as_array().map_or(&[][..], Vec::as_slice);
    if rows.is_empty() {
        return say!("there are no replays");
    }
    rows.iter().try_for_each(|row| tell(row, false))
}

/// Looks at a replay until it has ended; a line to standard error for each step that it takes.
async fn wait(client: &Client, made: Value) -> Result<Value, Failure> {
    let path = format!("{REPLAYS}/{}", made["id"].as_str().unwrap_or_default());
    let mut shown = String::new();
    loop {
        let replay = told(&client.get(&path).await?, StatusCode::OK)?;
        if replay["finished_at"].is_string() {
            return Ok(replay);
        }
        let line = said(&replay);
        if line != shown {
            aside(format_args!("{line}"));
            shown = line;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn tell(replay: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json { say!("{replay}") } else { say!("{}", said(replay)) }
}

/// A replay in one line.
fn said(replay: &Value) -> String {
    let word = |name: &str| replay[name].as_str().unwrap_or("?");
    let progress = &replay["progress"];
    let count = |name: &str| progress[name].as_i64().unwrap_or_default();
    let total = progress["total"].as_i64().map_or_else(|| "?".to_owned(), |n| n.to_string());
    let mut line = format!(
        "{} to {}: {}; {} of {total} events looked at, {} sent, {} delivered, {} failed",
        word("id"),
        word("subscription_id"),
        word("status"),
        count("considered"),
        count("planned"),
        count("delivered"),
        count("failed"),
    );
    for (name, what) in
        [("under_way", "under way"), ("cancelled", "cancelled"), ("skipped", "no longer known")]
    {
        if count(name) > 0 {
            line = format!("{line}, {} {what}", count(name));
        }
    }
    line
}

/// What a dry run counted, in lines.
fn estimate(counted: &Value, subscription: &str) -> String {
    let count = |name: &str| counted[name].as_i64().unwrap_or_default();
    let at_least = if counted["is_lower_bound"] == true { "at least " } else { "" };
    let mut text = format!("{at_least}{} events would be sent to {subscription}", count("count"));
    if let Some((first, last)) =
        counted["first_position"].as_i64().zip(counted["last_position"].as_i64())
    {
        text = format!("{text}, from position {first} to {last}");
    }
    if count("skipped") > 0 {
        text = format!("{text}; {} more are no longer kept", count("skipped"));
    }
    if count("forgotten") > 0 {
        let forgotten = count("forgotten");
        text = format!("{text}, of {forgotten} it is only not known any more whether they arrived");
    }
    for (name, count) in counted["event_types"].as_object().into_iter().flatten() {
        text = format!("{text}\n  {count:>8}  {name}");
    }
    text
}
