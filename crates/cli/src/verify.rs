//! `tidings verify`: whether a webhook is genuine, offline, and if not, why.

use std::time::Duration;

use clap::Args as ClapArgs;
use http::HeaderMap;
use serde_json::json;
use tidings_kernel::{Clock, SystemClock, Timestamp};
use tidings_webhooks::signing::{
    SigningSecret, TIMESTAMP_HEADER, TOLERANCE, VerifyError, verify_request,
};

use crate::Failure;
use crate::failure::Ended;
use crate::inputs::{SecretArgs, read_body, read_headers};
use crate::say::say;

const EXAMPLES: &str = "\
Examples:
  tidings verify body.json --headers headers.txt --secret whsec_…
  tidings verify body.json -H 'webhook-id: evt_…' -H 'webhook-timestamp: 1795435200' \\
    -H 'webhook-signature: v1,…' --at 1795435200
  tidings sign body.json > headers.txt && tidings verify --headers headers.txt < body.json

Reasons: missing_header, repeated_header, bad_id, bad_timestamp, stale_timestamp,
future_timestamp, malformed_signature, too_many_signatures, bad_signature.

Exit status: 0 genuine; 1 not genuine, with the reason on standard output; 2 wrong arguments, or
something that cannot be read.";

/// Verifies a webhook.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// The body: a file, or `-` for standard input. The bytes must be those that arrived.
    #[arg(value_name = "FILE", default_value = "-")]
    body: String,
    #[command(flatten)]
    secrets: SecretArgs,
    /// A header of the webhook; give all three, other ones do no harm.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// A file with headers, a line each, as `tidings sign` prints them.
    #[arg(long, value_name = "FILE")]
    headers: Option<String>,
    /// The time that counts as now, in seconds since 1970: when the webhook arrived.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..=253_402_300_799))]
    at: Option<i64>,
    /// How far the timestamp may lie from now, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = TOLERANCE.as_secs())]
    tolerance: u64,
    /// The verdict as a JSON object.
    #[arg(long)]
    json: bool,
}

/// Why a webhook is not genuine: a word for programs, a sentence for people.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    reason: &'static str,
    detail: String,
}

/// Prints the verdict; a negative one is status 1.
pub(crate) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let secrets = args.secrets.read()?;
    let headers = read_headers(&args.header, args.headers.as_deref())?;
    let body = read_body(&args.body, args.secrets.take_stdin())?;
    let now = match args.at {
        Some(seconds) => Timestamp::from_micros(seconds.saturating_mul(1_000_000)),
        None => SystemClock.now(),
    };
    let verdict = judge(&secrets, &headers, &body, now, Duration::from_secs(args.tolerance));
    match (&verdict, args.json) {
        (Ok(place), true) => say!("{}", json!({"valid": true, "secret": place}))?,
        (Ok(place), false) => {
            let age = age(&headers, now);
            say!("genuine: signed with secret {place}, {age}")?;
        }
        (Err(Refusal { reason, detail }), true) => {
            say!("{}", json!({"valid": false, "reason": reason, "detail": detail}))?;
        }
        (Err(Refusal { reason, detail }), false) => {
            say!("not genuine: {reason}: {detail}")?;
        }
    }
    verdict.map(|_| ()).map_err(|_| Ended::Negative.into())
}

/// Which secret it is signed with, counted from one; or why it is not genuine.
fn judge(
    secrets: &[SigningSecret],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
    tolerance: Duration,
) -> Result<usize, Refusal> {
    let fits = |body: &[u8], secret: &SigningSecret| {
        verify_request(std::slice::from_ref(secret), headers, body, now, tolerance)
    };
    let mut failure = VerifyError::NoMatch;
    for (secret, place) in secrets.iter().zip(1..) {
        match fits(body, secret) {
            Ok(()) => return Ok(place),
            Err(error) => failure = error,
        }
    }
    let mut detail = failure.to_string();
    if failure == VerifyError::NoMatch {
        // The commonest cause at a prompt: an editor or `echo` adds what was never sent.
        let shorter = body.strip_suffix(b"\n").map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest));
        let longer = [body, b"\n"].concat();
        if shorter.is_some_and(|body| secrets.iter().any(|secret| fits(body, secret).is_ok())) {
            detail =
                "it fits without the line's end at the end of the body, which was added after \
                      the body arrived"
                    .into();
        } else if secrets.iter().any(|secret| fits(&longer, secret).is_ok()) {
            detail = "it fits with a line's end at the end of the body, which was lost after the \
                      body arrived"
                .into();
        }
    }
    Err(Refusal { reason: reason(failure, headers), detail })
}

fn reason(error: VerifyError, headers: &HeaderMap) -> &'static str {
    match error {
        VerifyError::Header(name) if headers.contains_key(name) => "repeated_header",
        VerifyError::Header(_) => "missing_header",
        VerifyError::Id => "bad_id",
        VerifyError::Timestamp => "bad_timestamp",
        VerifyError::TooOld => "stale_timestamp",
        VerifyError::TooNew => "future_timestamp",
        VerifyError::Signatures => "malformed_signature",
        VerifyError::TooManySignatures => "too_many_signatures",
        VerifyError::NoMatch => "bad_signature",
    }
}

fn age(headers: &HeaderMap, now: Timestamp) -> String {
    let seconds = headers.get(TIMESTAMP_HEADER).and_then(|value| value.to_str().ok());
    let seconds: i64 = seconds.and_then(|text| text.parse().ok()).unwrap_or_default();
    match now.unix_seconds().saturating_sub(seconds) {
        past @ 0.. => format!("{past} s ago"),
        future => format!("{} s ahead of this clock", future.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::signature;

    const NOW: i64 = 1_614_265_330;

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::parse(text).unwrap()
    }

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn each_fault_has_its_reason() {
        let good = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let other = secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let body = b"{\"test\": 2432232314}";
        let signed = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let id = ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned());
        let timestamp = ("webhook-timestamp", NOW.to_string());
        let sig = ("webhook-signature", signed.to_owned());
        let all = [id.clone(), timestamp.clone(), sig.clone()];
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let check = |pairs: &[(&'static str, String)], body: &[u8], now| {
            judge(
                &[secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), secret(&good.to_text())],
                &headers(pairs),
                body,
                now,
                TOLERANCE,
            )
            .map_err(|refusal| refusal.reason)
        };
        assert_eq!(check(&all, body, at(NOW)), Ok(2));
        assert_eq!(check(&all[..2], body, at(NOW)), Err("missing_header"));
        assert_eq!(check(&all[1..], body, at(NOW)), Err("missing_header"));
        let twice = [all.to_vec(), vec![id.clone()]].concat();
        assert_eq!(check(&twice, body, at(NOW)), Err("repeated_header"));
        assert_eq!(check(&all, body, at(NOW + 301)), Err("stale_timestamp"));
        assert_eq!(check(&all, body, at(NOW - 301)), Err("future_timestamp"));
        assert_eq!(check(&all, b"{}", at(NOW)), Err("bad_signature"));
        let word = ("webhook-timestamp", "now".to_owned());
        let dotted = ("webhook-id", "a.b".to_owned());
        let spaced = ("webhook-signature", format!("{signed}  {signed}"));
        let many = ("webhook-signature", [signed; 17].join(" "));
        for (pairs, reason) in [
            ([id.clone(), word, sig.clone()], "bad_timestamp"),
            ([dotted, timestamp.clone(), sig], "bad_id"),
            ([id.clone(), timestamp.clone(), spaced], "malformed_signature"),
            ([id, timestamp, many], "too_many_signatures"),
        ] {
            assert_eq!(check(&pairs, body, at(NOW)), Err(reason));
        }
        let refusal = judge(&[other], &headers(&all), body, at(NOW), TOLERANCE).unwrap_err();
        assert!(refusal.detail.contains("check the secret"), "{}", refusal.detail);
    }

    #[test]
    fn a_line_end_too_many_or_too_few_is_named() {
        let secrets = [secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let now = Timestamp::from_micros(NOW * 1_000_000);
        for (signed, given, says) in
            [("{}", "{}\n", "without"), ("{}", "{}\r\n", "without"), ("{}\n", "{}", "with a")]
        {
            let signature = signature(&secrets, "msg_1", NOW, signed.as_bytes());
            let headers = headers(&[
                ("webhook-id", "msg_1".to_owned()),
                ("webhook-timestamp", NOW.to_string()),
                ("webhook-signature", signature),
            ]);
            let refusal = judge(&secrets, &headers, given.as_bytes(), now, TOLERANCE).unwrap_err();
            assert_eq!(refusal.reason, "bad_signature");
            assert!(refusal.detail.contains(says), "{given:?}: {}", refusal.detail);
        }
    }
}
