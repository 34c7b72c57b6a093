//! `tidings sign` and `tidings verify`, in pipes as people use them.

use super::{OTHER, SECRET, err, out, run, tidings};

const BODY: &[u8] = b"{\"test\": 2432232314}";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const AT: &str = "1614265330";

#[test]
fn what_is_signed_is_what_the_standard_says() {
    let arguments = ["sign", "--secret", SECRET, "--id", ID, "--timestamp", AT];
    let signed = run(&mut tidings(&arguments), BODY);
    assert!(signed.status.success(), "{}", err(&signed));
    let wanted = format!(
        "webhook-id: {ID}\nwebhook-timestamp: {AT}\n\
         webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n"
    );
    assert_eq!(out(&signed), wanted);
}

#[test]
fn two_secrets_sign_and_either_verifies() {
    let scratch = tidings_testkit::ScratchDir::new();
    let (body, headers) = (scratch.path().join("body.json"), scratch.path().join("headers.txt"));
    std::fs::write(&body, BODY).unwrap();
    let body = body.to_str().unwrap();
    let both = format!("{OTHER},{SECRET}");
    let signed = run(tidings(&["sign", body]).env("TIDINGS_WEBHOOK_SECRET", &both), b"");
    assert!(signed.status.success(), "{}", err(&signed));
    std::fs::write(&headers, &signed.stdout).unwrap();
    let fields: http::HeaderMap = out(&signed)
        .lines()
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
        })
        .collect();
    let headers = headers.to_str().unwrap();
    for secret in [SECRET, OTHER] {
        standardwebhooks::Webhook::new(secret).unwrap().verify(BODY, &fields).unwrap();
        // The secret from standard input, the body from a file.
        let arguments = ["verify", body, "--headers", headers, "--secret", "-"];
        let verified = run(&mut tidings(&arguments), format!("{secret}\n").as_bytes());
        assert!(verified.status.success(), "{}{}", out(&verified), err(&verified));
        assert!(
            out(&verified).starts_with("genuine: signed with secret 1, "),
            "{}",
            out(&verified)
        );
    }
}

#[test]
fn a_verdict_has_its_reason_and_its_status() {
    let id = format!("webhook-id: {ID}");
    let at = format!("webhook-timestamp: {AT}");
    let signature = "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let verify = |secret: &str, now: &str, headers: &[&str], body: &[u8]| {
        let mut command = tidings(&["verify", "--json", "--secret", secret]);
        if !now.is_empty() {
            command.args(["--at", now]);
        }
        for header in headers {
            command.args(["-H", header]);
        }
        let done = run(&mut command, body);
        let verdict: serde_json::Value = serde_json::from_str(&out(&done)).unwrap();
        assert_eq!(verdict["valid"], done.status.success());
        assert_eq!(verdict["detail"].is_string(), !done.status.success());
        (done.status.code().unwrap(), verdict["reason"].as_str().unwrap_or("none").to_owned())
    };
    let all = [id.as_str(), at.as_str(), signature];
    let no = |reason: &str| (1, reason.to_owned());
    assert_eq!(verify(SECRET, AT, &all, BODY), (0, "none".to_owned()));
    assert_eq!(verify(OTHER, AT, &all, BODY), no("bad_signature"));
    assert_eq!(verify(SECRET, AT, &all, b"{}"), no("bad_signature"));
    assert_eq!(verify(SECRET, "", &all, BODY), no("stale_timestamp"));
    assert_eq!(verify(SECRET, "1614000000", &all, BODY), no("future_timestamp"));
    assert_eq!(verify(SECRET, AT, &all[..2], BODY), no("missing_header"));
}

#[test]
fn what_cannot_be_done_says_what_to_do() {
    let cases: [(&[&str], &str); 8] = [
        (&["sign"], "TIDINGS_WEBHOOK_SECRET"),
        (&["sign", "--secret", "whsec_???"], "secret 1: a signing secret is whsec_"),
        (&["sign", "--secret", "whsec_c2hvcnQ="], "24 to 64 bytes"),
        (&["sign", "--secret", SECRET, "--id", "a.b"], "full stop"),
        (&["sign", "--secret", SECRET, "no/such/file"], "no/such/file"),
        (&["sign", "--secret", "-"], "give the body as a file"),
        (&["verify", "--secret", SECRET, "-H", "no colon"], "name: value"),
        (&["verify", "--secret", SECRET, "--at", "yesterday"], "--at"),
    ];
    for (arguments, says) in cases {
        let done = run(&mut tidings(arguments), SECRET.as_bytes());
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {}", err(&done));
        assert!(err(&done).contains(says), "{arguments:?}: {}", err(&done));
        assert!(!err(&done).contains(SECRET), "a secret is in no message: {}", err(&done));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let mut command = tidings(&["events", "list"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(141));
    assert_eq!(err(&done), "");
}

#[test]
fn every_tool_has_help_with_an_example_and_its_statuses() {
    for tool in ["listen", "trigger", "sign", "verify", "conformance"] {
        let help = run(&mut tidings(&[tool, "--help"]), b"");
        assert!(help.status.success());
        let text = out(&help);
        for part in [format!("  tidings {tool} "), "Exit status: 0 ".to_owned()] {
            assert!(text.contains(&part), "{tool}: {part:?} in\n{text}");
        }
    }
}
