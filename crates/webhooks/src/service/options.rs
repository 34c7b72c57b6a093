//! The options of a subscription, as its owner makes and changes them.

use tidings_kernel::Timestamp;
use tidings_vault::{ED25519_SEED_BYTES, Ed25519Key};

use crate::commands::{CreateSubscription, UpdateSubscription};
use crate::options::Options;
use crate::redaction::{self, Redaction};
use crate::sealing::seal_signing_key;
use crate::service::Webhooks;
use crate::signing::profiles::{Profile, public_key_text};
use crate::subscription::Subscription;

/// The options of a new subscription. Its redaction is also that of every event before it.
pub(super) fn first_options(input: &CreateSubscription) -> Options {
    let first = Redaction { since: Timestamp::default(), pointers: input.redact.clone() };
    Options {
        redactions: if input.redact.is_empty() { Vec::new() } else { vec![first] },
        payload_filter: input.payload_filter.clone(),
        signature_profiles: input.signature_profiles.clone(),
        format: input.format,
        handshake: input.handshake,
        ..Options::default()
    }
}

/// The options after a change. A consent is for one URL: another one has to give its own.
pub(super) fn change_options(
    options: &mut Options,
    (current, now): (&Subscription, Timestamp),
    input: &UpdateSubscription,
) {
    options.payload_filter = input.payload_filter.clone().over(options.payload_filter.take());
    if let Some(profiles) = &input.signature_profiles {
        options.signature_profiles.clone_from(profiles);
    }
    if let Some(pointers) = &input.redact {
        options.redactions = redaction::asked(&options.redactions, pointers, now);
    }
    options.format = input.format.unwrap_or(options.format);
    options.handshake = input.handshake.unwrap_or(options.handshake);
    let moved = input.url.as_ref().is_some_and(|url| *url != current.url);
    if moved || !options.handshake {
        options.consented_at = None;
        options.consented_to = None;
        options.handshake_refusal = None;
    }
}

impl Webhooks {
    /// Makes the key pair that a profile needs, and drops one that none needs any more.
    pub(super) fn fit_key_pair(&self, subscription: &mut Subscription) {
        let wanted = subscription.options.uses(Profile::Ed25519);
        if wanted == subscription.signing_key.is_some() {
            return;
        }
        subscription.signing_key = None;
        subscription.options.public_key = None;
        if wanted {
            let seed: [u8; ED25519_SEED_BYTES] = self.vault.random();
            let Some(key) = Ed25519Key::from_seed(&seed) else {
                unreachable!("every seed of this length is one")
            };
            let (tenant_id, id) = (subscription.tenant_id, subscription.id);
            subscription.signing_key = Some(seal_signing_key(&self.vault, tenant_id, id, &seed));
            subscription.options.public_key = Some(public_key_text(&key));
        }
    }
}
