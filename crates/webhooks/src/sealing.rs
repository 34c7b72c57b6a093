//! Secrets and headers, sealed for the row that they lie in.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidings_kernel::{TenantId, Timestamp, WebhookSubscriptionId};
use tidings_vault::{Ed25519Key, Secret, Vault};

use crate::signing::SigningSecret;
use crate::subscription::{Sealed, Subscription};

fn place(tenant_id: TenantId, id: WebhookSubscriptionId, column: &str) -> String {
    format!("{tenant_id}|webhook_subscriptions|{id}|{column}")
}

/// Seals a signing secret for its subscription.
pub(crate) fn seal_secret(
    vault: &Vault,
    tenant_id: TenantId,
    id: WebhookSubscriptionId,
    secret: &SigningSecret,
) -> Sealed {
    Sealed(vault.seal(&place(tenant_id, id, "secret"), secret.bytes()).into())
}

/// Opens a signing secret. One that does not open (the root key is another) is replaced by a random
/// one: the receiver refuses the signature and the log says why, and nothing goes out unsigned.
pub(crate) fn open_secret(
    vault: &Vault,
    subscription: &Subscription,
    sealed: &Sealed,
) -> SigningSecret {
    let place = place(subscription.tenant_id, subscription.id, "secret");
    let opened = vault.open(&place, &sealed.0).ok();
    opened.and_then(|secret: Secret| SigningSecret::new(secret).ok()).unwrap_or_else(|| {
        tracing::error!(subscription = %subscription.id, "the signing secret does not open");
        SigningSecret::generate(vault)
    })
}

/// Seals the seed of an endpoint's key pair for its subscription.
pub(crate) fn seal_signing_key(
    vault: &Vault,
    tenant_id: TenantId,
    id: WebhookSubscriptionId,
    seed: &[u8],
) -> Sealed {
    Sealed(vault.seal(&place(tenant_id, id, "signing_key"), seed).into())
}

/// Opens the key pair of an endpoint that has one. One that does not open signs nothing: `v1` goes
/// out without `v1a`, and the log says why.
pub(crate) fn open_signing_key(vault: &Vault, subscription: &Subscription) -> Option<Ed25519Key> {
    open_pair(vault, subscription, subscription.signing_key.as_ref()?)
}

/// Opens the key pair before a rotation, with the instant until which it signs too.
pub(crate) fn open_previous_key(
    vault: &Vault,
    subscription: &Subscription,
) -> Option<(Ed25519Key, Timestamp)> {
    let previous = subscription.options.previous_key.as_ref()?;
    // What cannot be read opens to nothing, and that is told.
    let sealed = Sealed(STANDARD.decode(&previous.signing_key).unwrap_or_default().into());
    open_pair(vault, subscription, &sealed).map(|key| (key, previous.valid_until))
}

fn open_pair(vault: &Vault, subscription: &Subscription, sealed: &Sealed) -> Option<Ed25519Key> {
    let place = place(subscription.tenant_id, subscription.id, "signing_key");
    let opened = vault.open(&place, &sealed.0).ok();
    let key = opened.and_then(|seed: Secret| Ed25519Key::from_seed(seed.expose()));
    if key.is_none() {
        tracing::error!(subscription = %subscription.id, "the key pair does not open");
    }
    key
}

/// Seals custom headers for their subscription.
pub(crate) fn seal_headers(
    vault: &Vault,
    tenant_id: TenantId,
    id: WebhookSubscriptionId,
    headers: &BTreeMap<String, String>,
) -> Sealed {
    // Text keys and values always serialise.
    let plain = serde_json::to_vec(headers).unwrap_or_default();
    Sealed(vault.seal(&place(tenant_id, id, "headers"), &plain).into())
}

/// Opens custom headers; none where they do not open.
pub(crate) fn open_headers(vault: &Vault, subscription: &Subscription) -> BTreeMap<String, String> {
    let place = place(subscription.tenant_id, subscription.id, "headers");
    let opened = vault.open(&place, &subscription.headers.0).ok();
    opened.and_then(|plain| serde_json::from_slice(plain.expose()).ok()).unwrap_or_else(|| {
        tracing::error!(subscription = %subscription.id, "the custom headers do not open");
        BTreeMap::new()
    })
}
