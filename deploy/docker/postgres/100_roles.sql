-- One role for each service, with just its rights; run by the image when it makes the database. Running it again
-- gives the roles the passwords of the container's environment:
--   docker compose exec timescaledb psql -U postgres -d carbonflow -f /docker-entrypoint-initdb.d/100_roles.sql
\set ON_ERROR_STOP on
\getenv owner_password DB_OWNER_PASSWORD
\getenv ingest_password DB_INGEST_PASSWORD
\getenv analytics_password DB_ANALYTICS_PASSWORD
\getenv ops_password DB_OPS_PASSWORD
\getenv grafana_password DB_GRAFANA_PASSWORD

BEGIN;

SELECT format('CREATE ROLE %I', role)
FROM unnest(ARRAY['carbonflow_owner', 'carbonflow_ingest', 'carbonflow_analytics', 'carbonflow_ops',
    'carbonflow_grafana']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
\gexec

-- The owner makes tables, views and rights, but neither roles nor databases.
ALTER ROLE carbonflow_owner WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'owner_password';
ALTER ROLE carbonflow_ingest WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'ingest_password';
ALTER ROLE carbonflow_analytics WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'analytics_password';
ALTER ROLE carbonflow_ops WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'ops_password';
ALTER ROLE carbonflow_grafana WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'grafana_password';

-- Readers cannot write even by mistake, and a forgotten dashboard must not hold the database.
ALTER ROLE carbonflow_ops SET default_transaction_read_only = on;
ALTER ROLE carbonflow_ops SET statement_timeout = '60s';
ALTER ROLE carbonflow_ops SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE carbonflow_grafana SET default_transaction_read_only = on;
ALTER ROLE carbonflow_grafana SET statement_timeout = '60s';
ALTER ROLE carbonflow_grafana SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE carbonflow_grafana CONNECTION LIMIT 20;

ALTER DATABASE :"DBNAME" OWNER TO carbonflow_owner;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO carbonflow_ingest, carbonflow_analytics, carbonflow_ops, carbonflow_grafana;
-- Both stage rows in temporary tables.
GRANT TEMPORARY ON DATABASE :"DBNAME" TO carbonflow_ingest, carbonflow_analytics;

COMMIT;
