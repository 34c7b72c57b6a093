//! The vectors and the forgeries of Standard Webhooks, and its official library as a judge.

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use tidings_kernel::{Clock as _, SystemClock};

use super::*;

const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SECONDS: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const GOOD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn secret(text: &str) -> SigningSecret {
    SigningSecret::parse(text).unwrap()
}

fn counting(bytes: u8) -> SigningSecret {
    SigningSecret::new(Secret::new((0..bytes).collect())).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn check(signatures: &str) -> Result<(), VerifyError> {
    let stamp = SECONDS.to_string();
    verify(&[secret(SECRET)], ID, &stamp, signatures, BODY, at(SECONDS), TOLERANCE)
}

#[test]
fn the_vectors_come_out_to_the_letter() {
    let emoji = r#"{"n":"Zoë – 東京 🚀"}"#.as_bytes();
    let mail = br#"{"email":"test@example.com","username":"test_user"}"#;
    let table: [(SigningSecret, &str, i64, &[u8], &str); 6] = [
        (secret(SECRET), ID, SECONDS, BODY, GOOD),
        (
            secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            mail,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"),
            "msg_v3",
            1_700_000_000,
            b"",
            "v1,M8dh4z/lsYYXTVLshxFn1UjmOE8l7fe5NuOZHA1Xlm8=",
        ),
        (
            counting(32),
            "msg_v4",
            1_700_000_001,
            emoji,
            "v1,HadGbd2gO2gkA86sI6kew6oU/ccgZeGRq67ATZ55ZVE=",
        ),
        (
            counting(64),
            "msg_v5",
            1_700_000_002,
            br#"{"amount":"19.99"}"#,
            "v1,J4JahyvKE/m+Z8H/bKlTpvHAEIoraEIFKJaQ+o605fs=",
        ),
        (
            counting(32),
            "msg_v6",
            1_700_000_003,
            b"{\"a\":1}\n",
            "v1,kmgQO0Xgr7wj09YQe48Xb1Ppqkn15k00wu1ote1Lv3I=",
        ),
    ];
    for (secret, id, seconds, body, wanted) in table {
        assert_eq!(Signer::new(&secret, None).header(id, seconds, body), wanted, "{id}");
        let stamp = seconds.to_string();
        let verdict = verify(&[secret], id, &stamp, wanted, body, at(seconds), TOLERANCE);
        assert_eq!(verdict, Ok(()), "{id}");
    }
}

#[test]
fn a_secret_is_24_to_64_bytes_of_base64() {
    let padded = counting(32).to_text();
    assert_eq!(padded, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let bare = padded.trim_start_matches(SECRET_PREFIX);
    for fine in [padded.as_str(), padded.trim_end_matches('='), bare, bare.trim_end_matches('=')] {
        assert_eq!(secret(fine).bytes(), counting(32).bytes(), "{fine}");
    }
    for (bytes, fine) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
        let made = SigningSecret::new(Secret::new(vec![7; bytes]));
        assert_eq!(made.is_ok(), fine, "{bytes} bytes");
        let text = format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        assert_eq!(SigningSecret::parse(&text).is_ok(), fine, "{bytes} bytes as text");
    }
    let long = "A".repeat(1_000_000);
    for wrong in
        ["", "whsec_", "whsec_whsec_MfKQ", "not base64", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-"]
    {
        assert!(SigningSecret::parse(wrong).is_err(), "{wrong}");
    }
    for wrong in [format!("{SECRET} "), format!(" {SECRET}"), format!("{SECRET}\n"), long] {
        assert!(SigningSecret::parse(&wrong).is_err());
    }
    let stray_bits = padded.replace("Hh8=", "Hh9=");
    assert_eq!(SigningSecret::parse(&stray_bits).err(), Some(SecretError::NotBase64));
}

#[test]
fn a_made_secret_has_32_bytes_and_does_not_print() {
    let vault = Vault::seeded(1);
    let made = SigningSecret::generate(&vault);
    assert_eq!(made.bytes().len(), SECRET_BYTES_MADE);
    assert_ne!(made.bytes(), SigningSecret::generate(&vault).bytes());
    assert_eq!(secret(&made.to_text()).bytes(), made.bytes());
    assert_eq!(format!("{made:?}"), "SigningSecret(Secret(..))");
}

#[test]
fn rotation_signs_with_both_the_current_first_and_either_verifies() {
    let (new, old) = (counting(32), secret(SECRET));
    let header = Signer::new(&new, Some(&old)).header(ID, SECONDS, BODY);
    let alone = Signer::new(&new, None).header(ID, SECONDS, BODY);
    assert_eq!(header, format!("{alone} {GOOD}"));
    let stamp = SECONDS.to_string();
    for secrets in [vec![counting(32)], vec![secret(SECRET)], vec![counting(64), secret(SECRET)]] {
        let verdict = verify(&secrets, ID, &stamp, &header, BODY, at(SECONDS), TOLERANCE);
        assert_eq!(verdict, Ok(()));
    }
    let verdict = verify(&[counting(64)], ID, &stamp, &header, BODY, at(SECONDS), TOLERANCE);
    assert_eq!(verdict, Err(VerifyError::NoMatch));
    let verdict = verify(&[], ID, &stamp, &header, BODY, at(SECONDS), TOLERANCE);
    assert_eq!(verdict, Err(VerifyError::NoMatch));
}

#[test]
fn a_good_signature_counts_among_others_up_to_the_cap() {
    let wrong = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for fine in [
        GOOD.to_owned(),
        format!("{wrong} {GOOD}"),
        format!("{GOOD} {wrong}"),
        format!("v2,whatever {GOOD}"),
        format!("v1a,g0hM9SsE {GOOD}"),
        format!("v1 v1, {GOOD}"),
        format!("{} {GOOD}", [wrong; SIGNATURES_MAX - 1].join(" ")),
    ] {
        assert_eq!(check(&fine), Ok(()), "{fine}");
    }
    for count in [SIGNATURES_MAX, 1_000] {
        let many = format!("{GOOD} {}", vec![wrong; count].join(" "));
        assert_eq!(check(&many), Err(VerifyError::TooManySignatures), "{count}");
    }
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap()
}

#[test]
fn a_forged_signature_is_refused() {
    let text = &GOOD[3..];
    let right = STANDARD.decode(text).unwrap();
    for cut in 0..right.len() {
        let short = format!("v1,{}", STANDARD.encode(&right[..cut]));
        assert_eq!(check(&short), Err(VerifyError::NoMatch), "{cut} bytes");
    }
    for cut in 4..GOOD.len() {
        assert!(check(&GOOD[..cut]).is_err(), "{cut} characters");
    }
    for bit in 0..right.len() * 8 {
        let mut flipped = right.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let forged = format!("v1,{}", STANDARD.encode(flipped));
        assert_eq!(check(&forged), Err(VerifyError::NoMatch), "bit {bit}");
    }
    let hex: String = right.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect();
    let longer = STANDARD.encode([right.as_slice(), &[0]].concat());
    let middle = format!("{} {}", &GOOD[..20], &GOOD[20..]);
    let mut table = vec![
        String::new(),
        " ".to_owned(),
        "v1".to_owned(),
        "v1,".to_owned(),
        ",".to_owned(),
        text.to_owned(),
        format!("v1,{longer}"),
        format!("v1,{hex}"),
        format!("v1,{}", text.replace('+', "-").replace('/', "_")),
        format!("v1,{}", text.trim_end_matches('=')),
        format!("v1,{text}="),
        format!("v1,{}", text.replace("OE=", "OF=")),
        format!("v1=,{text}"),
        format!("v1={text}"),
        format!("v1,v1,{text}"),
        format!("v1;{text}"),
        format!("t={SECONDS},v1={hex}"),
        format!("sha256={hex}"),
        format!("{GOOD},{GOOD}"),
        format!("{GOOD} "),
        format!(" {GOOD}"),
        format!("v2,x  {GOOD}"),
        format!("v1, {text}"),
        middle,
        format!("{GOOD}\u{a0}"),
        format!("{GOOD}é"),
    ];
    table.extend(["v1a", "v0", "V1", "v01", "v2", ""].map(|scheme| format!("{scheme},{text}")));
    for space in ['\t', '\r', '\n', '\0', '\u{b}'] {
        table.push(format!("{GOOD}{space}"));
        table.push(format!("v1,{space}{text}"));
        table.push(format!("{}{space}{}", &GOOD[..20], &GOOD[20..]));
        table.push(format!("v2,x{space}{GOOD}"));
    }
    for forged in table {
        assert!(check(&forged).is_err(), "{forged:?}");
    }
}

#[test]
fn the_timestamp_is_decimal_digits_within_five_minutes() {
    let secrets = [secret(SECRET)];
    let check = |stamp: &str, now: Timestamp| {
        let key = MacKey::new(secrets[0].bytes());
        let genuine = format!("v1,{}", STANDARD.encode(mac(&key, ID, stamp, BODY)));
        verify(&secrets, ID, stamp, &genuine, BODY, now, TOLERANCE)
    };
    let stamp = SECONDS.to_string();
    for (skew, wanted) in [
        (-301, Err(VerifyError::TooNew)),
        (-300, Ok(())),
        (-299, Ok(())),
        (0, Ok(())),
        (299, Ok(())),
        (300, Ok(())),
        (301, Err(VerifyError::TooOld)),
    ] {
        assert_eq!(check(&stamp, at(SECONDS + skew)), wanted, "{skew}");
    }
    for wrong in [
        "",
        "-1614265330",
        "+1614265330",
        "1e9",
        "0x6037b9f2",
        "9223372036854775808",
        "-9223372036854775808",
        " 1614265330",
        "1614265330 ",
        "1614265330.0",
        "1,614,265,330",
        "١٦١٤٢٦٥٣٣٠",
        "1614265330\n",
    ] {
        assert_eq!(check(wrong, at(SECONDS)), Err(VerifyError::Timestamp), "{wrong:?}");
    }
    assert_eq!(check("1614265330000", at(SECONDS)), Err(VerifyError::TooNew), "milliseconds");
    assert_eq!(check("9223372036854775807", at(SECONDS)), Err(VerifyError::TooNew));
    assert_eq!(check("0", Timestamp::from_micros(i64::MIN)), Err(VerifyError::TooNew));
}

#[test]
fn another_id_time_or_body_does_not_fit() {
    let secrets = [secret(SECRET)];
    let table: [(&str, &str, &[u8], VerifyError); 8] = [
        ("msg_other", "1614265330", BODY, VerifyError::NoMatch),
        (ID, "1614265331", BODY, VerifyError::NoMatch),
        (ID, "01614265330", BODY, VerifyError::NoMatch),
        (ID, "1614265330", br#"{"test":2432232314}"#, VerifyError::NoMatch),
        (ID, "1614265330", b"", VerifyError::NoMatch),
        ("", "1614265330", BODY, VerifyError::Id),
        ("msg.p5jXN8AQM9LWM0D4loKWxJek", "1614265330", BODY, VerifyError::Id),
        ("msg_p5jXN8AQM9LWM0D4loKWxJek ", "1614265330", BODY, VerifyError::Id),
    ];
    for (id, stamp, body, wanted) in table {
        let verdict = verify(&secrets, id, stamp, GOOD, body, at(SECONDS), TOLERANCE);
        assert_eq!(verdict, Err(wanted), "{id} {stamp}");
    }
}

fn request(id: &str, seconds: i64, signatures: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let seconds = seconds.to_string();
    // Names of another case are the same header: this is how the http crate reads them.
    for (name, value) in
        [("Webhook-Id", id), ("WEBHOOK-TIMESTAMP", &seconds), ("webhook-SIGNATURE", signatures)]
    {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[test]
fn each_header_is_needed_once() {
    let secrets = [secret(SECRET)];
    let verdict = |headers| verify_request(&secrets, &headers, BODY, at(SECONDS), TOLERANCE);
    assert_eq!(verdict(request(ID, SECONDS, GOOD)), Ok(()));
    for name in [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER] {
        let mut missing = request(ID, SECONDS, GOOD);
        let value = missing.remove(name).unwrap();
        assert_eq!(verdict(missing), Err(VerifyError::Header(name)));
        let mut twice = request(ID, SECONDS, GOOD);
        twice.append(name, value);
        assert_eq!(verdict(twice), Err(VerifyError::Header(name)));
        let mut binary = request(ID, SECONDS, GOOD);
        binary.insert(name, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(verdict(binary), Err(VerifyError::Header(name)));
    }
}

#[test]
fn the_official_library_agrees_both_ways() {
    let now = SystemClock.now();
    let ours = SigningSecret::generate(&Vault::seeded(2));
    let official = standardwebhooks::Webhook::new(&ours.to_text()).unwrap();

    let theirs = official.sign(ID, now.unix_seconds(), BODY).unwrap();
    assert_eq!(Signer::new(&ours, None).header(ID, now.unix_seconds(), BODY), theirs);
    let headers = request(ID, now.unix_seconds(), &theirs);
    assert_eq!(verify_request(&[ours], &headers, BODY, now, TOLERANCE), Ok(()));

    let (new, old) = (counting(64), counting(24));
    let rotated = Signer::new(&new, Some(&old)).header(ID, now.unix_seconds(), BODY);
    for secret in [new, old] {
        let official = standardwebhooks::Webhook::new(&secret.to_text()).unwrap();
        official.verify(BODY, &request(ID, now.unix_seconds(), &rotated)).unwrap();
    }
}

proptest! {
    #[test]
    fn nothing_makes_the_check_panic_or_pass(
        id in ".{0,20}", stamp in "[0-9.+ -]{0,22}", signatures in ".{0,80}",
        now in any::<i64>(), tolerance in any::<u64>(),
    ) {
        let verdict = verify(
            &[secret(SECRET)], &id, &stamp, &signatures, BODY,
            Timestamp::from_micros(now), Duration::from_secs(tolerance),
        );
        prop_assert!(verdict.is_err());
    }
}
