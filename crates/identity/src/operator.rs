//! The operator's key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidings_vault::{Vault, sha256};

/// The operator's key as text. It is printed once and is in no log.
pub struct OperatorKey(String);

/// A text that cannot be the operator's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operator's key is 32 to 256 visible ASCII characters without spaces")]
pub struct OperatorKeyError;

impl std::fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OperatorKey(..)")
    }
}

impl OperatorKey {
    /// A fresh key.
    pub fn generate(vault: &Vault) -> Self {
        Self(format!("tdo_{}", URL_SAFE_NO_PAD.encode(vault.random::<32>())))
    }

    /// A key that the operator chose.
    pub fn parse(text: &str) -> Result<Self, OperatorKeyError> {
        let fine = (32..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fine { Ok(Self(text.to_owned())) } else { Err(OperatorKeyError) }
    }

    /// The text, to print once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}
