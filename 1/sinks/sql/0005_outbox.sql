-- One outbox row must not hold up another [SM24], [F20]: a row is tried again at its own time, and one that can never be
-- published is put aside, where a person finds it.
SET LOCAL ROLE migrator;

ALTER TABLE orch.outbox
  ADD COLUMN next_try_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN dead_at     timestamptz,
  ADD COLUMN dead_reason text;

-- The relay asks for what is due, the deletion after an acknowledgement finds its rows by created_at.
CREATE INDEX ix_outbox_due ON orch.outbox (next_try_at) WHERE dead_at IS NULL;

GRANT UPDATE (attempts, next_try_at, dead_at, dead_reason) ON orch.outbox TO orch_relay;
