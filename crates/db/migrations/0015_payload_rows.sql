-- Payloads in rows of a heap. A clustered table of SQLite keeps a quarter of a page of a row beside its key, and
-- puts the rest on a page of its own: for an event of 1 KiB that was a whole page more in the log, and another copy of it
-- in the file. PostgreSQL keeps rows in a heap already.
CREATE TABLE event_payloads_next ( -- only: sqlite
    tenant_id {uuid} NOT NULL, -- only: sqlite
    event_id {uuid} NOT NULL, -- only: sqlite
    body {bytes} NOT NULL, -- only: sqlite
    PRIMARY KEY (tenant_id, event_id) -- only: sqlite
) {heap}; -- only: sqlite
INSERT INTO event_payloads_next SELECT tenant_id, event_id, body FROM event_payloads; -- only: sqlite
DROP TABLE event_payloads; -- only: sqlite
ALTER TABLE event_payloads_next RENAME TO event_payloads; -- only: sqlite
