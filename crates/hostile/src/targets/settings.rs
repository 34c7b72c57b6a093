//! The settings file.

use tidings_server::Settings;

/// Whatever is in the file, there are settings or a reason; and secrets cannot stand in it.
pub(super) fn settings(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Settings::parse(text) {
        Ok(settings) => assert!(settings.operator_key.is_none() && settings.root_key.is_none()),
        Err(reason) => assert!(!reason.is_empty()),
    }
}
