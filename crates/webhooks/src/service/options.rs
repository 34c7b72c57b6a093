//! The options of a subscription, as its owner makes and changes them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidings_db::UnitOfWork;
use tidings_kernel::{FieldError, Timestamp, WebhookSubscriptionId};
use tidings_vault::{ED25519_SEED_BYTES, Ed25519Key};

use crate::commands::{CreateSubscription, OVERLAP_HOURS_MAX, RotateKey, UpdateSubscription, all};
use crate::error::WebhookError;
use crate::options::{Options, PreviousKey};
use crate::redaction::{self, Redaction};
use crate::sealing::seal_signing_key;
use crate::service::Webhooks;
use crate::service::subscriptions::get;
use crate::signing::profiles::{Profile, public_key_text};
use crate::subscription::{OVERLAP, Subscription};

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
        subscription.options.previous_key = None;
        if wanted {
            self.give_key_pair(subscription);
        }
    }

    fn give_key_pair(&self, subscription: &mut Subscription) {
        let seed: [u8; ED25519_SEED_BYTES] = self.vault.random();
        let Some(key) = Ed25519Key::from_seed(&seed) else {
            unreachable!("every seed of this length is one")
        };
        let (tenant_id, id) = (subscription.tenant_id, subscription.id);
        subscription.signing_key = Some(seal_signing_key(&self.vault, tenant_id, id, &seed));
        subscription.options.public_key = Some(public_key_text(&key));
    }

    /// Gives a subscription a new key pair; the old one signs too for another day, or as long as
    /// the caller says.
    pub(crate) async fn rotate_key(
        &self,
        work: &mut UnitOfWork,
        id: WebhookSubscriptionId,
        input: RotateKey,
    ) -> Result<Subscription, WebhookError> {
        let (current, now) = (get(work, id).await?, work.now());
        let mut errors = Vec::new();
        let overlap = overlap(input.overlap_hours, &mut errors);
        all(errors)?;
        let old = current.signing_key.as_ref().zip(current.options.public_key.as_ref());
        let (sealed, public_key) = old.ok_or(WebhookError::NoKeyPair)?;
        let previous = PreviousKey {
            signing_key: STANDARD.encode(&sealed.0),
            public_key: public_key.clone(),
            valid_until: now.after(overlap),
        };
        let mut next = current.clone();
        next.options.previous_key = (!overlap.is_zero()).then_some(previous);
        self.give_key_pair(&mut next);
        match current.update(next, now) {
            Ok(change) => Ok(work.apply(change).await?),
            Err(unchanged) => Ok(*unchanged),
        }
    }
}

/// For how long the old secret or key pair signs beside the new one.
pub(super) fn overlap(hours: Option<u32>, errors: &mut Vec<FieldError>) -> Duration {
    if hours.is_some_and(|hours| hours > OVERLAP_HOURS_MAX) {
        let message = format!("0 to {OVERLAP_HOURS_MAX} hours");
        errors.push(FieldError::new("/overlap_hours", "out_of_range", message));
    }
    hours.map_or(OVERLAP, |hours| Duration::from_hours(u64::from(hours)))
}
