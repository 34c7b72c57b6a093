//! The quick start of the README is executed, so that it cannot rot.

use std::path::Path;
use std::process::Command;

use tidings_testkit::ScratchDir;

const MARK: &str = "<!-- quick start: executed by a test -->";

#[test]
fn the_quick_start_shows_a_webhook_arrive() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let (_, after) = text.split_once(MARK).expect("the mark above the quick start");
    let (_, block) = after.split_once("```sh\n").expect("a fenced block after the mark");
    let (script, _) = block.split_once("\n```").expect("the end of the block");

    let scratch = ScratchDir::new();
    let binary = Path::new(env!("CARGO_BIN_EXE_tidings")).parent().unwrap();
    let port = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    #[expect(clippy::disallowed_methods, reason = "the shell needs the machine's own PATH too")]
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(scratch.path())
        .env("PATH", path)
        .env("PORT", port().to_string())
        .env("RECEIVER_PORT", port().to_string())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
}

#[test]
fn the_demo_shows_a_webhook_arrive() {
    let scratch = ScratchDir::new();
    let ran = Command::new(env!("CARGO_BIN_EXE_tidings"))
        .args(["demo", "--once", "--listen", "127.0.0.1:0", "--data"])
        .arg(scratch.path().join("data"))
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{out}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(out.contains("customer.created") && out.contains("signature ok"), "{out}");
}
