"""The database: opened from PORTAL_DATABASE, tuned, bound to the models, and brought to the newest schema.

The only module that knows which database it is. It holds no query and no table.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path

from peewee import Database, DataError, InterfaceError, OperationalError, SqliteDatabase
from playhouse import db_url
from playhouse.migrations import Runner
from playhouse.pool import MaxConnectionsExceeded

from config import ConfigError
from models import db

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECTIONS = 64  # as many as the server has threads, and the worker's; a request waits up to WAIT for one
WAIT = 10  # seconds: for a free connection, and for another writer's lock
PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",  # NORMAL lost acknowledged invoices in 2 of 3 power cuts (server.md b2)
    "foreign_keys": 1,
    "recursive_triggers": 1,  # else INSERT OR REPLACE deletes a frozen row behind its trigger's back
    "cache_size": -16_000,  # 16 MB
    "journal_size_limit": 64 << 20,
}
OLDEST = (3, 35)  # RETURNING
SAFE = (3, 51, 3)  # the WAL-reset fix (server.md 0.6)

# What a view may meet of the database, without knowing which one it is (views/errors.py)
UNAVAILABLE = (OperationalError, InterfaceError, MaxConnectionsExceeded)  # locked, full, gone, every connection taken
UNSTORABLE = (DataError,)  # a value no column can hold

log = logging.getLogger("portal.database")


def connect(url: str) -> Database:
    """The pooled database behind `url`, bound to the models; no connection is opened yet.

    `sqlite:///path`, `cysqlite:///path`, `postgresql://user:password@host/name`; `postgres` and `…+pool` mean the same.
    Raises ConfigError for anything else.
    """
    scheme = url.partition("://")[0].removesuffix("+pool")
    if scheme in ("sqlite", "cysqlite"):
        database = connect_sqlite(scheme, url.partition(":///")[2])
    elif scheme in ("postgresql", "postgres"):
        database = connect_postgresql(url)
    else:
        raise ConfigError(
            f"PORTAL_DATABASE must start with sqlite:///, cysqlite:/// or postgresql://, not with {scheme[:20]!r}."
        )
    db.initialize(database)
    return database


def connect_sqlite(driver: str, path: str) -> Database:
    """A SQLite file; `cysqlite` brings a newer SQLite than the system's. `path` is absolute with a leading slash."""
    if not path or path == ":memory:":
        raise ConfigError(
            "PORTAL_DATABASE names no file; write sqlite:////var/lib/portal/portal.db for an absolute path."
        )
    pool = db_url.schemes.get(f"{driver}+pool")
    if pool is None:
        raise ConfigError("PORTAL_DATABASE asks for cysqlite, which is not installed: pip install cysqlite.")
    threads = {"check_same_thread": False} if driver == "sqlite" else {}  # a pool hands connections to other threads
    database: SqliteDatabase = pool(
        path, lock_type="IMMEDIATE", max_connections=CONNECTIONS, timeout=WAIT, pragmas=PRAGMAS, **threads
    )
    database.timeout = WAIT  # the pool keeps `timeout=` to itself: the wait for a lock must be set apart
    if tuple(database.server_version) < OLDEST:
        raise ConfigError("This SQLite is too old: the portal needs 3.35 or newer; use a cysqlite:/// address.")
    return database


def connect_postgresql(url: str) -> Database:
    """PostgreSQL through psycopg 3; %-escapes in the user's name and password are undone."""
    if find_spec("psycopg") is None:
        raise ConfigError("PORTAL_DATABASE asks for PostgreSQL, which needs its driver: pip install 'psycopg[binary]'.")
    scheme, _, rest = url.partition("://")
    try:
        database: Database = db_url.connect(
            f"{scheme.removesuffix('+pool')}+pool://{rest}",
            unquote_password=True,
            unquote_user=True,
            prefer_psycopg3=True,
            max_connections=CONNECTIONS,
            stale_timeout=300,
            timeout=WAIT,
            connect_timeout=WAIT,
        )
    except ValueError:  # no name, or a port that is no number; its message would show the password
        raise ConfigError("PORTAL_DATABASE must look like postgresql://user:password@host:5432/name.") from None
    return database


def migrate(database: Database) -> list[str]:
    """Apply the migrations not yet applied, each in a transaction of its own; returns their names. Safe to repeat."""
    warn_if_unsafe(database)
    if isinstance(database, SqliteDatabase):
        Path(database.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = database.connect(reuse_if_open=True)
    try:
        names: list[str] = Runner(database, str(MIGRATIONS)).up()
        return names
    finally:
        if opened:
            database.close()


def pending(database: Database) -> list[str]:
    """Names of the migrations not yet applied: the commands refuse to work while there are any."""
    opened = database.connect(reuse_if_open=True)
    try:
        return [migration.name for migration in Runner(database, str(MIGRATIONS)).status() if not migration.applied]
    finally:
        if opened:
            database.close()


def warn_if_unsafe(database: Database) -> None:
    """One warning, for those who start the portal, about SQLite's WAL-reset bug (very rare, needs two processes)."""
    if isinstance(database, SqliteDatabase) and tuple(database.server_version) < SAFE:
        version = ".".join(map(str, database.server_version))
        log.warning(
            "SQLite %s has a very rare bug that can damage the file when two processes write (fixed in 3.51.3);"
            " in production use a cysqlite:/// address or PostgreSQL.",
            version,
        )


def statements(path: Path) -> list[str]:
    """The statements of a frozen .sql file: they are parted by empty lines, and comment lines are left out."""
    text = "\n".join(line for line in path.read_text("utf-8").splitlines() if not line.startswith("--"))
    return [statement.strip() for statement in text.split("\n\n") if statement.strip()]
