-- A message may be sent later [SM8] and cancelled until then [H16]: SCHEDULED and CANCELLED are statuses too [SC4].
SET LOCAL ROLE migrator;

ALTER TABLE orch.sms_messages ADD COLUMN send_at timestamptz;

-- requeue: the few messages that are still SCHEDULED although they are overdue [DB74].
CREATE INDEX ix_sms_messages_scheduled ON orch.sms_messages (send_at) WHERE status = 'SCHEDULED';

-- A partition was made LIKE its parent before it was attached, so it keeps a constraint of its own when the parent drops it.
ALTER TABLE orch.sms_messages DROP CONSTRAINT sms_messages_status_check;
DO $$
DECLARE
  partition regclass;
BEGIN
  FOR partition IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'orch.sms_messages'::regclass LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS sms_messages_status_check', partition);
  END LOOP;
END
$$;

-- Every row that is there has one of the old statuses, so nothing needs to be read to know that it fits.
ALTER TABLE orch.sms_messages ADD CONSTRAINT sms_messages_status_check CHECK (status IN (
  'SCHEDULED', 'CANCELLED', 'QUEUED', 'ROUTING', 'ROUTED', 'SENT', 'DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED',
  'FAILED', 'PARTIAL', 'DEAD_LETTER'
)) NOT VALID;
