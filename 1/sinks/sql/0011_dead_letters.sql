-- The list of dead letters, newest first, and their purge look for them by time alone.
SET LOCAL ROLE migrator;

CREATE INDEX ix_dead_letters_failed_at ON orch.dead_letters (failed_at);
