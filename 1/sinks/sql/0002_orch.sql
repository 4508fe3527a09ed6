-- Schema orch (spec data.md section 1), its row-level security (section 4) and its grants (section 5).
SET LOCAL ROLE migrator;

CREATE TABLE orch.sms_messages (
  message_id        uuid        NOT NULL,
  tenant_id         uuid        NOT NULL,
  account_id        uuid        NOT NULL,
  to_msisdn         text        NOT NULL,
  from_sender       text        NOT NULL,
  body              text        NOT NULL,
  segment_count     smallint    NOT NULL CHECK (segment_count >= 1),
  message_type      text        NOT NULL CHECK (message_type IN ('SMS', 'FLASH_SMS')),
  encoding          text        NOT NULL CHECK (encoding IN ('GSM7', 'UCS2')),
  status            text        NOT NULL CHECK (status IN (
    'QUEUED', 'ROUTING', 'ROUTED', 'SENT', 'DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED', 'PARTIAL',
    'DEAD_LETTER'
  )),
  status_seq        integer     NOT NULL DEFAULT 1,
  attempt_count     smallint    NOT NULL DEFAULT 0,
  operator_id       text,
  route_id          text,
  idempotency_hash  text,
  callback_url      text,
  last_error        jsonb,
  metadata          jsonb,
  dlr_status        varchar(16),
  dlr_received_at   timestamptz,
  enqueued_at       timestamptz NOT NULL,
  status_updated_at timestamptz NOT NULL,
  expires_at        timestamptz NOT NULL,
  processed_at      timestamptz,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (message_id, enqueued_at)
) PARTITION BY RANGE (enqueued_at);

CREATE INDEX ix_sms_messages_tenant_id_status ON orch.sms_messages (tenant_id, status);
CREATE INDEX ix_sms_messages_account_id_enqueued_at ON orch.sms_messages (account_id, enqueued_at DESC);
CREATE INDEX ix_sms_messages_idempotency_hash ON orch.sms_messages (idempotency_hash)
  WHERE idempotency_hash IS NOT NULL;
CREATE INDEX ix_sms_messages_operator_id_status ON orch.sms_messages (operator_id, status);

CREATE TABLE orch.idempotency_keys (
  hash                text        PRIMARY KEY,
  tenant_id           uuid        NOT NULL,
  account_id          uuid        NOT NULL,
  message_id          uuid        NOT NULL,
  request_fingerprint text        NOT NULL,
  response_body       jsonb       NOT NULL,
  created_at          timestamptz NOT NULL DEFAULT now(),
  expires_at          timestamptz NOT NULL
);
CREATE INDEX ix_idempotency_keys_expires_at ON orch.idempotency_keys (expires_at);

CREATE TABLE orch.outbox (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id   uuid        NOT NULL,
  tenant_id  uuid        NOT NULL,
  subject    text        NOT NULL,
  msg_id     text        NOT NULL,
  headers    jsonb       NOT NULL,
  payload    jsonb       NOT NULL,
  attempts   integer     NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ix_outbox_created_at ON orch.outbox (created_at);

CREATE TABLE orch.dead_letters (
  dead_letter_id uuid        PRIMARY KEY,
  message_id     uuid        NOT NULL,
  tenant_id      uuid        NOT NULL,
  account_id     uuid        NOT NULL,
  enqueued_at    timestamptz NOT NULL,
  reason         text        NOT NULL,
  failure_reason text        NOT NULL,
  attempt_count  smallint    NOT NULL,
  payload        jsonb       NOT NULL,
  failed_at      timestamptz NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now(),
  replayed_at    timestamptz,
  replayed_by    text
);
CREATE INDEX ix_dead_letters_tenant_id_failed_at ON orch.dead_letters (tenant_id, failed_at);
CREATE INDEX ix_dead_letters_message_id ON orch.dead_letters (message_id);

CREATE TABLE orch.admin_actions (
  action_id uuid        PRIMARY KEY,
  action    text        NOT NULL CHECK (action IN (
    'quarantine.release', 'orphans.export', 'replay.apply', 'replay.undo', 'deadletter.replay'
  )),
  target    text        NOT NULL,
  actor     text        NOT NULL,
  reason    text,
  detail    jsonb,
  at        timestamptz NOT NULL
);
-- A quarantined receipt is released once, whatever two administrators do at the same time.
CREATE UNIQUE INDEX uq_admin_actions_release ON orch.admin_actions (action, target)
  WHERE action = 'quarantine.release';

CREATE TABLE orch.archive_runs (
  table_name text        NOT NULL,
  month      date        NOT NULL,
  state      text        NOT NULL CHECK (state IN ('PLANNED', 'DETACHED', 'EXPORTED', 'VERIFIED', 'DROPPED')),
  rows       bigint,
  sha256     text,
  object_key text,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (table_name, month)
);

-- An unset app.tenant_id gives null, and so no row. After the first transaction-local setting PostgreSQL leaves an empty
-- string behind, which is not a uuid: hence nullif.
DO $$
DECLARE
  relation text;
BEGIN
  FOREACH relation IN ARRAY ARRAY['sms_messages', 'idempotency_keys', 'outbox', 'dead_letters'] LOOP
    EXECUTE format('ALTER TABLE orch.%I ENABLE ROW LEVEL SECURITY', relation);
    EXECUTE format('ALTER TABLE orch.%I FORCE ROW LEVEL SECURITY', relation);
    EXECUTE format(
      'CREATE POLICY tenant_isolation ON orch.%I TO orch_svc
         USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)
         WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)',
      relation
    );
    -- FORCE binds the owner too, and its purge and archive jobs must see every row: an archive of no rows would be a loss.
    EXECUTE format('CREATE POLICY owner_all ON orch.%I TO migrator USING (true) WITH CHECK (true)', relation);
  END LOOP;
END
$$;

CREATE POLICY relay_select ON orch.sms_messages FOR SELECT TO orch_relay USING (true);
CREATE POLICY sink_select ON orch.sms_messages FOR SELECT TO orch_sink USING (true);
CREATE POLICY sink_update ON orch.sms_messages FOR UPDATE TO orch_sink USING (true);
CREATE POLICY dlr_select ON orch.sms_messages FOR SELECT TO dlr_svc USING (true);
CREATE POLICY dlr_update ON orch.sms_messages FOR UPDATE TO dlr_svc USING (true);
CREATE POLICY relay_select ON orch.idempotency_keys FOR SELECT TO orch_relay USING (true);
CREATE POLICY relay_delete ON orch.idempotency_keys FOR DELETE TO orch_relay USING (true);
CREATE POLICY relay_select ON orch.outbox FOR SELECT TO orch_relay USING (true);
CREATE POLICY relay_insert ON orch.outbox FOR INSERT TO orch_relay WITH CHECK (true);
CREATE POLICY relay_update ON orch.outbox FOR UPDATE TO orch_relay USING (true);
CREATE POLICY relay_delete ON orch.outbox FOR DELETE TO orch_relay USING (true);
CREATE POLICY admin_insert ON orch.outbox FOR INSERT TO admin_svc WITH CHECK (true);
CREATE POLICY sink_select ON orch.dead_letters FOR SELECT TO orch_sink USING (true);
CREATE POLICY sink_insert ON orch.dead_letters FOR INSERT TO orch_sink WITH CHECK (true);
CREATE POLICY admin_select ON orch.dead_letters FOR SELECT TO admin_svc USING (true);
CREATE POLICY admin_update ON orch.dead_letters FOR UPDATE TO admin_svc USING (true);

GRANT SELECT, INSERT ON orch.sms_messages TO orch_svc;
GRANT SELECT, INSERT, DELETE ON orch.idempotency_keys TO orch_svc;
GRANT INSERT ON orch.outbox TO orch_svc;

GRANT SELECT, INSERT, UPDATE (attempts), DELETE ON orch.outbox TO orch_relay;
GRANT SELECT (expires_at), DELETE ON orch.idempotency_keys TO orch_relay;
GRANT SELECT ON orch.sms_messages TO orch_relay;

GRANT SELECT, UPDATE (
  status, status_seq, attempt_count, operator_id, route_id, last_error, status_updated_at, processed_at, updated_at
) ON orch.sms_messages TO orch_sink;
GRANT SELECT, INSERT ON orch.dead_letters TO orch_sink;

GRANT SELECT (message_id, enqueued_at, status, dlr_status),
  UPDATE (status, dlr_status, dlr_received_at, processed_at) ON orch.sms_messages TO dlr_svc;

GRANT SELECT, UPDATE (replayed_at, replayed_by) ON orch.dead_letters TO admin_svc;
GRANT INSERT ON orch.outbox TO admin_svc;
GRANT SELECT, INSERT ON orch.admin_actions TO admin_svc;
