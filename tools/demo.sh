#!/bin/sh
# The demo: its own database and key under instance/, people at every stage, the portal and its worker until Ctrl-C.
# PORT (5000) and PORTAL_MARKET (hu) may be set; each market keeps its own data, `--fresh` starts it over.
set -eu
cd "$(dirname "$0")/.."
umask 077

PORT=${PORT:-5000}
market=${PORTAL_MARKET:-hu}
for name in $(env | sed -n 's/^\(PORTAL_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done # nothing of a real portal
export PORTAL_DEMO=1 PORTAL_MARKET="$market" PORTAL_BASE_URL="http://127.0.0.1:$PORT"
export PORTAL_DATABASE="sqlite:///$PWD/instance/demo-$market.db" PORTAL_SECRET_KEY_FILE="$PWD/instance/secret_key"
export PYTHONUNBUFFERED=1 FLASK_APP=app

case "$PORT" in
    '' | *[!0-9]*) echo "PORT must be a number, such as 5001, not $PORT" >&2; exit 1 ;;
esac
if ! .venv/bin/python -c "import socket; socket.create_server(('127.0.0.1', $PORT)).close()" 2>/dev/null; then
    echo "Port $PORT is taken; choose another one: make demo PORT=5001" >&2
    exit 1
fi
mkdir -p instance
exec 9> "instance/demo-$market.lock" # one portal for each market's data
if ! .venv/bin/python -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null; then
    echo "The demo of this market is running already; stop it first." >&2
    exit 1
fi
if [ "${1:-}" = --fresh ]; then
    rm -f "instance/demo-$market.db" "instance/demo-$market.db-wal" "instance/demo-$market.db-shm"
fi
[ -s "$PORTAL_SECRET_KEY_FILE" ] || .venv/bin/python -c 'import secrets; print(secrets.token_hex(32))' > "$PORTAL_SECRET_KEY_FILE"

.venv/bin/flask setup
.venv/bin/flask demo

stop() {
    trap - INT TERM HUP EXIT
    kill "$server" "$worker" 2>/dev/null || true
    wait 2>/dev/null || true
}
.venv/bin/flask worker &
worker=$!
.venv/bin/granian --interface wsgi --factory app:create_app --host 127.0.0.1 --port "$PORT" \
    --blocking-threads 4 --backpressure 16 --no-ws --log-level warning &
server=$!
trap 'stop; exit 0' INT TERM HUP
trap stop EXIT
echo "The portal is at http://127.0.0.1:$PORT – Ctrl-C stops it."
wait "$server"
