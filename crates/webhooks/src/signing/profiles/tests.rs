use tidings_vault::Vault;

use super::*;
use crate::signing::{TOLERANCE, verify};

const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SECONDS: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const V1: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
/// Seed and public key, as Svix writes a key pair.
const WHSK: &str =
    "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const WHPK: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
const V1A: &str = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+\
    m7TBAg==";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn key() -> Ed25519Key {
    let pair = STANDARD.decode(WHSK).unwrap();
    Ed25519Key::from_seed(&pair[..32]).unwrap()
}

fn all(ends_at: Option<Timestamp>) -> Vec<ProfileUse> {
    [Profile::Ed25519, Profile::Original, Profile::Stripe, Profile::Github]
        .map(|name| ProfileUse { name, ends_at })
        .to_vec()
}

fn signed(previous: Option<(&SigningSecret, Timestamp)>, profiles: Vec<ProfileUse>) -> HeaderMap {
    let secret = SigningSecret::parse(SECRET).unwrap();
    let keys = Keys { current: &secret, previous, ed25519: Some(key()), ed25519_before: None };
    let mut headers = HeaderMap::new();
    let message = Signed { id: ID, event_type: "customer.created", body: BODY };
    Signatures::new(keys, profiles).sign(&message, at(SECONDS), &mut headers);
    headers
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn every_profile_comes_out_to_the_letter() {
    let headers = signed(None, all(None));
    for (name, wanted) in [
        ("webhook-id", ID),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", &format!("{V1} {V1A}")),
        ("x-webhook-event-id", ID),
        ("x-webhook-event-type", "customer.created"),
        ("x-webhook-timestamp", "1614265330"),
        ("x-webhook-signature", ORIGINAL_MAC),
        ("stripe-signature", &format!("t=1614265330,v1={STRIPE_MAC}")),
        ("x-hub-signature-256", &format!("sha256={ORIGINAL_MAC}")),
    ] {
        assert_eq!(text(&headers, name), wanted, "{name}");
    }
    assert_eq!(headers.len(), 9);
    assert_eq!(public_key_text(&key()), WHPK);
}

/// HMAC-SHA256 of the body, keyed with the secret's text; computed by another program.
const ORIGINAL_MAC: &str = "80ec8a89ce3cd22133a1066caecb4d04fea7467657c8514d717ec42c38a5c94c";
/// The same over `1614265330.` and the body.
const STRIPE_MAC: &str = "2e37df5d4a028c51a7f3133d64ae1e300d2c2c900f1b1d49d4369ad2530f8964";

#[test]
fn the_vendors_published_vector_holds() {
    let key = MacKey::new(b"It's a Secret to Everybody");
    assert_eq!(
        github(&key, b"Hello, World!"),
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    );
}

#[test]
fn the_official_library_and_our_own_check_are_content_whatever_stands_beside_v1() {
    let headers = signed(None, all(None));
    let signature = text(&headers, "webhook-signature");
    let secret = SigningSecret::parse(SECRET).unwrap();
    let stamp = SECONDS.to_string();
    assert_eq!(verify(&[secret], ID, &stamp, signature, BODY, at(SECONDS), TOLERANCE), Ok(()));
    let library = standardwebhooks::Webhook::new(SECRET).unwrap();
    assert!(signature.split(' ').any(|entry| entry == library.sign(ID, SECONDS, BODY).unwrap()));
}

#[test]
fn a_signature_of_one_profile_is_none_under_another() {
    let headers = signed(None, all(None));
    let secrets = || vec![SigningSecret::parse(SECRET).unwrap()];
    let stamp = SECONDS.to_string();
    let as_v1 = |entry: &str, body: &[u8]| {
        verify(&secrets(), ID, &stamp, entry, body, at(SECONDS), TOLERANCE).is_ok()
    };
    // What a body-only profile signed, handed to v1 as id, time and body.
    let confusing = format!("{ID}.{SECONDS}.{{}}");
    let by_text = MacKey::new(SECRET.as_bytes()).sign(&[confusing.as_bytes()]);
    assert!(!as_v1(&format!("v1,{}", STANDARD.encode(by_text)), b"{}"));
    for entry in [
        V1A.replace("v1a,", "v1,"),
        format!("v1,{}", text(&headers, "x-webhook-signature")),
        format!("v1,{}", text(&headers, "x-hub-signature-256").trim_start_matches("sha256=")),
        format!("v1,{STRIPE_MAC}"),
    ] {
        assert!(!as_v1(&entry, BODY), "{entry}");
    }
    let pair = (ID, stamp.as_str());
    assert!(!verify_ed25519(WHPK, pair, V1, BODY));
    assert!(!verify_ed25519(WHPK, pair, &V1.replace("v1,", "v1a,"), BODY));
}

#[test]
fn v1a_is_verified_and_every_forgery_refused() {
    let stamp = SECONDS.to_string();
    let pair = (ID, stamp.as_str());
    assert!(verify_ed25519(WHPK, pair, V1A, BODY));
    assert!(verify_ed25519(WHPK, pair, &format!("v2,x {V1} {V1A}"), BODY));
    let other = format!("{PUBLIC_KEY_PREFIX}{}", STANDARD.encode([7; 32]));
    let short = format!("{PUBLIC_KEY_PREFIX}{}", STANDARD.encode([7; 31]));
    for (public, pair, entry, body) in [
        (WHPK, ("msg_other", pair.1), V1A, BODY),
        (WHPK, ("", pair.1), V1A, BODY),
        (WHPK, (ID, "1614265331"), V1A, BODY),
        (WHPK, pair, V1A, b"{}".as_slice()),
        (WHPK, pair, &V1A[..V1A.len() - 4], BODY),
        (WHPK, pair, "v1a,", BODY),
        (WHPK, pair, "v1a", BODY),
        (WHPK, pair, "", BODY),
        (&other, pair, V1A, BODY),
        (&short, pair, V1A, BODY),
        ("whpk_", pair, V1A, BODY),
        ("nonsense?", pair, V1A, BODY),
    ] {
        assert!(!verify_ed25519(public, pair, entry, body), "{public} {pair:?} {entry}");
    }
}

#[test]
fn a_profile_that_has_ended_is_not_sent_and_v1_always_is() {
    for (end, sent) in [(SECONDS + 1, true), (SECONDS, false), (SECONDS - 1, false)] {
        let headers = signed(None, all(Some(at(end))));
        assert_eq!(headers.len(), if sent { 9 } else { 3 }, "{end}");
        assert_eq!(text(&headers, "webhook-signature").contains("v1a,"), sent);
        assert!(text(&headers, "webhook-signature").starts_with(V1));
    }
    assert_eq!(signed(None, Vec::new()).len(), 3);
}

#[test]
fn during_a_rotation_lists_hold_both_and_single_values_the_new_one() {
    let old = SigningSecret::generate(&Vault::seeded(1));
    for (until, both) in [(SECONDS + 1, true), (SECONDS, false)] {
        let headers = signed(Some((&old, at(until))), all(None));
        let signature = text(&headers, "webhook-signature");
        assert_eq!(signature.matches("v1,").count(), if both { 2 } else { 1 }, "{until}");
        assert!(signature.starts_with(V1), "the current one first");
        let stripe = text(&headers, "stripe-signature");
        assert_eq!(stripe.matches("v1=").count(), if both { 2 } else { 1 });
        assert!(stripe.starts_with(&format!("t=1614265330,v1={STRIPE_MAC}")));
        assert_eq!(text(&headers, "x-webhook-signature"), ORIGINAL_MAC);
    }
}

#[test]
fn an_endpoint_without_a_key_pair_gets_no_v1a() {
    let secret = SigningSecret::parse(SECRET).unwrap();
    let keys = Keys { current: &secret, previous: None, ed25519: None, ed25519_before: None };
    let mut headers = HeaderMap::new();
    let message = Signed { id: ID, event_type: "customer.created", body: BODY };
    Signatures::new(keys, all(None)).sign(&message, at(SECONDS), &mut headers);
    assert_eq!(text(&headers, "webhook-signature"), V1);
}

#[test]
fn the_names_in_the_api_are_these() {
    for (name, profile) in [
        ("ed25519", Profile::Ed25519),
        ("original", Profile::Original),
        ("stripe", Profile::Stripe),
        ("github", Profile::Github),
    ] {
        assert_eq!(serde_json::to_value(profile).unwrap(), name);
        let read: ProfileUse = serde_json::from_value(serde_json::json!({"name": name})).unwrap();
        assert_eq!(read, ProfileUse { name: profile, ends_at: None });
    }
}

#[test]
fn of_two_key_pairs_both_sign_until_the_overlap_is_over() {
    let new = Ed25519Key::from_seed(&[7; 32]).unwrap();
    let new_key = public_key_text(&new);
    let secret = SigningSecret::parse(SECRET).unwrap();
    let keys = Keys {
        current: &secret,
        previous: None,
        ed25519: Some(new),
        ed25519_before: Some((key(), at(SECONDS + 10))),
    };
    let signatures = Signatures::new(keys, all(None));
    let message = Signed { id: ID, event_type: "customer.created", body: BODY };
    for (seconds, old_signs) in [(SECONDS, true), (SECONDS + 9, true), (SECONDS + 10, false)] {
        let mut headers = HeaderMap::new();
        signatures.sign(&message, at(seconds), &mut headers);
        let header = text(&headers, "webhook-signature");
        let stamp = seconds.to_string();
        assert!(verify_ed25519(&new_key, (ID, &stamp), header, BODY), "{seconds}");
        assert_eq!(verify_ed25519(WHPK, (ID, &stamp), header, BODY), old_signs, "{seconds}");
        assert_eq!(header.split(' ').count(), 2 + usize::from(old_signs));
    }
}
