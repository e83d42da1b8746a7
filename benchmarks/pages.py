"""Bytes, SQL queries and CPU of the pages, in process, against a bare Flask hello (DESIGN 7).

    .venv/bin/python benchmarks/pages.py

Prints a table; compare ratios, not absolute times: the machine is whatever it is.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import brotli
from flask import Flask
from flask.testing import FlaskClient

ROUNDS = 300
PAGES = [
    ("/", None), ("/points", None), ("/faq", None), ("/login", None), ("/account/new", None),
    ("/", "erika"), ("/products", "erika"), ("/tiers", "erika"), ("/tiers?corporate=on", "erika"),
    ("/tiers/gold/join", "erika"), ("/membership", "ferenc"), ("/invoices", "ferenc"), ("/account", "ferenc"),
]  # fmt: skip


def cpu(call: Callable[[], object]) -> float:
    """Microseconds of CPU for one call: the best of five runs of ROUNDS."""
    runs = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(ROUNDS):
            call()
        runs.append((time.process_time() - start) / ROUNDS * 1e6)
    return min(runs)


def hello() -> float:
    app = Flask("hello")
    app.add_url_rule("/", view_func=lambda: "Hello, World!")
    client = app.test_client(use_cookies=False)
    return cpu(lambda: client.get("/").data)


def main() -> None:
    import config
    from app import create_app

    with tempfile.TemporaryDirectory() as folder:
        settings = config.load(
            {"PORTAL_DEMO": "1", "PORTAL_SECRET_KEY": "x" * 32, "PORTAL_DATABASE": f"sqlite:///{folder}/portal.db"}
        )
        app = create_app(settings)
        for command in ("setup", "demo"):
            app.test_cli_runner().invoke(args=[command], catch_exceptions=False)
        base = hello()
        print(f"Flask hello: {base:.0f} us CPU")
        print(f"{'page':28}{'who':8}{'raw B':>8}{'br B':>8}{'SQL':>5}{'us CPU':>8}{'x hello':>9}")
        for path, person in PAGES:
            print(measure(app, path, person, base))


def measure(app: Flask, path: str, person: str | None, base: float) -> str:
    from models import db

    client: FlaskClient = app.test_client()
    if person:
        client.post(f"/demo/people/{person}", headers={"Sec-Fetch-Site": "same-origin"})
    statements: list[object] = []
    db.query_hooks.append(statements.append)
    answer = client.get(path)
    db.query_hooks.remove(statements.append)
    assert answer.status_code == 200, (path, answer.status_code)
    size = len(brotli.compress(answer.data, quality=5, lgwin=16))
    took = cpu(lambda: client.get(path).data)
    return f"{path:28}{person or '':8}{len(answer.data):8}{size:8}{len(statements):5}{took:8.0f}{took / base:9.1f}"


if __name__ == "__main__":
    main()
