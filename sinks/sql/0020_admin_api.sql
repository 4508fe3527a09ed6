-- What administrators ask over HTTP: quarantined receipts [H5], [H19], [H20] and orphans [H6], [H21]. Its number follows 0010,
-- whose list of actions it replaces.
-- An index on a partitioned table is built under a lock that stops its writers. Where the tables are large already, build each
-- partition's index CONCURRENTLY first: this file then finds and attaches it.
SET LOCAL ROLE migrator;

-- An export goes by time, of all operators or of one, and takes page after page where the last one ended.
CREATE INDEX ix_orphan_dlrs_received_at ON dlr.orphan_dlrs (received_at, orphan_id);
CREATE INDEX ix_orphan_dlrs_operator_id_received_at ON dlr.orphan_dlrs (operator_id, received_at, orphan_id);
CREATE INDEX ix_quarantined_dlrs_received_at ON dlr.quarantined_dlrs (received_at, quarantine_id);

ALTER TABLE orch.admin_actions DROP CONSTRAINT admin_actions_action_check;
ALTER TABLE orch.admin_actions ADD CONSTRAINT admin_actions_action_check CHECK (action IN (
  'quarantine.release', 'orphans.export', 'orphan.reconcile', 'replay.apply', 'replay.undo', 'deadletter.replay',
  'outbox.release'
));
-- An orphan is given to a message once, whatever two administrators do at the same time.
CREATE UNIQUE INDEX uq_admin_actions_reconcile ON orch.admin_actions (action, target)
  WHERE action = 'orphan.reconcile';

-- An orphan that was given to a message which is still open changes it.
ALTER TABLE dlr.quarantine_releases DROP CONSTRAINT quarantine_releases_outcome_check;
ALTER TABLE dlr.quarantine_releases ADD CONSTRAINT quarantine_releases_outcome_check
  CHECK (outcome IN ('late', 'duplicate', 'applied'));

-- Whose message it is that an orphan is given to, and whether the operator of the receipt had it at all.
GRANT SELECT (tenant_id, account_id, segment_count, operator_id) ON orch.sms_messages TO admin_svc;
GRANT SELECT (operator_id, total_segments) ON smpp.message_correlations TO admin_svc;
