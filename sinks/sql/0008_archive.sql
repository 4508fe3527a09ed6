-- The archive (spec data.md section 6). A month may be taken more than once: rows that come for it later make a second part.
SET LOCAL ROLE migrator;

ALTER TABLE orch.archive_runs ADD COLUMN part smallint NOT NULL DEFAULT 1 CHECK (part >= 1);
ALTER TABLE orch.archive_runs DROP CONSTRAINT archive_runs_pkey;
ALTER TABLE orch.archive_runs ADD PRIMARY KEY (table_name, month, part);

-- As in 0006_months.sql, but for a month that the archive has taken: a record of its table is kept too, in a partition of
-- that month's own next part. Only of schema dlr, the one that this function's callers write: nobody inserts late into orch.
CREATE OR REPLACE FUNCTION orch.ensure_month(given date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  first_day date := date_trunc('month', given)::date;
  this_month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
  parent record;
  partition text;
  made integer := 0;
BEGIN
  -- Outside of this the record is at fault, and every month more costs every query.
  IF first_day < this_month - interval '24 months' OR first_day > this_month + interval '3 months' THEN
    RETURN 0;
  END IF;
  LOCK TABLE orch.archive_runs IN SHARE ROW EXCLUSIVE MODE;
  FOR parent IN
    SELECT n.nspname AS schema, c.relname AS name, c.relrowsecurity AS secured
    FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('orch', 'dlr') ORDER BY 1, 2
  LOOP
    partition := format('%I.%I', parent.schema, parent.name || to_char(first_day, '_YYYYMM'));
    CONTINUE WHEN to_regclass(partition) IS NOT NULL;
    CONTINUE WHEN parent.schema = 'orch' AND EXISTS (
      SELECT FROM orch.archive_runs WHERE table_name = parent.schema || '.' || parent.name AND month = first_day
    );
    EXECUTE format('CREATE TABLE %s (LIKE %I.%I INCLUDING ALL)', partition, parent.schema, parent.name);
    IF parent.secured THEN
      EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', partition);
      EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', partition);
      EXECUTE format('CREATE POLICY owner_all ON %s TO migrator USING (true) WITH CHECK (true)', partition);
    END IF;
    EXECUTE format(
      'ALTER TABLE %I.%I ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
      parent.schema, parent.name, partition,
      to_char(first_day, 'YYYY-MM-DD') || ' 00:00:00+00',
      to_char(first_day + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00'
    );
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;
