//! Standard Webhooks: what proves to a receiver that a body is ours and is fresh.

pub mod profiles;

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use tidings_kernel::Timestamp;
use tidings_vault::{MacKey, Secret, Vault, equal};

/// The header with the event's id.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since the epoch.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// What a secret's text starts with.
pub const SECRET_PREFIX: &str = "whsec_";
/// The fewest bytes of a secret.
pub const SECRET_BYTES_MIN: usize = 24;
/// The most bytes of a secret.
pub const SECRET_BYTES_MAX: usize = 64;
/// Bytes of a secret that we make.
pub const SECRET_BYTES_MADE: usize = 32;
/// The most signatures that a header may hold: more are work without an end.
pub const SIGNATURES_MAX: usize = 16;
/// How far a timestamp may lie from now.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// The name of the scheme, HMAC-SHA256.
const SCHEME: &str = "v1";
/// Bytes of a signature.
const MAC_BYTES: usize = 32;
/// Characters of the longest secret in base64.
const SECRET_CHARS_MAX: usize = SECRET_BYTES_MAX.div_ceil(3) * 4;
/// Base64 of a secret: with padding or without, as its holder's library writes it.
const SECRET_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A text or bytes that cannot be a signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not base64.
    #[error("a signing secret is whsec_ followed by base64")]
    NotBase64,
    /// Too few bytes to be safe, or more than libraries take.
    #[error("a signing secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes")]
    Length,
}

/// The key that one endpoint shares with us.
#[derive(Debug)]
pub struct SigningSecret(Secret);

impl SigningSecret {
    /// Takes over bytes: those that the vault has opened.
    pub fn new(secret: Secret) -> Result<Self, SecretError> {
        match secret.expose().len() {
            SECRET_BYTES_MIN..=SECRET_BYTES_MAX => Ok(Self(secret)),
            _ => Err(SecretError::Length),
        }
    }

    /// Makes a fresh one.
    pub fn generate(vault: &Vault) -> Self {
        Self(Secret::new(vault.random::<SECRET_BYTES_MADE>().to_vec()))
    }

    /// Reads the text form: with or without prefix, with or without padding.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.strip_prefix(SECRET_PREFIX).unwrap_or(text);
        if text.len() > SECRET_CHARS_MAX {
            return Err(SecretError::Length);
        }
        let bytes = SECRET_BASE64.decode(text).map_err(|_| SecretError::NotBase64)?;
        Self::new(Secret::new(bytes))
    }

    /// The text form, to be shown once.
    pub fn to_text(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(self.bytes()))
    }

    /// The bytes, to be sealed.
    pub fn bytes(&self) -> &[u8] {
        self.0.expose()
    }
}

/// The keys of one endpoint, prepared for many messages.
#[derive(Debug, Clone)]
pub struct Signer {
    current: MacKey,
    previous: Option<MacKey>,
}

impl Signer {
    /// Prepares the current secret and, while it is being rotated, the one before.
    pub fn new(current: &SigningSecret, previous: Option<&SigningSecret>) -> Self {
        Self {
            current: MacKey::new(current.bytes()),
            previous: previous.map(|secret| MacKey::new(secret.bytes())),
        }
    }

    /// The value of `webhook-signature`: one entry for each secret, the current one first.
    ///
    /// The id must not contain a full stop, which separates what is signed; our ids never do.
    pub fn header(&self, id: &str, timestamp_seconds: i64, body: &[u8]) -> String {
        debug_assert!(!id.contains('.'), "a full stop in the id makes the signed text ambiguous");
        let timestamp = timestamp_seconds.to_string();
        let mut header = String::with_capacity(96);
        for key in [Some(&self.current), self.previous.as_ref()].into_iter().flatten() {
            if !header.is_empty() {
                header.push(' ');
            }
            header.push_str(SCHEME);
            header.push(',');
            STANDARD.encode_string(mac(key, id, &timestamp, body), &mut header);
        }
        header
    }
}

fn mac(key: &MacKey, id: &str, timestamp: &str, body: &[u8]) -> [u8; MAC_BYTES] {
    key.sign(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body])
}

/// Why a webhook is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header is missing, or is there twice, or is not text.
    #[error("the header {0} must be there once, as text")]
    Header(&'static str),
    /// The id is empty or contains what an id does not.
    #[error("the id is empty, or has a full stop, a space or another forbidden character in it")]
    Id,
    /// The timestamp is not a number of seconds.
    #[error("the timestamp is not a whole number of seconds in decimal digits")]
    Timestamp,
    /// The timestamp lies too far back: this may be a replay.
    #[error("the timestamp is too old; check the clock")]
    TooOld,
    /// The timestamp lies too far ahead.
    #[error("the timestamp is in the future; check the clock")]
    TooNew,
    /// The signature header is not a list of entries with single spaces between them.
    #[error("the signatures are not entries such as v1,<base64> with single spaces between them")]
    Signatures,
    /// More signatures than are ever needed.
    #[error("there are more than {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// No signature is by one of the secrets over exactly these bytes.
    #[error("no signature fits; check the secret, and that the body is the bytes as received")]
    NoMatch,
}

/// Checks a request as it was received; each header must be there once.
pub fn verify_request(
    secrets: &[SigningSecret],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let id = only(headers, ID_HEADER)?;
    let timestamp = only(headers, TIMESTAMP_HEADER)?;
    let signatures = only(headers, SIGNATURE_HEADER)?;
    verify(secrets, id, timestamp, signatures, body, now, tolerance)
}

fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, VerifyError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| VerifyError::Header(name)),
        _ => Err(VerifyError::Header(name)),
    }
}

/// Checks the values of the three headers against a body.
pub fn verify(
    secrets: &[SigningSecret],
    id: &str,
    timestamp: &str,
    signature_header: &str,
    body: &[u8],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.') {
        return Err(VerifyError::Id);
    }
    check_age(timestamp, now, tolerance)?;
    let given = signatures(signature_header)?;
    let mut genuine = false;
    // Every pair is compared, so that the time does not tell which of them fits.
    for secret in secrets {
        let wanted = mac(&MacKey::new(secret.bytes()), id, timestamp, body);
        for signature in &given {
            genuine |= equal(signature, &wanted);
        }
    }
    if genuine { Ok(()) } else { Err(VerifyError::NoMatch) }
}

fn check_age(timestamp: &str, now: Timestamp, tolerance: Duration) -> Result<(), VerifyError> {
    // Parsing alone would take a sign.
    if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(VerifyError::Timestamp);
    }
    let seconds: i64 = timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    let now = now.unix_seconds();
    if now.abs_diff(seconds) <= tolerance.as_secs() {
        Ok(())
    } else if seconds < now {
        Err(VerifyError::TooOld)
    } else {
        Err(VerifyError::TooNew)
    }
}

/// The signatures of our scheme; those of others, and those that are none, are passed over.
fn signatures(header: &str) -> Result<Vec<[u8; MAC_BYTES]>, VerifyError> {
    if header.split(' ').take(SIGNATURES_MAX + 1).count() > SIGNATURES_MAX {
        return Err(VerifyError::TooManySignatures);
    }
    let mut found = Vec::with_capacity(2);
    for entry in header.split(' ') {
        if entry.is_empty() || !entry.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(VerifyError::Signatures);
        }
        if let Some((SCHEME, text)) = entry.split_once(',') {
            // The strict engine refuses other alphabets, loose padding and stray bits.
            let bytes = STANDARD.decode(text).ok();
            found.extend(bytes.and_then(|bytes| <[u8; MAC_BYTES]>::try_from(bytes).ok()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
