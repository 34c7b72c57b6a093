-- The log of deliveries: what an attempt was made of, and what lists and charts are served from.

-- How long each part of an attempt took, in microseconds; a part that did not end has none.
ALTER TABLE delivery_attempts ADD COLUMN dns_micros {int};
ALTER TABLE delivery_attempts ADD COLUMN connect_micros {int};
ALTER TABLE delivery_attempts ADD COLUMN tls_micros {int};
ALTER TABLE delivery_attempts ADD COLUMN first_byte_micros {int};
ALTER TABLE delivery_attempts ADD COLUMN body_micros {int};
-- Whether it went over a connection that had served before; unknown for attempts of earlier versions.
ALTER TABLE delivery_attempts ADD COLUMN reused {bool};
-- The headers of the request where it was in vain, as JSON, secrets hidden.
ALTER TABLE delivery_attempts ADD COLUMN request_headers {text};
-- Whether the answer's body was longer than what is kept of it.
ALTER TABLE delivery_attempts ADD COLUMN response_truncated {bool};

-- Most deliveries arrive at the first attempt, and never enter this index: it costs what fails only.
-- With the status it covers what is asked of it, so that SQLite takes it before the primary key.
CREATE INDEX deliveries_not_delivered ON deliveries (tenant_id, id, status) WHERE status <> 'delivered';

-- What came of the attempts for events of one type in one hour, as in subscription_statistics.
CREATE TABLE event_type_statistics (
    tenant_id {uuid} NOT NULL,
    event_name {text} NOT NULL,
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
    PRIMARY KEY (tenant_id, event_name, hour_at)
) {clustered};
CREATE INDEX event_type_statistics_by_age ON event_type_statistics (hour_at);
