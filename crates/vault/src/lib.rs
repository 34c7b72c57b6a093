//! Secrets: made, sealed, compared; digests and MACs. The one place that touches cryptography.
//!
//! **The cast.** A [`Vault`] holds the root key and the source of randomness. A [`Secret`] is bytes
//! that do not print, do not serialise and are wiped when dropped.
//!
//! **The plot.** What must be read again (signing secrets, stored replies) is sealed with
//! AES-256-GCM, bound to the place where it lies; what must only be recognised (API keys) is stored
//! as a digest.
//!
//! **The reasons.** A sealed value that is copied to another tenant, table or row does not open,
//! because its place is part of what is authenticated (reliability rule R30).

mod ed25519;

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use zeroize::Zeroizing;

pub use ed25519::{
    ED25519_PUBLIC_BYTES, ED25519_SEED_BYTES, ED25519_SIGNATURE_BYTES, Ed25519Key, ed25519_fits,
};

/// Bytes of the root key.
pub const ROOT_KEY_BYTES: usize = 32;
/// The first byte of everything sealed: the format, so that another can follow it.
const FORMAT: u8 = 1;

/// Bytes that do not print and are wiped when dropped.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Shows the bytes, to sign or to hand out once.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A sealed value that does not open here: another key, another place, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open with this key at this place")]
pub struct SealError;

enum Randomness {
    System,
    Seeded(Box<Mutex<StdRng>>),
}

/// The root key and the source of randomness.
pub struct Vault {
    sealing: LessSafeKey,
    cursors: hmac::Key,
    randomness: Randomness,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(..)")
    }
}

struct KeyBytes;
impl hkdf::KeyType for KeyBytes {
    fn len(&self) -> usize {
        ROOT_KEY_BYTES
    }
}

fn derive(root: &[u8; ROOT_KEY_BYTES], purpose: &[u8]) -> Zeroizing<[u8; ROOT_KEY_BYTES]> {
    let mut out = Zeroizing::new([0; ROOT_KEY_BYTES]);
    // HKDF can only refuse lengths over 255 blocks; ours is one.
    let filled = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tidings")
        .extract(root)
        .expand(&[purpose], KeyBytes)
        .and_then(|key| key.fill(out.as_mut()));
    assert!(filled.is_ok(), "one block of key material can always be derived");
    out
}

impl Vault {
    /// A vault over the installation's root key, with the system's randomness.
    pub fn new(root: &[u8; ROOT_KEY_BYTES]) -> Self {
        Self::with(root, Randomness::System)
    }

    /// A vault whose secrets are the same on every run, for tests.
    pub fn seeded(seed: u64) -> Self {
        let randomness = Randomness::Seeded(Box::new(Mutex::new(StdRng::seed_from_u64(seed))));
        Self::with(&[7; ROOT_KEY_BYTES], randomness)
    }

    fn with(root: &[u8; ROOT_KEY_BYTES], randomness: Randomness) -> Self {
        let sealing = UnboundKey::new(&AES_256_GCM, derive(root, b"seal").as_ref());
        let Ok(sealing) = sealing else { unreachable!("AES-256 takes a key of 32 bytes") };
        Self {
            sealing: LessSafeKey::new(sealing),
            cursors: hmac::Key::new(hmac::HMAC_SHA256, derive(root, b"cursor").as_ref()),
            randomness,
        }
    }

    /// Fresh random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.randomness {
            Randomness::System => fill_from_system(&mut bytes),
            Randomness::Seeded(rng) => {
                rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
            }
        }
        bytes
    }

    /// Seals a value for the place where it will lie: tenant, table, row, column.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = self.random();
        let mut body = plain.to_vec();
        let tag = self.sealing.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place.as_bytes()),
            &mut body,
        );
        let Ok(tag) = tag else { unreachable!("AES-GCM seals up to 64 GiB") };
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len() + tag.as_ref().len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what was sealed for this place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret, SealError> {
        let (&format, rest) = sealed.split_first().ok_or(SealError)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        if format != FORMAT {
            return Err(SealError);
        }
        let mut body = Zeroizing::new(body.to_vec());
        let plain = self
            .sealing
            .open_in_place(nonce, Aad::from(place.as_bytes()), body.as_mut_slice())
            .map_err(|_| SealError)?;
        Ok(Secret::new(plain.to_vec()))
    }

    /// A MAC over a cursor, so that only this installation can make one.
    pub fn cursor_mac(&self, cursor: &[u8]) -> [u8; 16] {
        let tag = hmac::sign(&self.cursors, cursor);
        let mut short = [0; 16];
        short.copy_from_slice(&tag.as_ref()[..16]);
        short
    }
}

/// Fresh random bytes from the system, for the seed of ids and the first root key.
pub fn system_random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_from_system(&mut bytes);
    bytes
}

fn fill_from_system(bytes: &mut [u8]) {
    // Without randomness nothing here can be done safely, so this is the end of the process.
    assert!(aws_lc_rs::rand::fill(bytes).is_ok(), "the system has no randomness");
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// Whether two digests are equal, in a time that does not tell where they differ.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// A key for HMAC-SHA256, prepared once for many messages.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(..)")
    }
}

impl MacKey {
    /// Prepares a key.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// HMAC-SHA256 over the parts, one after the other.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_at_its_place_and_undamaged() {
        let vault = Vault::seeded(1);
        let sealed = vault.seal("ten_1|webhook_subscriptions|whs_1|secret", b"s3cret");
        let opened = vault.open("ten_1|webhook_subscriptions|whs_1|secret", &sealed).unwrap();
        assert_eq!(opened.expose(), b"s3cret");
        assert!(vault.open("ten_2|webhook_subscriptions|whs_1|secret", &sealed).is_err());
        for cut in 0..sealed.len() {
            assert!(
                vault.open("ten_1|webhook_subscriptions|whs_1|secret", &sealed[..cut]).is_err()
            );
        }
        let other = Vault::new(&[8; ROOT_KEY_BYTES]);
        assert!(other.open("ten_1|webhook_subscriptions|whs_1|secret", &sealed).is_err());
    }

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new(b"s3cret".to_vec())), "Secret(..)");
    }
}
