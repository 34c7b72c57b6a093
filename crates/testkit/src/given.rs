//! What a test run is given from outside, in variables that `cargo xtask test` sets.

use std::sync::Mutex;

/// What the variable says. None where it says nothing: the test passes without having tested `what`,
/// and that is printed once. On CI that would be a lie, so there it panics.
#[expect(
    clippy::disallowed_methods,
    reason = "the test run says through the environment what it has"
)]
pub fn given(variable: &'static str, what: &str) -> Option<String> {
    static EXPLAINED: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let error = match std::env::var(variable) {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    let missing =
        format!("{what} is not tested: {variable} ({error}); `cargo xtask test` provides it");
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    let mut explained = EXPLAINED.lock().unwrap();
    if !explained.contains(&variable) {
        explained.push(variable);
        explain(&missing);
    }
    None
}

#[expect(clippy::print_stderr, reason = "who runs the tests by hand must see what was left out")]
fn explain(sentence: &str) {
    eprintln!("{sentence}");
}
