-- Subscriptions, deliveries, attempts; custom event types and their publications.

CREATE TABLE webhook_subscriptions (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    url {text} NOT NULL,
    events {text} NOT NULL,
    description {text},
    headers {bytes} NOT NULL,
    header_names {text} NOT NULL,
    retry_policy {text} NOT NULL,
    timeout_seconds {int} NOT NULL,
    is_active {bool} NOT NULL,
    disabled_at {int},
    disabled_reason {text},
    secret {bytes} NOT NULL,
    previous_secret {bytes},
    previous_until {int},
    custom_metadata {text} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    deleted_at {int},
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};

-- Every change of a subscription bumps its tenant's number here, so that each node can tell
-- cheaply that its compiled index is old.
CREATE TABLE webhook_generations (
    tenant_id {uuid} NOT NULL PRIMARY KEY,
    generation {int} NOT NULL,
    changed_at {int} NOT NULL
) {clustered};

-- One row for each event and subscription, from its first outcome on. The id is derived from the
-- pair and the origin, so the primary key is what makes a pair unique.
CREATE TABLE deliveries (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    event_id {uuid} NOT NULL,
    subscription_id {uuid} NOT NULL,
    origin {text} NOT NULL,
    event_name {text} NOT NULL,
    status {text} NOT NULL,
    attempts {int} NOT NULL,
    next_attempt_at {int},
    node_id {uuid} NOT NULL,
    last_status {int},
    last_error {text},
    reason {text},
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE INDEX deliveries_by_subscription ON deliveries (tenant_id, subscription_id, id);
CREATE INDEX deliveries_due ON deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

CREATE TABLE delivery_attempts (
    tenant_id {uuid} NOT NULL,
    delivery_id {uuid} NOT NULL,
    attempt {int} NOT NULL,
    started_at {int} NOT NULL,
    duration {int} NOT NULL,
    status {int},
    error {text},
    response_headers {text},
    response_body {bytes},
    node_id {uuid} NOT NULL,
    PRIMARY KEY (tenant_id, delivery_id, attempt)
) {clustered};

CREATE TABLE event_types (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    name {text} NOT NULL,
    description {text} NOT NULL,
    schema_version {int} NOT NULL,
    schema_text {text} NOT NULL,
    example {text} NOT NULL,
    deprecated_at {int},
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE UNIQUE INDEX event_types_by_name ON event_types (tenant_id, name);

-- Custom events that were published with an event_id of the publisher's.
CREATE TABLE publications (
    tenant_id {uuid} NOT NULL,
    client_id {text} NOT NULL,
    event_id {uuid} NOT NULL,
    body_hash {bytes} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, client_id)
) {clustered};
CREATE INDEX publications_by_age ON publications (created_at);
