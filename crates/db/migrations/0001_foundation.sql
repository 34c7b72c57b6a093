-- The event log, its payloads, its positions, dispatch, nodes, jobs, reactions, stored replies.

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- only: sqlite
    seq BIGINT GENERATED ALWAYS AS IDENTITY, -- only: postgres
    xid BIGINT NOT NULL DEFAULT (CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)), -- only: postgres
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    name {text} NOT NULL,
    schema_version {int} NOT NULL,
    priority {text} NOT NULL,
    visibility {text} NOT NULL,
    subject_kind {text} NOT NULL,
    subject_id {uuid} NOT NULL,
    subject_version {int} NOT NULL,
    actor_kind {text} NOT NULL,
    actor_id {text},
    request_id {uuid} NOT NULL,
    occurred_at {int} NOT NULL,
    livemode {bool} NOT NULL,
    dedupe_key {text}
) {heap};
CREATE UNIQUE INDEX events_by_id ON events (tenant_id, id);
CREATE UNIQUE INDEX events_by_subject ON events (tenant_id, subject_id, subject_version);
CREATE UNIQUE INDEX events_dedupe_key ON events (tenant_id, dedupe_key) WHERE dedupe_key IS NOT NULL;
CREATE INDEX events_by_commit ON events (xid, seq); -- only: postgres

CREATE TABLE event_payloads (
    tenant_id {uuid} NOT NULL,
    event_id {uuid} NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
) {clustered};

CREATE TABLE event_positions (
    tenant_id {uuid} NOT NULL,
    position {int} NOT NULL,
    event_id {uuid} NOT NULL,
    PRIMARY KEY (tenant_id, position)
) {clustered};
CREATE UNIQUE INDEX event_positions_by_event ON event_positions (tenant_id, event_id);

CREATE TABLE position_counters (
    tenant_id {uuid} NOT NULL PRIMARY KEY,
    last {int} NOT NULL
) {clustered};

-- One row: how far the sequencer has read.
CREATE TABLE sequencer (
    id {int} NOT NULL PRIMARY KEY,
    xid {int} NOT NULL,
    seq {int} NOT NULL
) {clustered};
INSERT INTO sequencer (id, xid, seq) VALUES (1, 0, 0);

-- Pointers to events that are not fanned out yet. A row goes when every pair has its delivery.
CREATE TABLE dispatch (
    tenant_id {uuid} NOT NULL,
    event_id {uuid} NOT NULL,
    target_id {uuid},
    node_id {uuid} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
) {clustered};

-- One row for each start of a process. A node that stops saying that it lives is fenced, and what
-- it held goes to others.
CREATE TABLE nodes (
    id {uuid} NOT NULL PRIMARY KEY,
    name {text} NOT NULL,
    started_at {int} NOT NULL,
    alive_until {int} NOT NULL,
    fenced {bool} NOT NULL
) {clustered};

CREATE TABLE jobs (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    kind {text} NOT NULL,
    unique_key {text},
    payload {text} NOT NULL,
    due_at {int} NOT NULL,
    attempts {int} NOT NULL,
    leased_until {int},
    lease {int} NOT NULL,
    parked_at {int},
    last_error {text},
    created_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE INDEX jobs_due ON jobs (due_at) WHERE parked_at IS NULL;
CREATE UNIQUE INDEX jobs_unique_key ON jobs (tenant_id, kind, unique_key) WHERE unique_key IS NOT NULL;

CREATE TABLE schedules (
    name {text} NOT NULL PRIMARY KEY,
    every {int} NOT NULL,
    due_at {int} NOT NULL,
    leased_until {int},
    lease {int} NOT NULL,
    last_started_at {int},
    last_ended_at {int},
    last_error {text}
) {clustered};

CREATE TABLE reaction_cursors (
    tenant_id {uuid} NOT NULL,
    name {text} NOT NULL,
    position {int} NOT NULL,
    attempts {int} NOT NULL,
    retry_at {int},
    last_error {text},
    PRIMARY KEY (tenant_id, name)
) {clustered};

-- Events that a reaction could not take: their subject waits, the others go on.
CREATE TABLE reaction_parked (
    tenant_id {uuid} NOT NULL,
    name {text} NOT NULL,
    event_id {uuid} NOT NULL,
    subject_id {uuid} NOT NULL,
    position {int} NOT NULL,
    attempts {int} NOT NULL,
    retry_at {int} NOT NULL,
    last_error {text},
    PRIMARY KEY (tenant_id, name, event_id)
) {clustered};
CREATE INDEX reaction_parked_due ON reaction_parked (retry_at);

-- The first reply to a request with an Idempotency-Key, sealed.
CREATE TABLE idempotent_replies (
    tenant_id {uuid} NOT NULL,
    principal {text} NOT NULL,
    route {text} NOT NULL,
    idempotency_key {text} NOT NULL,
    body_hash {bytes} NOT NULL,
    status {int} NOT NULL,
    reply {bytes} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, principal, route, idempotency_key)
) {clustered};
CREATE INDEX idempotent_replies_by_age ON idempotent_replies (created_at);

-- Which node does what all could do, for the next seconds.
CREATE TABLE leases (
    name {text} NOT NULL PRIMARY KEY,
    node_id {uuid} NOT NULL,
    until_at {int} NOT NULL
) {clustered};

-- What fired when, by type: kept by a reaction, shown in the catalog.
CREATE TABLE event_activity (
    tenant_id {uuid} NOT NULL,
    name {text} NOT NULL,
    fired {int} NOT NULL,
    last_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, name)
) {clustered};
