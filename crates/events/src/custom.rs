//! Names of a tenant's own event types.

use std::sync::Arc;

/// The name of a custom event type: `custom.` and at least one more part, so that it can never
/// collide with the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomName(Arc<str>);

/// A text that cannot name a custom event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomNameError;

impl std::fmt::Display for CustomNameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "a custom event type is custom. followed by parts of a-z, 0-9 and _ with single full \
             stops between them, 100 characters at most: custom.order.shipped",
        )
    }
}

impl std::error::Error for CustomNameError {}

impl CustomName {
    /// The longest name, in characters.
    pub const CHARS_MAX: usize = 100;

    /// The name as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for CustomName {
    type Err = CustomNameError;

    fn from_str(text: &str) -> Result<Self, CustomNameError> {
        let rest = text.strip_prefix("custom.").ok_or(CustomNameError)?;
        let part_is_fine = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if text.len() <= Self::CHARS_MAX && rest.split('.').all(part_is_fine) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(CustomNameError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_under_custom_are_taken() {
        for fine in ["custom.order.shipped", "custom.a", "custom.a_1.b"] {
            assert!(fine.parse::<CustomName>().is_ok(), "{fine}");
        }
        let long = format!("custom.{}", "a".repeat(100));
        for wrong in [
            "",
            "custom",
            "custom.",
            "customer.created",
            "custom..a",
            "custom.A",
            "custom.é",
            &long,
        ] {
            assert!(wrong.parse::<CustomName>().is_err(), "{wrong}");
        }
    }
}
