//! Ed25519: signatures that are checked with a key that is no secret.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// Bytes of the seed that a key pair is made from.
pub const ED25519_SEED_BYTES: usize = 32;
/// Bytes of a public key.
pub const ED25519_PUBLIC_BYTES: usize = 32;
/// Bytes of a signature.
pub const ED25519_SIGNATURE_BYTES: usize = 64;

/// A key pair, prepared for many messages.
pub struct Ed25519Key(Ed25519KeyPair);

impl std::fmt::Debug for Ed25519Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ed25519Key(..)")
    }
}

impl Ed25519Key {
    /// The key pair of a seed. None where the seed has another length.
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    /// The half that anybody may have.
    pub fn public_key(&self) -> [u8; ED25519_PUBLIC_BYTES] {
        let mut out = [0; ED25519_PUBLIC_BYTES];
        out.copy_from_slice(self.0.public_key().as_ref());
        out
    }

    /// Signs the parts, one after the other.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; ED25519_SIGNATURE_BYTES] {
        let mut out = [0; ED25519_SIGNATURE_BYTES];
        out.copy_from_slice(self.0.sign(&parts.concat()).as_ref());
        out
    }
}

/// Whether a signature is by the holder of this public key, over exactly this message.
pub fn ed25519_fits(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.chars().collect();
        let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
        pairs.map(|pair| u8::from_str_radix(&pair, 16).unwrap()).collect()
    }

    #[test]
    fn the_vectors_of_rfc_8032_hold() {
        for (seed, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac\
                 c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e\
                 458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            let key = Ed25519Key::from_seed(&bytes(seed)).unwrap();
            assert_eq!(key.public_key().to_vec(), bytes(public));
            let message = bytes(message);
            assert_eq!(key.sign(&[&message]).to_vec(), bytes(signature));
            assert!(ed25519_fits(&bytes(public), &message, &bytes(signature)));
            assert!(!ed25519_fits(&bytes(public), b"another", &bytes(signature)));
            assert!(!ed25519_fits(&bytes(public), &message, &bytes(signature)[..63]));
            assert!(!ed25519_fits(&bytes(public)[..31], &message, &bytes(signature)));
        }
        assert!(Ed25519Key::from_seed(&[0; 31]).is_none() && Ed25519Key::from_seed(&[]).is_none());
    }

    #[test]
    fn a_key_does_not_print() {
        assert_eq!(format!("{:?}", Ed25519Key::from_seed(&[7; 32]).unwrap()), "Ed25519Key(..)");
    }
}
