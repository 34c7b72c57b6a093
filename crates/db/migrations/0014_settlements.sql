-- What each write of outcomes settled, in the order of commits, so that attempts can be followed live on
-- every node. A row holds ids only, and is kept for an hour.
CREATE TABLE settlements (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- only: sqlite
    seq BIGINT GENERATED ALWAYS AS IDENTITY, -- only: postgres
    xid INTEGER NOT NULL DEFAULT 0, -- only: sqlite
    xid BIGINT NOT NULL DEFAULT (CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)), -- only: postgres
    tenant_id {uuid} NOT NULL,
    settled_at {int} NOT NULL,
    attempts {text} NOT NULL
) {heap};
CREATE INDEX settlements_in_order ON settlements (tenant_id, xid, seq);
CREATE INDEX settlements_by_age ON settlements (settled_at);
