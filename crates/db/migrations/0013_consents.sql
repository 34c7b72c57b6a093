-- What customers consented to, whom to ask there, and from where a line of their history came.

-- As with tags and history, there is no foreign key: entries are written with new customers.
CREATE TABLE customer_consents (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    customer_id {uuid} NOT NULL,
    purpose {text} NOT NULL,
    decision {text} NOT NULL,
    source {text} NOT NULL,
    wording {text},
    text_version {text},
    ip_address {text},
    user_agent {text},
    given_at {int} NOT NULL,
    recorded_by {text} NOT NULL,
    created_at {int} NOT NULL,
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE INDEX customer_consents_by_customer ON customer_consents (tenant_id, customer_id, id);

CREATE TABLE customer_contacts (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    customer_id {uuid} NOT NULL,
    role {text} NOT NULL,
    name {text} NOT NULL,
    email {text},
    phone {text},
    created_by {text} NOT NULL,
    created_at {int} NOT NULL,
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE CASCADE
) {clustered};
CREATE INDEX customer_contacts_by_customer ON customer_contacts (tenant_id, customer_id, id);

ALTER TABLE customer_activities ADD COLUMN ip_address {text};
ALTER TABLE customer_activities ADD COLUMN user_agent {text};
