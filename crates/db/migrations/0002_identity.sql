-- The installation's own values (the operator's key as a digest), tenants, API keys.

CREATE TABLE installation (
    name {text} NOT NULL PRIMARY KEY,
    value {bytes} NOT NULL,
    updated_at {int} NOT NULL
) {clustered};

CREATE TABLE tenants (
    tenant_id {uuid} NOT NULL PRIMARY KEY,
    name {text} NOT NULL,
    livemode {bool} NOT NULL,
    status {text} NOT NULL,
    suspended_reason {text},
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    version {int} NOT NULL
) {clustered};

CREATE TABLE api_keys (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    name {text} NOT NULL,
    prefix {text} NOT NULL,
    secret_hash {bytes} NOT NULL,
    previous_hash {bytes},
    previous_until {int},
    scopes {text} NOT NULL,
    expires_at {int},
    revoked_at {int},
    last_used_at {int},
    created_at {int} NOT NULL,
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id)
) {clustered};
CREATE UNIQUE INDEX api_keys_by_id ON api_keys (id);
