-- Schema dlr (spec data.md section 2), its row-level security (section 4) and its grants (section 5).
SET LOCAL ROLE migrator;

CREATE TABLE dlr.delivery_receipts (
  receipt_id          uuid        NOT NULL,
  message_id          uuid        NOT NULL,
  tenant_id           uuid        NOT NULL,
  account_id          uuid        NOT NULL,
  operator_id         uuid        NOT NULL,
  operator_message_id varchar(64) NOT NULL,
  segment_index       smallint    NOT NULL,
  total_segments      smallint    NOT NULL,
  raw_stat            varchar(32) NOT NULL,
  dlr_status          varchar(16) NOT NULL CHECK (
    dlr_status IN ('DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED', 'UNKNOWN')
  ),
  error_code          varchar(32),
  delivered_at        timestamptz,
  received_at         timestamptz NOT NULL,
  correlated_at       timestamptz NOT NULL,
  applied             boolean     NOT NULL,
  source_addr         text,
  dest_addr           text,
  enqueued_at         timestamptz NOT NULL,
  created_at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (receipt_id, enqueued_at),
  CONSTRAINT uq_delivery_receipts_identity UNIQUE (operator_id, operator_message_id, dlr_status, enqueued_at)
) PARTITION BY RANGE (enqueued_at);
CREATE INDEX ix_delivery_receipts_message_id ON dlr.delivery_receipts (message_id);

CREATE TABLE dlr.segment_dlrs (
  message_id     uuid        NOT NULL,
  segment_index  smallint    NOT NULL,
  total_segments smallint    NOT NULL,
  status         varchar(16) NOT NULL CHECK (
    status IN ('DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED', 'UNKNOWN')
  ),
  received_at    timestamptz NOT NULL,
  tenant_id      uuid        NOT NULL,
  account_id     uuid        NOT NULL,
  error_code     varchar(32),
  enqueued_at    timestamptz NOT NULL,
  PRIMARY KEY (message_id, segment_index, status, enqueued_at)
) PARTITION BY RANGE (enqueued_at);

CREATE TABLE dlr.orphan_dlrs (
  orphan_id           uuid        NOT NULL,
  operator_id         uuid        NOT NULL,
  operator_message_id varchar(64) NOT NULL,
  raw_stat            varchar(32),
  dlr_status          varchar(16) CHECK (
    dlr_status IN ('DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED', 'UNKNOWN')
  ),
  raw_payload         jsonb       NOT NULL,
  received_at         timestamptz NOT NULL,
  resolved_at         timestamptz,
  resolved_receipt_id uuid,
  created_at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (orphan_id, received_at)
) PARTITION BY RANGE (received_at);
CREATE INDEX ix_orphan_dlrs_operator_msg ON dlr.orphan_dlrs (operator_id, operator_message_id);

CREATE VIEW dlr.orphaned_receipts WITH (security_invoker = true) AS
  SELECT orphan_id, operator_message_id, operator_id, raw_stat, raw_payload, received_at, resolved_at,
    resolved_receipt_id
  FROM dlr.orphan_dlrs;

CREATE TABLE dlr.quarantined_dlrs (
  quarantine_id       uuid        NOT NULL,
  operator_id         uuid        NOT NULL,
  operator_message_id varchar(64),
  message_id          uuid,
  payload             jsonb       NOT NULL,
  received_at         timestamptz NOT NULL,
  dlr_timestamp       timestamptz,
  terminal_at         timestamptz,
  fingerprint         text        NOT NULL,
  created_at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (quarantine_id, received_at)
) PARTITION BY RANGE (received_at);
CREATE INDEX ix_quarantined_dlrs_operator_id_received_at ON dlr.quarantined_dlrs (operator_id, received_at);

CREATE TABLE dlr.quarantine_releases (
  quarantine_id uuid        PRIMARY KEY,
  event_id      uuid        NOT NULL,
  outcome       text        NOT NULL CHECK (outcome IN ('late', 'duplicate')),
  released_at   timestamptz NOT NULL
);

CREATE TABLE dlr.late_dlrs (
  late_id             uuid        NOT NULL,
  message_id          uuid,
  operator_id         uuid,
  operator_message_id varchar(64),
  segment_index       smallint,
  raw_stat            varchar(32),
  dlr_status          varchar(16) CHECK (
    dlr_status IN ('DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED', 'UNKNOWN')
  ),
  message_status      varchar(16),
  terminal_at         timestamptz,
  received_at         timestamptz NOT NULL,
  payload             jsonb,
  PRIMARY KEY (late_id, received_at)
) PARTITION BY RANGE (received_at);
CREATE INDEX ix_late_dlrs_message_id ON dlr.late_dlrs (message_id);

CREATE TABLE dlr.audit_log (
  audit_id   uuid        PRIMARY KEY,
  kind       text        NOT NULL CHECK (kind IN ('PARTIAL_TIMEOUT')),
  message_id uuid        NOT NULL,
  tenant_id  uuid        NOT NULL,
  received   integer     NOT NULL,
  expected   integer     NOT NULL,
  at         timestamptz NOT NULL,
  detail     jsonb
);

CREATE TABLE dlr.quarantine_daily (
  day         date    NOT NULL,
  operator_id uuid    NOT NULL,
  receipts    bigint  NOT NULL,
  quarantined bigint  NOT NULL,
  share       numeric NOT NULL,
  flagged     boolean NOT NULL,
  PRIMARY KEY (day, operator_id)
);

ALTER TABLE dlr.segment_dlrs ENABLE ROW LEVEL SECURITY;
ALTER TABLE dlr.segment_dlrs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON dlr.segment_dlrs TO orch_svc
  USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
  WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY owner_all ON dlr.segment_dlrs TO migrator USING (true) WITH CHECK (true);
CREATE POLICY dlr_select ON dlr.segment_dlrs FOR SELECT TO dlr_svc USING (true);
CREATE POLICY dlr_insert ON dlr.segment_dlrs FOR INSERT TO dlr_svc WITH CHECK (true);

GRANT SELECT ON dlr.segment_dlrs TO orch_svc;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA dlr TO dlr_svc;
GRANT SELECT ON dlr.orphan_dlrs, dlr.quarantined_dlrs, dlr.quarantine_releases TO admin_svc;
-- A security_invoker view is read with the reader's own rights, so the reconciliation job also needs the columns that the
-- view shows, and only those.
GRANT SELECT ON dlr.orphaned_receipts TO dlr_recon;
GRANT SELECT (
  orphan_id, operator_message_id, operator_id, raw_stat, raw_payload, received_at, resolved_at, resolved_receipt_id
) ON dlr.orphan_dlrs TO dlr_recon;
