-- Schema smpp (spec data.md section 3) and its grants (section 5). For people: nobody correlates from this table.
SET LOCAL ROLE migrator;

CREATE TABLE smpp.message_correlations (
  id                  uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  message_id          uuid        NOT NULL,
  operator_message_id varchar(64) NOT NULL,
  operator_id         uuid        NOT NULL,
  destination         varchar(20) NOT NULL,
  segment_index       smallint    NOT NULL,
  total_segments      smallint    NOT NULL,
  submitted_at        timestamptz NOT NULL,
  expires_at          timestamptz NOT NULL,
  dlr_received_at     timestamptz,
  status              varchar(20) NOT NULL DEFAULT 'SUBMITTED' CHECK (
    status IN ('SUBMITTED', 'DLR_RECEIVED', 'EXPIRED')
  ),
  CONSTRAINT uq_operator_msg UNIQUE (operator_id, operator_message_id)
);
CREATE INDEX idx_mc_message_id ON smpp.message_correlations (message_id);
CREATE INDEX idx_mc_operator_msg ON smpp.message_correlations (operator_id, operator_message_id);
CREATE INDEX idx_mc_expires_at ON smpp.message_correlations (expires_at) WHERE status = 'SUBMITTED';

GRANT SELECT, INSERT, UPDATE (
  message_id, destination, segment_index, total_segments, submitted_at, expires_at, dlr_received_at, status
) ON smpp.message_correlations TO smpp_svc;
