#!/bin/sh
# Makes .venv with the pinned packages, or leaves it alone when it already has them.
# tools/bootstrap.sh demo (what the portal runs on) | test (the tests' and checks' tools too). PYTHON names another Python.
set -eu
cd "$(dirname "$0")/.."

say() { echo "$*" >&2; }

suitable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        suitable "$PYTHON" && { echo "$PYTHON"; return; }
        say "PYTHON=$PYTHON is not a Python 3.11 or newer."
        exit 1
    fi
    for name in python3 python3.13 python3.12 python3.11 python3.14 python; do
        suitable "$name" && { echo "$name"; return; }
    done
    say "No Python 3.11 or newer was found. Install one, or say where it is: make demo PYTHON=/path/to/python3"
    exit 1
}

make_venv() {
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            say "Installing $package…"
            apt-get update -qq >&2 && apt-get install -y -qq "$package" >&2 || true
        fi
        if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            say "$python lacks its venv module. On Debian or Ubuntu: sudo apt-get install $package"
            exit 1
        fi
    fi
    rm -rf .venv
    "$python" -m venv .venv
}

case "${1:-}" in
    demo) wanted="requirements.txt" ;;
    test) wanted="requirements.txt requirements-dev.txt" ;;
    *) say "usage: tools/bootstrap.sh demo|test"; exit 2 ;;
esac

version() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null || true; }

if ! suitable .venv/bin/python; then
    make_venv
elif [ -n "${PYTHON:-}" ]; then
    asked=$(find_python)
    [ "$(version "$asked")" = "$(version .venv/bin/python)" ] || make_venv
fi
# A stamp with the checksum of what was asked for; a venv that was moved or copied starts over
stamp=.venv/.installed-$1
state=$(cat $wanted | cksum; pwd)
if [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
    exit 0
fi
if [ -e .venv/.installed-demo ] && [ "$(tail -n 1 .venv/.installed-demo)" != "$(pwd)" ]; then
    make_venv
fi
say "Installing the packages…"
for last in $wanted; do :; done
if ! .venv/bin/python -m pip install -qq --disable-pip-version-check -r "$last" >&2; then
    say "The packages could not be installed; see above. A network or a package mirror is needed once."
    exit 1
fi
echo "$state" > "$stamp"
[ "$1" = demo ] || { cat requirements.txt | cksum; pwd; } > .venv/.installed-demo
