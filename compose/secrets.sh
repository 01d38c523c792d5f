#!/usr/bin/env bash
# Makes the passwords of compose.yaml in the directory $1, once. They are random, and nobody need know them: each is in a
# file of the user who reads it, in a directory that nobody else may enter.
set -euo pipefail
umask 077
cd "$1"
password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

mkdir -p postgres freshet
[[ -e freshet/cluster ]] || password >freshet/cluster
chown -R 10001:10001 freshet
[[ ! -e made ]] || exit 0

freshet=$(password)
password >postgres/superuser
printf '%s' "$freshet" >postgres/freshet
printf 'postgres://freshet:%s@postgres:5432/freshet' "$freshet" >freshet/database_url
# Those of the images: users cannot be looked up by name from another container.
chown -R 999:999 postgres
chown -R 10001:10001 freshet
touch made
