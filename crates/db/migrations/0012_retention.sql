-- How long a tenant keeps what; those who never asked have no row, and get the defaults.
CREATE TABLE retention_settings (
    tenant_id {uuid} NOT NULL PRIMARY KEY,
    id {uuid} NOT NULL,
    payload_days {int} NOT NULL,
    reply_days {int} NOT NULL,
    attempt_days {int} NOT NULL,
    event_days {int} NOT NULL,
    updated_at {int} NOT NULL,
    version {int} NOT NULL
) {clustered};

-- Erasures of a subject: how far each has come, and afterwards its receipt.
CREATE TABLE erasures (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    subject_id {uuid} NOT NULL,
    subject_text {text} NOT NULL,
    asked_by {text} NOT NULL,
    -- What is reached: the subject's events before this version, and whatever happened before this instant.
    before_version {int} NOT NULL,
    before_at {int} NOT NULL,
    phase {text} NOT NULL,
    -- Where the phase goes on.
    reached {text} NOT NULL,
    own_events {int} NOT NULL,
    mentioning_events {int} NOT NULL,
    deliveries_discarded {int} NOT NULL,
    attempts_cleared {int} NOT NULL,
    replies_replaced {int} NOT NULL,
    requested_at {int} NOT NULL,
    completed_at {int},
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE INDEX erasures_unfinished ON erasures (requested_at) WHERE completed_at IS NULL;
CREATE INDEX erasures_recent ON erasures (requested_at);

-- What was kept of requests and answers: only attempts that have any stand in it, until it goes.
CREATE INDEX delivery_attempts_with_reply ON delivery_attempts (tenant_id, started_at) WHERE response_body IS NOT NULL OR response_headers IS NOT NULL OR request_headers IS NOT NULL;
