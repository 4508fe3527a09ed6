-- The tables that the log is projected onto (spec data.md). Each numbered file runs once, in one transaction; an applied file
-- is never edited, a change is a new file.
--
-- They guarantee: a service role can do what data.md section 5 lists and nothing else, a tenant never sees another tenant's
-- row, and no role of a service owns, drops, truncates or alters anything.
-- They never hold a password: production sets one for each role it uses, outside of migrations.

-- Roles belong to the cluster, databases share them. Two databases may be migrated at the same time, and IF NOT EXISTS does
-- not exist for roles, so the loser of the race takes what the winner has made.
DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY[
    'migrator', 'orch_svc', 'orch_relay', 'orch_sink', 'dlr_svc', 'smpp_svc', 'admin_svc', 'dlr_recon'
  ] LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
        EXECUTE format(
          'CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS',
          role_name
        );
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- Another database of this cluster has just created it.
    END;
  END LOOP;
END
$$;

-- A role that was made by hand must not undermine row-level security.
DO $$
BEGIN
  IF EXISTS (
    SELECT FROM pg_catalog.pg_roles
    WHERE rolname IN (
      'migrator', 'orch_svc', 'orch_relay', 'orch_sink', 'dlr_svc', 'smpp_svc', 'admin_svc', 'dlr_recon'
    ) AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)
  ) THEN
    RAISE EXCEPTION 'a role of data.md section 5 exists with more rights than it may have';
  END IF;
  IF NOT pg_catalog.pg_has_role(current_user, 'migrator', 'MEMBER') THEN
    EXECUTE format('GRANT migrator TO %I', current_user);
  END IF;
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format(
    'GRANT CONNECT ON DATABASE %I TO
       migrator, orch_svc, orch_relay, orch_sink, dlr_svc, smpp_svc, admin_svc, dlr_recon',
    current_database()
  );
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON public.schema_migrations FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO migrator;
GRANT SELECT, INSERT ON public.schema_migrations TO migrator;

CREATE SCHEMA orch AUTHORIZATION migrator;
CREATE SCHEMA dlr AUTHORIZATION migrator;
CREATE SCHEMA smpp AUTHORIZATION migrator;

-- PostgreSQL lets everybody execute a new function; nothing here is for everybody.
ALTER DEFAULT PRIVILEGES FOR ROLE migrator REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA orch TO orch_svc, orch_relay, orch_sink, dlr_svc, admin_svc;
GRANT USAGE ON SCHEMA dlr TO orch_svc, dlr_svc, admin_svc, dlr_recon;
GRANT USAGE ON SCHEMA smpp TO smpp_svc;
