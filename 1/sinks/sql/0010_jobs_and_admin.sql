-- What the scheduled jobs look for, and what a person at the command line may see and do [DB55].
-- An index on a partitioned table is built under a lock that stops its writers. Where the tables are large already, build each
-- partition's index CONCURRENTLY first: this file then finds and attaches it.
SET LOCAL ROLE migrator;

-- requeue: the few messages that are still QUEUED, in the order in which it takes them.
CREATE INDEX ix_sms_messages_queued ON orch.sms_messages (enqueued_at, message_id) WHERE status = 'QUEUED';
-- quarantine report: a day of receipts, whose rows come in about this order.
CREATE INDEX ix_delivery_receipts_received_at ON dlr.delivery_receipts USING brin (received_at);
-- purge: idx_mc_expires_at holds the rows that the sweep looks for, this one those that it has done.
CREATE INDEX ix_mc_over_expires_at ON smpp.message_correlations (expires_at) WHERE status <> 'SUBMITTED';

-- A dead letter is not sent again when the tables know more of its message than the dead letter does.
GRANT USAGE ON SCHEMA smpp TO admin_svc;
GRANT SELECT (message_id) ON smpp.message_correlations TO admin_svc;
GRANT SELECT (message_id, enqueued_at, status, status_seq, dlr_status) ON orch.sms_messages TO admin_svc;
CREATE POLICY admin_select ON orch.sms_messages FOR SELECT TO admin_svc USING (true);

-- An outbox row that was put aside can be let go again; what it says is personal data and stays unseen.
GRANT SELECT (id, tenant_id, subject, msg_id, attempts, created_at, next_try_at, dead_at, dead_reason),
  UPDATE (attempts, next_try_at, dead_at, dead_reason) ON orch.outbox TO admin_svc;
CREATE POLICY admin_select ON orch.outbox FOR SELECT TO admin_svc USING (true);
CREATE POLICY admin_update ON orch.outbox FOR UPDATE TO admin_svc USING (true);

ALTER TABLE orch.admin_actions DROP CONSTRAINT admin_actions_action_check;
ALTER TABLE orch.admin_actions ADD CONSTRAINT admin_actions_action_check CHECK (action IN (
  'quarantine.release', 'orphans.export', 'replay.apply', 'replay.undo', 'deadletter.replay', 'outbox.release'
));
