"""Fixtures: settings, a fresh migrated database per test on either system, the app, browsers, a frozen clock.

`TEST_DATABASE=postgresql://…` (make test-postgres) runs everything on PostgreSQL: one database per xdist worker.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from peewee import QueryEvent
from werkzeug.test import TestResponse

import cli
import config
import database
import i18n
import models
from services import clock as portal_clock
from tests.page import parse

SERVER = os.environ.get("TEST_DATABASE", "")
SECRET_KEY = "tests-only-" + "x" * 32
FREEZES_AT = dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC)


class MakeSettings(Protocol):
    """settings(market="hu", demo=False, **any field of config.Settings)."""

    def __call__(self, market: str = "hu", demo: bool = False, **fields: Any) -> config.Settings: ...


class MakeApp(Protocol):
    """make_app(market="hu", demo=False, **any field of config.Settings)."""

    def __call__(self, market: str = "hu", demo: bool = False, **fields: Any) -> Flask: ...


@pytest.fixture(scope="session", autouse=True)
def translations() -> None:
    """A fresh clone has no messages.mo, an edited one an old one."""
    cli.compile_translations(i18n.FOLDER)


# --- one empty, migrated database per test ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, made once and copied for each test."""
    path = tmp_path_factory.mktemp("template") / "portal.db"
    made: Any = database.connect(f"sqlite:///{path}")
    database.migrate(made)
    made.pragma("wal_checkpoint(truncate)")
    made.close_all()
    return path


@pytest.fixture(scope="session")
def postgresql_url(worker_id: str) -> Iterator[str]:
    """This worker's own migrated PostgreSQL database, dropped at the end."""
    import psycopg
    from psycopg import sql

    name = f"portal_{worker_id}_{os.getpid()}"
    with psycopg.connect(SERVER, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = f"{SERVER.rpartition('/')[0]}/{name}"
    made: Any = database.connect(url)
    database.migrate(made)
    made.close_all()
    yield url
    with psycopg.connect(SERVER, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def sweep(postgresql_url: str) -> Iterator[Callable[[], None]]:
    """Empties every table, frozen ones too, on one kept connection; far faster than TRUNCATE or a new database."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(postgresql_url, autocommit=True) as server:
        server.execute("SET lock_timeout = '5s'")
        server.execute("SET session_replication_role = replica")  # no triggers, no foreign keys
        tables = [model._meta.table_name for model in models.Base.__subclasses__()]
        emptying = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in tables]
        # ids start at 1 again, as in a fresh SQLite file
        emptying += [sql.SQL("SELECT setval({}, 1, false)").format(sql.Literal(f"{table}_id_seq")) for table in tables]

        def swept() -> None:
            server.execute(sql.SQL("; ").join(emptying))

        yield swept


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where this test's empty database is."""
    if SERVER:
        request.getfixturevalue("sweep")()
        return str(request.getfixturevalue("postgresql_url"))
    path = tmp_path / "portal.db"
    shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def connected(database_url: str) -> Iterator[Any]:
    """This test's database, bound to the models, for tests that need no app."""
    made: Any = database.connect(database_url)
    yield made
    made.close_all()


# --- the app and those who use it ------------------------------------------------------------------------------------


@pytest.fixture
def settings(database_url: str) -> MakeSettings:
    """Makes settings on this test's database: as in production unless `demo`, with mail that goes nowhere."""

    def make(market: str = "hu", demo: bool = False, **fields: Any) -> config.Settings:
        made = config.load(
            {
                "PORTAL_DATABASE": database_url,
                "PORTAL_MARKET": market,
                "PORTAL_DEMO": "1" if demo else "0",
                "PORTAL_SECRET_KEY": SECRET_KEY,
                "PORTAL_BASE_URL": "http://127.0.0.1:5000" if demo else "https://portal.example.hu",
                "PORTAL_SMTP_URL": "" if demo else "smtp://127.0.0.1:9",
            }
        )
        return replace(made, **fields)

    return make


@pytest.fixture
def make_app(settings: MakeSettings) -> Iterator[MakeApp]:
    """Makes the app for other settings than the usual ones: another market, the demo."""
    from app import create_app

    def make(market: str = "hu", demo: bool = False, **fields: Any) -> Flask:
        close_last()
        app = create_app(settings(market, demo, **fields))
        app.config["TESTING"] = True
        app.test_client_class = Browser
        return app

    yield make
    close_last()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """The app as in production, in the Hungarian market."""
    return make_app()


def close_last() -> None:
    """Close the connections of the database the models were bound to last: two apps in one test share one process."""
    if models.db.obj is not None:
        models.db.close_all()


class Browser(FlaskClient):
    """A browser on the portal's own address. It says `Sec-Fetch-Site: same-origin` unless `tells = False`."""

    tells = True

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        if args and isinstance(args[0], str):
            kwargs.setdefault("base_url", self.application.config["PORTAL"].base_url)
            if self.tells:
                kwargs["environ_overrides"] = {
                    "HTTP_SEC_FETCH_SITE": dict(kwargs.get("headers") or {}).get("Sec-Fetch-Site", "same-origin"),
                    **kwargs.get("environ_overrides", {}),
                }
        return super().open(*args, **kwargs)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A visitor's browser."""
    return app.test_client()


@pytest.fixture
def page() -> Callable[[TestResponse], BeautifulSoup]:
    """`page(response)`: the soup, after the house rules were checked."""
    return parse


def htmx(client: FlaskClient, method: str, url: str, target: str, **kwargs: Any) -> TestResponse:
    """The request htmx 4 makes for the element `target`: `htmx(client, "post", "/products/1", "product-1", data=…)`."""
    headers = {"HX-Request": "true", "HX-Target": f"div#{target}", "HX-Request-Type": "partial", "Accept": "text/html"}
    return client.open(url, method=method.upper(), headers={**headers, **kwargs.pop("headers", {})}, **kwargs)


@pytest.fixture(name="htmx")
def htmx_fixture() -> Callable[..., TestResponse]:
    """`htmx(client, method, url, target, **as the client)`."""
    return htmx


# --- what happened, and when -----------------------------------------------------------------------------------------


@pytest.fixture
def queries() -> Callable[[], Any]:
    """`with queries() as seen: …` collects the SQL that was sent, without BEGIN and its kind."""

    @contextmanager
    def counted() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(event: QueryEvent) -> None:
            if event.sql.split(None, 1)[0] not in ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"):
                seen.append(event.sql)

        models.db.query_hooks.append(note)
        try:
            yield seen
        finally:
            models.db.query_hooks.remove(note)

    return counted


class FrozenClock:
    """The portal's clock, standing still until it is moved."""

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def __call__(self) -> dt.datetime:
        return self.at

    def set(self, at: dt.datetime) -> None:
        """Stand at `at`; a naive one is UTC."""
        self.at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)

    def forward(self, **span: float) -> None:
        """`forward(days=30)`; the words of timedelta."""
        self.at += dt.timedelta(**span)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FrozenClock:
    """The portal's clock, frozen at Tuesday 24 November 2026, 09:00 UTC."""
    frozen = FrozenClock(FREEZES_AT)
    monkeypatch.setattr(portal_clock, "_now", frozen)
    return frozen
