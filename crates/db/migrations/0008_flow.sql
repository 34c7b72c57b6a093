-- How deliveries flow: the pace and the order that an endpoint asks for, and how it fares.

ALTER TABLE webhook_subscriptions ADD COLUMN rate_per_second {int};
ALTER TABLE webhook_subscriptions ADD COLUMN ordering {text} NOT NULL DEFAULT 'none';

-- For endpoints that want an object's events in their order: the object, and the event's place in it.
ALTER TABLE deliveries ADD COLUMN order_key {uuid};
ALTER TABLE deliveries ADD COLUMN order_version {int};
CREATE INDEX deliveries_in_order ON deliveries (tenant_id, subscription_id, order_key, order_version) WHERE order_key IS NOT NULL AND next_attempt_at IS NOT NULL;

-- How an endpoint has fared since its last success. One row for each that had an outcome.
CREATE TABLE endpoint_health (
    tenant_id {uuid} NOT NULL,
    subscription_id {uuid} NOT NULL,
    failures {int} NOT NULL,
    failing_since {int},
    -- Different hours in which it failed since then.
    hours {int} NOT NULL,
    last_failure_at {int},
    last_success_at {int},
    -- What its owner was told last: well, failing, or warned that it will be disabled.
    told {text} NOT NULL,
    told_at {int},
    PRIMARY KEY (tenant_id, subscription_id)
) {clustered};
CREATE INDEX endpoint_health_ill ON endpoint_health (failing_since) WHERE failing_since IS NOT NULL OR told <> 'well';
