-- Which batch of outcomes a node wrote last, and which before that: after a COMMIT whose answer was
-- lost it asks here, so that nothing is counted twice.

ALTER TABLE nodes ADD COLUMN settled {int} NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN settled_before {int} NOT NULL DEFAULT 0;
