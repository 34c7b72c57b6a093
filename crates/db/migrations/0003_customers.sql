-- Customers, their notes and their history, segments.

CREATE TABLE customers (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    customer_number {text} NOT NULL,
    email {text} NOT NULL,
    email_folded {text} NOT NULL,
    email_verified {bool} NOT NULL,
    status {text} NOT NULL,
    customer_type {text} NOT NULL,
    tier {text} NOT NULL,
    country {text},
    segment_id {uuid},
    assigned_to {uuid},
    external_id {text},
    source_system {text},
    search {text} NOT NULL,
    profile {text} NOT NULL,
    figures {text} NOT NULL,
    lifetime_value {int} NOT NULL,
    last_purchase_at {int},
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    deleted_at {int},
    erase_at {int},
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE UNIQUE INDEX customers_by_number ON customers (tenant_id, customer_number);
CREATE UNIQUE INDEX customers_email_folded ON customers (tenant_id, email_folded) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX customers_external_id ON customers (tenant_id, external_id, source_system) WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX customers_erase_at ON customers (erase_at) WHERE erase_at IS NOT NULL;

CREATE TABLE customer_tags (
    tenant_id {uuid} NOT NULL,
    tag {text} NOT NULL,
    customer_id {uuid} NOT NULL,
    PRIMARY KEY (tenant_id, tag, customer_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE CASCADE
) {clustered};
CREATE INDEX customer_tags_by_customer ON customer_tags (tenant_id, customer_id);

CREATE TABLE customer_notes (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    customer_id {uuid} NOT NULL,
    subject {text},
    content {text} NOT NULL,
    is_internal {bool} NOT NULL,
    created_by {text} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE CASCADE
) {clustered};
CREATE INDEX customer_notes_by_customer ON customer_notes (tenant_id, customer_id, created_at);

CREATE TABLE customer_activities (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    customer_id {uuid} NOT NULL,
    activity_type {text} NOT NULL,
    title {text} NOT NULL,
    description {text},
    performed_by {text} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE CASCADE
) {clustered};
CREATE INDEX customer_activities_by_customer ON customer_activities (tenant_id, customer_id, created_at);

CREATE TABLE customer_segments (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    name {text} NOT NULL,
    description {text},
    criteria {text} NOT NULL,
    is_dynamic {bool} NOT NULL,
    priority {int} NOT NULL,
    member_count {int} NOT NULL,
    last_calculated_at {int},
    created_at {int} NOT NULL,
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE UNIQUE INDEX customer_segments_by_name ON customer_segments (tenant_id, name);
