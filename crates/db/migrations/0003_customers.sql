-- Customers, their notes and their history, purchases, segments.

-- `profile` holds every field that callers edit, and `figures` every computed one, as JSON. What is
-- queried stands in a column as well; one writer keeps the two in step.
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
    lifetime_currency {text},
    last_purchase_at {int},
    last_contact_at {int},
    created_at {int} NOT NULL,
    created_by {text} NOT NULL,
    updated_at {int} NOT NULL,
    updated_by {text} NOT NULL,
    deleted_at {int},
    erase_at {int},
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE UNIQUE INDEX customers_customer_number ON customers (tenant_id, customer_number);
CREATE UNIQUE INDEX customers_email_folded ON customers (tenant_id, email_folded) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX customers_external_id ON customers (tenant_id, external_id, COALESCE(source_system, '')) WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX customers_by_segment ON customers (tenant_id, segment_id) WHERE segment_id IS NOT NULL;
CREATE INDEX customers_erase_at ON customers (erase_at) WHERE erase_at IS NOT NULL;

-- Every number that was ever given. It is claimed here by an insert alone: looking it up first would
-- make concurrent creations depend on each other. A number is never given twice, even after erasure.
CREATE TABLE customer_numbers (
    tenant_id {uuid} NOT NULL,
    customer_number {text} NOT NULL,
    PRIMARY KEY (tenant_id, customer_number)
) {clustered};

-- What is written with every new customer, tags and history, has no foreign key: checking one reads
-- the newest page of `customers`, which would make concurrent creations depend on each other. The
-- customer's own removal takes them along.
CREATE TABLE customer_tags (
    tenant_id {uuid} NOT NULL,
    tag {text} NOT NULL,
    customer_id {uuid} NOT NULL,
    PRIMARY KEY (tenant_id, tag, customer_id)
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
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE CASCADE
) {clustered};
CREATE INDEX customer_notes_by_customer ON customer_notes (tenant_id, customer_id, id);

CREATE TABLE customer_activities (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    customer_id {uuid} NOT NULL,
    activity_type {text} NOT NULL,
    title {text} NOT NULL,
    description {text},
    performed_by {text} NOT NULL,
    created_at {int} NOT NULL,
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE INDEX customer_activities_by_customer ON customer_activities (tenant_id, customer_id, id);

-- The orders that a customer's figures count, so that none is counted twice.
CREATE TABLE customer_purchases (
    tenant_id {uuid} NOT NULL,
    customer_id {uuid} NOT NULL,
    order_id {text} NOT NULL,
    amount {int} NOT NULL,
    currency {text} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, customer_id, order_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE CASCADE
) {clustered};

CREATE TABLE customer_segments (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    name {text} NOT NULL,
    name_folded {text} NOT NULL,
    description {text},
    criteria {text} NOT NULL,
    is_dynamic {bool} NOT NULL,
    priority {int} NOT NULL,
    member_count {int} NOT NULL,
    last_calculated_at {int},
    recalculate_at {int},
    created_at {int} NOT NULL,
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE UNIQUE INDEX customer_segments_name_folded ON customer_segments (tenant_id, name_folded);
CREATE INDEX customer_segments_recalculate_at ON customer_segments (recalculate_at) WHERE recalculate_at IS NOT NULL;
