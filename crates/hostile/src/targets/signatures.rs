//! What proves a webhook, as forgers would like it to be read.

use std::time::Duration;

use tidings_kernel::Timestamp;
use tidings_webhooks::signing::{SIGNATURES_MAX, Signer, SigningSecret, verify};

const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SECONDS: &str = "1614265330";
const NOW: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const GOOD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

/// An input is four lines: id, timestamp, signatures, body. It is believed if, and only if, it is
/// the genuine one, whose signatures may stand among others.
pub(super) fn signature(input: &[u8]) {
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let mut text = || std::str::from_utf8(lines.next().unwrap_or_default());
    let (Ok(id), Ok(timestamp), Ok(signatures)) = (text(), text(), text()) else { return };
    let body = lines.next().unwrap_or_default();
    let now = Timestamp::from_micros(NOW * 1_000_000);
    let secret = SigningSecret::parse(SECRET).unwrap();
    let verdict = verify(&[secret], id, timestamp, signatures, body, now, Duration::from_mins(5));
    let entries: Vec<&str> = signatures.split(' ').collect();
    let well_formed = entries.len() <= SIGNATURES_MAX
        && entries
            .iter()
            .all(|entry| !entry.is_empty() && entry.bytes().all(|byte| byte.is_ascii_graphic()));
    let genuine = (id, timestamp, body) == (ID, SECONDS, BODY) && entries.contains(&GOOD);
    assert_eq!(verdict.is_ok(), genuine && well_formed, "{verdict:?}");
}

/// A secret that is taken is the same after it was shown, and signs.
pub(super) fn secret(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(secret) = SigningSecret::parse(text) else { return };
    assert!((24..=64).contains(&secret.bytes().len()));
    let again = SigningSecret::parse(&secret.to_text()).unwrap();
    assert_eq!(again.bytes(), secret.bytes());
    assert!(!format!("{secret:?}").contains(text), "a secret does not print");
    let sign = |secret| Signer::new(secret, None).header(ID, NOW, BODY);
    assert_eq!(sign(&secret), sign(&again));
}
