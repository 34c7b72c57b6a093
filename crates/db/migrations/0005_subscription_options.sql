-- What a subscription asks for beyond where and which: payload filter, signature profiles, format,
-- handshake. Never queried, so it is one JSON text.
ALTER TABLE webhook_subscriptions ADD COLUMN options {text} NOT NULL DEFAULT '{}';
-- The seed of the endpoint's ed25519 key pair, sealed.
ALTER TABLE webhook_subscriptions ADD COLUMN signing_key {bytes};

-- What came of the attempts of a subscription in one hour, added up as outcomes are settled. The
-- columns up_to_… count answers by how long they took, in milliseconds.
CREATE TABLE subscription_statistics (
    tenant_id {uuid} NOT NULL,
    subscription_id {uuid} NOT NULL,
    hour_at {int} NOT NULL,
    succeeded {int} NOT NULL,
    failed {int} NOT NULL,
    exhausted {int} NOT NULL,
    discarded {int} NOT NULL,
    answered_micros {int} NOT NULL,
    up_to_10 {int} NOT NULL,
    up_to_25 {int} NOT NULL,
    up_to_50 {int} NOT NULL,
    up_to_100 {int} NOT NULL,
    up_to_250 {int} NOT NULL,
    up_to_500 {int} NOT NULL,
    up_to_1000 {int} NOT NULL,
    up_to_2500 {int} NOT NULL,
    up_to_5000 {int} NOT NULL,
    up_to_10000 {int} NOT NULL,
    up_to_30000 {int} NOT NULL,
    PRIMARY KEY (tenant_id, subscription_id, hour_at)
) {clustered};
CREATE INDEX subscription_statistics_by_age ON subscription_statistics (hour_at);
