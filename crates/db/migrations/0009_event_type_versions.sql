-- Every version that the schema of a custom event type has had, so that what was published under an
-- old one can still be read, and published.

CREATE TABLE event_type_versions (
    tenant_id {uuid} NOT NULL,
    event_type_id {uuid} NOT NULL,
    schema_version {int} NOT NULL,
    schema_text {text} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, event_type_id, schema_version)
) {clustered};

SELECT set_config('tidings.tenant', '*', true); -- only: postgres
INSERT INTO event_type_versions (tenant_id, event_type_id, schema_version, schema_text, created_at)
    SELECT tenant_id, id, schema_version, schema_text, updated_at FROM event_types;
