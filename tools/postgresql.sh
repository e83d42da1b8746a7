#!/bin/sh
# Runs a command with TEST_DATABASE naming a throw-away PostgreSQL server, or the one TEST_DATABASE names already.
set -eu

[ $# -gt 0 ] || { echo "usage: tools/postgresql.sh COMMAND…" >&2; exit 2; }
if [ -n "${TEST_DATABASE:-}" ]; then
    exec "$@"
fi
servers() { ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1; }
if ! { command -v pg_virtualenv >/dev/null && servers; } && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Debian's PostgreSQL…" >&2
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql postgresql-common; } >/dev/null 2>&1 || true
fi
if ! { command -v pg_virtualenv >/dev/null && servers; }; then
    cat >&2 <<'END'
The tests on PostgreSQL need a server they may use, and none was found. Two ways to give them one:
  1. Debian or Ubuntu: sudo apt-get install postgresql postgresql-common (nothing is left running), or
  2. name a superuser's address on any other: TEST_DATABASE=postgresql://user:password@host/postgres make test-postgres
END
    exit 1
fi
# -t: a cluster in a temporary folder, also for root. It prints its log when the command fails, so the status goes round it
status=$(mktemp)
trap 'rm -f "$status"' EXIT
echo 1 > "$status"
# shellcheck disable=SC2016
pg_virtualenv -t -o max_connections=400 sh -c '
    status=$1; shift
    TEST_DATABASE="postgresql://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/postgres" "$@"
    echo $? > "$status"' sh "$status" "$@"
exit "$(cat "$status")"
