-- Replays: past events of a tenant, sent once more to one subscription.

CREATE TABLE webhook_replays (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    subscription_id {uuid} NOT NULL,
    -- Which events: filters of types as a JSON text, an object, instants, what came of them before.
    event_types {text},
    subject_id {text},
    from_at {int},
    to_at {int},
    deliveries {text} NOT NULL,
    -- Which part of the log: behind the first, up to the second; asked for, and as it turned out.
    after_position {int} NOT NULL,
    until_asked {int},
    until_position {int},
    rate_per_second {int} NOT NULL,
    status {text} NOT NULL,
    reason {text},
    -- How far the log was looked at, and what came of it. The last three are written at the end.
    position {int} NOT NULL,
    planned {int} NOT NULL,
    skipped {int} NOT NULL,
    delivered {int} NOT NULL,
    failed {int} NOT NULL,
    cancelled {int} NOT NULL,
    -- The first instant at which one more delivery keeps the pace.
    free_at {int} NOT NULL,
    started_at {int} NOT NULL,
    finished_at {int},
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE UNIQUE INDEX webhook_replays_running ON webhook_replays (tenant_id, subscription_id) WHERE status = 'running';

ALTER TABLE deliveries ADD COLUMN replay_id {uuid};
CREATE INDEX deliveries_by_replay ON deliveries (tenant_id, replay_id, status) WHERE replay_id IS NOT NULL;
