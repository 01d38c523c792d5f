#!/usr/bin/env bash
# What the Postgres of compose.yaml does once, when it makes its cluster: a database for Freshet, and a role that owns that
# database and has no rights beyond it. The password is in the file $FRESHET_PASSWORD_FILE, and on no command line.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set password `cat "$FRESHET_PASSWORD_FILE"`
CREATE ROLE freshet LOGIN PASSWORD :'password';
CREATE DATABASE freshet OWNER freshet;
SQL
