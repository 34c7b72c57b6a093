//! `tidings sign`: the headers that prove a body, offline.

use clap::Args as ClapArgs;
use serde_json::json;
use tidings_kernel::{Clock, SystemClock};
use tidings_webhooks::signing::{
    ID_HEADER, SIGNATURE_HEADER, Signer, SigningSecret, TIMESTAMP_HEADER,
};

use crate::Failure;
use crate::failure::misused;
use crate::inputs::{SecretArgs, read_body};
use crate::say::say;

const EXAMPLES: &str = "\
Examples:
  tidings sign body.json --secret whsec_…
  curl -H @<(tidings sign body.json) --data-binary @body.json https://example.com/hooks
  pass show hook-secret | tidings sign body.json --secret - --json

Exit status: 0 signed; 2 wrong arguments, or something that cannot be read.";

/// Signs a body.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SignArgs {
    /// The body: a file, or `-` for standard input. Its bytes are signed as they are.
    #[arg(value_name = "FILE", default_value = "-")]
    body: String,
    #[command(flatten)]
    secrets: SecretArgs,
    /// `webhook-id`: visible ASCII without a full stop; a fresh one unless told.
    #[arg(long)]
    id: Option<String>,
    /// `webhook-timestamp`, in seconds since 1970; now unless told.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..))]
    timestamp: Option<i64>,
    /// As a JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the headers.
pub(crate) fn run(args: &SignArgs) -> Result<(), Failure> {
    let id = match &args.id {
        Some(id) => checked(id)?.to_owned(),
        None => fresh_id(),
    };
    let secrets = args.secrets.read()?;
    let body = read_body(&args.body, args.secrets.take_stdin())?;
    let timestamp = args.timestamp.unwrap_or_else(|| SystemClock.now().unix_seconds());
    let signature = signature(&secrets, &id, timestamp, &body);
    let headers =
        [(ID_HEADER, id), (TIMESTAMP_HEADER, timestamp.to_string()), (SIGNATURE_HEADER, signature)];
    if args.json {
        let fields = headers.into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
        return say!("{}", serde_json::Value::Object(fields.collect()));
    }
    for (name, value) in headers {
        say!("{name}: {value}")?;
    }
    Ok(())
}

/// One entry for each secret, in their order: as an endpoint gets it while a secret is rotated.
pub(crate) fn signature(
    secrets: &[SigningSecret],
    id: &str,
    timestamp_seconds: i64,
    body: &[u8],
) -> String {
    let entries = secrets.iter().map(|s| Signer::new(s, None).header(id, timestamp_seconds, body));
    entries.collect::<Vec<_>>().join(" ")
}

fn checked(id: &str) -> Result<&str, Failure> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.') {
        return Ok(id);
    }
    Err(misused("--id is visible ASCII without a full stop, which separates what is signed"))
}

/// An id that was never used before.
pub(crate) fn fresh_id() -> String {
    let bytes: [u8; 16] = tidings_vault::system_random();
    format!("msg_{:032x}", u128::from_be_bytes(bytes))
}
