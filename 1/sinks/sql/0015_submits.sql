-- What a submit stores [SM23], for any number of messages of any tenants in one call: a session plans its statements once,
-- and a pooler between may give each transaction another session, so a prepared statement will not do. It runs with the
-- rights of its caller, and the scope is set anew for each tenant: row-level security judges every row [DB41], [DB42].
--
-- given: [{tenant_id, messages: [row of sms_messages], keys: [row of idempotency_keys],
--          events: [row of outbox with its message_id]}], tenants and keys in one order everywhere. A message whose key is
-- taken is not stored. Columns of messages that the caller does not name get the defaults written here.
SET LOCAL ROLE migrator;

CREATE FUNCTION orch.store_submits(given jsonb) RETURNS TABLE (stored_id uuid)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  tenant jsonb;
  blank orch.sms_messages;
BEGIN
  blank.status_seq := 1;
  blank.attempt_count := 0;
  blank.created_at := now();
  blank.updated_at := now();
  FOR tenant IN SELECT jsonb_array_elements(given) LOOP
    PERFORM set_config('app.tenant_id', tenant ->> 'tenant_id', true);
    RETURN QUERY
      WITH claimed AS (
        INSERT INTO orch.idempotency_keys
        SELECT key.* FROM jsonb_populate_recordset(null::orch.idempotency_keys, tenant -> 'keys') AS key
        ON CONFLICT (hash) DO NOTHING
        RETURNING message_id
      ),
      message AS (
        INSERT INTO orch.sms_messages
        SELECT message.* FROM jsonb_populate_recordset(blank, tenant -> 'messages') AS message
        WHERE message.idempotency_hash IS NULL OR message.message_id IN (SELECT claimed.message_id FROM claimed)
        RETURNING message_id
      ),
      -- By the index on created_at the row is found again for deletion. Until two seconds later it is left to the process
      -- that wrote it [SM24].
      event AS (
        INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at, next_try_at)
        SELECT event.event_id, event.tenant_id, event.subject, event.msg_id, event.headers, event.payload,
          event.created_at, event.created_at + interval '2 seconds'
        FROM jsonb_to_recordset(tenant -> 'events') AS event(
          message_id uuid, event_id uuid, tenant_id uuid, subject text, msg_id text, headers jsonb, payload jsonb,
          created_at timestamptz
        )
        WHERE event.message_id IN (SELECT message.message_id FROM message)
      )
      SELECT message.message_id FROM message;
  END LOOP;
END
$$;

REVOKE ALL ON FUNCTION orch.store_submits(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION orch.store_submits(jsonb) TO orch_svc;
