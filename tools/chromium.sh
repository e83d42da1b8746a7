#!/bin/sh
# Prints the path of a Chromium that runs, installing one if need be; CHROMIUM names another one.
set -eu
cd "$(dirname "$0")/.."

runs() { [ -n "$1" ] && "$1" --version >/dev/null 2>&1; }

installed() {
    for name in ${CHROMIUM:-} chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" /Applications/Chromium.app/Contents/MacOS/Chromium; do
        path=$(command -v "$name" 2>/dev/null || true)
        runs "$path" && { echo "$path"; return 0; }
    done
    return 1
}

playwrights() {
    path=$(.venv/bin/python -c '
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    print(p.chromium.executable_path)' 2>/dev/null || true)
    runs "$path" && echo "$path"
}

installed && exit 0
playwrights && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Debian's Chromium…" >&2
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || true
    installed && exit 0
fi
echo "Installing Playwright's Chromium…" >&2
.venv/bin/playwright install chromium >&2 || true
playwrights && exit 0
cat >&2 <<'END'
The browser tests need Chromium, and none was found. Three ways to get it:
  1. install Chromium or Google Chrome for this machine (Debian: sudo apt-get install chromium), or
  2. sudo .venv/bin/playwright install --with-deps chromium, or
  3. say where one is: make test CHROMIUM=/path/to/chromium
END
exit 1
