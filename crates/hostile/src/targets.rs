//! The targets, by the part of the product that reads.

mod bodies;
mod egress;
mod headers;
mod settings;
mod signatures;
mod tenants;

use crate::Target;

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "url", run: egress::url, rounds: 20_000 },
    Target { name: "retry_after", run: egress::retry_after, rounds: 20_000 },
    Target { name: "custom_headers", run: headers::custom, rounds: 5_000 },
    Target { name: "authorization", run: headers::authorization, rounds: 10_000 },
    Target { name: "idempotency_key", run: headers::idempotency_key, rounds: 10_000 },
    Target { name: "if_match", run: headers::if_match, rounds: 10_000 },
    Target { name: "signature", run: signatures::signature, rounds: 10_000 },
    Target { name: "signing_secret", run: signatures::secret, rounds: 10_000 },
    Target { name: "cursor", run: tenants::cursor, rounds: 10_000 },
    Target { name: "event_filter", run: tenants::event_filter, rounds: 5_000 },
    Target { name: "names", run: tenants::names, rounds: 10_000 },
    Target { name: "payload_filter", run: tenants::payload_filter, rounds: 3_000 },
    Target { name: "schema", run: tenants::schema, rounds: 500 },
    Target { name: "json", run: bodies::json, rounds: 5_000 },
    Target { name: "publication", run: bodies::publication, rounds: 3_000 },
    Target { name: "subscription", run: bodies::subscription, rounds: 3_000 },
    Target { name: "query", run: bodies::query, rounds: 5_000 },
    Target { name: "cloudevents", run: bodies::cloudevents, rounds: 3_000 },
    Target { name: "settings", run: settings::settings, rounds: 2_000 },
];
