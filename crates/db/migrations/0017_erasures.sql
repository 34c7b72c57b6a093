-- Erasures that are under way: how many a tenant has, and what is not sent any more.
CREATE INDEX erasures_under_way ON erasures (tenant_id, id) WHERE completed_at IS NULL;
-- Those that were finished lately: something of them may still be in the memory of a node.
CREATE INDEX erasures_completed ON erasures (completed_at) WHERE completed_at IS NOT NULL;
