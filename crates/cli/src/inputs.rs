//! What the offline tools read: secrets, bodies, headers; from arguments, files, standard input.

use std::io::Read;

use clap::Args as ClapArgs;
use http::{HeaderMap, HeaderName, HeaderValue};
use tidings_webhooks::signing::{SIGNATURES_MAX, SigningSecret};

use crate::Failure;
use crate::failure::misused;

/// The name of standard input among files.
const STDIN: &str = "-";
/// The largest body that is read, in bytes: far above every webhook, and an end to a wrong file.
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The secrets that a command signs or verifies with.
#[derive(Debug, ClapArgs)]
pub(crate) struct SecretArgs {
    /// A signing secret; several while one is being rotated. `-` reads them from standard input, a
    /// line each. Other users of this machine see arguments: prefer the variable or `-`.
    #[arg(
        long = "secret",
        env = "TIDINGS_WEBHOOK_SECRET",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "whsec_…"
    )]
    secrets: Vec<String>,
}

impl SecretArgs {
    /// Whether standard input is for the secrets, and so for nothing else.
    pub(crate) fn take_stdin(&self) -> bool {
        self.secrets.iter().any(|secret| secret == STDIN)
    }

    /// Whether none was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// The secrets, at least one. No message ever holds one.
    pub(crate) fn read(&self) -> Result<Vec<SigningSecret>, Failure> {
        let mut texts = Vec::new();
        for secret in &self.secrets {
            if secret == STDIN {
                let text = read_stdin("the secret")?;
                let text = String::from_utf8(text)
                    .map_err(|_| misused("the secret on standard input is not text"))?;
                texts.extend(text.split_whitespace().map(ToOwned::to_owned));
            } else {
                texts.push(secret.trim().to_owned());
            }
        }
        if texts.is_empty() {
            return Err(misused(
                "no secret: give --secret whsec_…, set TIDINGS_WEBHOOK_SECRET, or give --secret - \
                 and write it to standard input",
            ));
        }
        if texts.len() > SIGNATURES_MAX {
            return Err(misused(format!("at most {SIGNATURES_MAX} secrets")));
        }
        let parse = |(place, text): (usize, &String)| {
            SigningSecret::parse(text)
                .map_err(|error| misused(format!("secret {}: {error}", place + 1)))
        };
        texts.iter().enumerate().map(parse).collect()
    }
}

/// The bytes of a file, or of standard input where it is called `-`.
pub(crate) fn read_body(file: &str, stdin_is_taken: bool) -> Result<Vec<u8>, Failure> {
    if file != STDIN {
        return read_file(file);
    }
    if stdin_is_taken {
        return Err(misused("standard input is read once: give the body as a file"));
    }
    read_stdin("the body")
}

fn read_file(file: &str) -> Result<Vec<u8>, Failure> {
    let open = std::fs::File::open(file);
    let open = open.map_err(|error| misused(format!("cannot read {file}: {error}")))?;
    bounded(open, file)
}

fn read_stdin(what: &str) -> Result<Vec<u8>, Failure> {
    bounded(std::io::stdin().lock(), &format!("{what} on standard input"))
}

fn bounded(from: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = from.take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| misused(format!("cannot read {name}: {error}")))?;
    if bytes.len() as u64 > BODY_BYTES_MAX {
        return Err(misused(format!("{name} has more than {BODY_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Headers in lines such as `webhook-id: evt_…`, as `tidings sign` prints them.
pub(crate) fn read_headers(lines: &[String], file: Option<&str>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for line in lines {
        add_header(&mut headers, line)?;
    }
    if let Some(file) = file {
        let text = String::from_utf8(read_file(file)?);
        let text = text.map_err(|_| misused(format!("{file} is not text")))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            add_header(&mut headers, line)?;
        }
    }
    Ok(headers)
}

fn add_header(headers: &mut HeaderMap, line: &str) -> Result<(), Failure> {
    let refused = || misused(format!("{line:?} is not a header; write it as name: value"));
    let (name, value) = line.split_once(':').ok_or_else(refused)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| refused())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| refused())?;
    headers.append(name, value);
    Ok(())
}
