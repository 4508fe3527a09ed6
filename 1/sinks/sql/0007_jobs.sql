-- When each scheduled job last succeeded. The row is also the lock of its job: only migrator can hold it.
SET LOCAL ROLE migrator;

CREATE TABLE orch.job_runs (
  job          text        PRIMARY KEY,
  succeeded_at timestamptz,
  failed_at    timestamptz
);
