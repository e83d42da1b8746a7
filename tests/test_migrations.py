"""The schema: migrations make what the models say, twice is once, failing leaves nothing, triggers bite."""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peewee import Database, Field, IntegrityError, OperationalError, SqliteDatabase

import database
import models
from config import ConfigError
from models import Account, AuditEvent, Invoice, Membership
from tests.conftest import SERVER
from tools import freeze_schema

HISTORY = "schema_migration"
CONSTRAINTS = """
    SELECT c.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE c.relnamespace = 'public'::regnamespace"""
COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'public'"""


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Any]:
    """A database without a single table."""
    if not SERVER:
        made: Any = database.connect(f"sqlite:///{tmp_path}/empty.db")
        yield made
        made.close_all()
        return
    import psycopg

    name = f"portal_empty_{os.getpid()}"
    with psycopg.connect(SERVER, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")
        made = database.connect(f"{SERVER.rpartition('/')[0]}/{name}")
        yield made
        made.close_all()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def schema(db: Database) -> set[tuple[str, ...]]:
    """All there is but triggers and the history, as text."""
    if isinstance(db, SqliteDatabase):
        rows = db.execute_sql("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type <> 'trigger'").fetchall()
    else:
        rows = [row for query in (CONSTRAINTS, COLUMNS) for row in db.execute_sql(query).fetchall()]
        rows += db.execute_sql("SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'").fetchall()
    return {tuple(plain(str(cell)) for cell in row) for row in rows if not any(HISTORY in str(cell) for cell in row)}


def plain(sql: str) -> str:
    return re.sub(r" ?([(),]) ?", r"\1", re.sub(r"\s+", " ", sql))


def test_migrations_make_what_the_models_say(connected: Database, empty: Database) -> None:
    migrated = schema(connected)
    empty.create_tables(models.Base.__subclasses__())
    assert schema(empty) == migrated
    assert len([row for row in migrated if "CHECK" in str(row)]) > 10
    assert len([row for row in migrated if "WHERE" in str(row)]) >= 4  # partial indexes


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_frozen_file_is_what_the_tool_writes(dialect: str) -> None:
    if len(list(database.MIGRATIONS.glob("[0-9]*.py"))) > 1:
        pytest.skip("0001 is history: later migrations carry the changes")
    path = database.MIGRATIONS / f"0001_initial.{dialect}.sql"
    assert path.read_text("utf-8") == freeze_schema.frozen(dialect), "run: python tools/freeze_schema.py"


def test_running_twice_is_a_no_op(empty: Database) -> None:
    names = sorted(path.stem for path in database.MIGRATIONS.glob("[0-9]*.py"))
    assert database.pending(empty) == names
    assert database.migrate(empty) == names
    before = schema(empty)
    assert database.migrate(empty) == []
    assert database.pending(empty) == []
    assert schema(empty) == before


def test_a_failing_migration_leaves_no_trace(empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database.migrate(empty)
    before = schema(empty)
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in database.MIGRATIONS.glob("0*"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "0099_breaks.py").write_text(
        "def up(migrator, db):\n"
        "    db.execute_sql('CREATE TABLE half (id INTEGER)')\n"
        "    db.execute_sql('ALTER TABLE account ADD COLUMN half TEXT')\n"
        "    raise RuntimeError('no')\n"
    )
    monkeypatch.setattr(database, "MIGRATIONS", folder)
    with pytest.raises(RuntimeError, match="no"):
        database.migrate(empty)
    assert schema(empty) == before
    assert database.pending(empty) == ["0099_breaks"]


# --- triggers --------------------------------------------------------------------------------------------------------


@pytest.fixture
def invoice(connected: Database) -> Invoice:
    """An issued invoice of 127 000 HUF."""
    now, today = dt.datetime(2026, 11, 24, 9), dt.date(2026, 11, 24)
    address = {"street": "Fő utca 1.", "postcode": "1011", "city": "Budapest"}
    account = Account.create(company="Anna Fotó Kft.", country="HU", created_at=now, **address)
    term = {"starts_on": today, "ends_on": today + dt.timedelta(364)}
    membership = Membership.create(account=account, number="CPS-1", tier="silver", created_at=now, **term)
    made: Invoice = Invoice.create(
        number="CPS-2026-000001", account=account, membership=membership, method="transfer", currency="HUF",
        net=100_000, vat=27_000, gross=127_000, vat_category="S", vat_rate=27, issued_on=today, due_on=today,
        dunned_from=today,
        period_from=today, period_to=today, reference="RF18000001", seller={}, buyer={}, lines=[],
    )  # fmt: skip
    return made


def test_what_may_change_on_an_invoice_changes(invoice: Invoice) -> None:
    day = dt.date(2026, 12, 1)
    Invoice.update(status="paid", paid=127_000, paid_on=day, method="card", card=None).execute()
    assert Invoice.get_by_id(invoice.id).paid == 127_000


FROZEN = [field for field in Invoice._meta.sorted_fields if field.column_name not in models.INVOICE_MUTABLE]


@pytest.mark.parametrize("field", FROZEN, ids=lambda field: str(field.name))
def test_no_other_column_of_an_invoice_changes(invoice: Invoice, field: Field) -> None:
    same = getattr(invoice, field.column_name)
    with pytest.raises(IntegrityError, match="frozen"):
        Invoice.update({field: same}).execute()


def test_an_invoice_is_not_deleted_nor_replaced(invoice: Invoice, connected: Database) -> None:
    with pytest.raises(IntegrityError, match="frozen"):
        invoice.delete_instance()
    columns = ", ".join(f'"{field.column_name}"' for field in Invoice._meta.sorted_fields)
    again = "INSERT OR REPLACE" if isinstance(connected, SqliteDatabase) else "TRUNCATE invoice CASCADE --"
    with pytest.raises(IntegrityError, match="frozen"):
        connected.execute_sql(f"{again} INTO invoice ({columns}) SELECT {columns} FROM invoice")
    assert Invoice.select().count() == 1


def test_the_audit_log_only_grows(connected: Database) -> None:
    event = AuditEvent.create(at=dt.datetime(2026, 11, 24), action="test")
    with pytest.raises(IntegrityError, match="append-only"):
        AuditEvent.update(action="nothing happened").execute()
    with pytest.raises(IntegrityError, match="append-only"):
        event.delete_instance()
    assert [row.action for row in AuditEvent.select()] == ["test"]


# --- the connection --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(bool(SERVER), reason="about SQLite")
def test_sqlite_is_tuned(connected: Any) -> None:
    settings = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "recursive_triggers")
    assert [connected.pragma(name) for name in settings] == ["wal", 2, 1, 10_000, 1]


@pytest.mark.skipif(bool(SERVER), reason="about SQLite")
def test_second_writer_waits_at_begin(connected: Any) -> None:
    other: Any = database.connect(f"sqlite:///{connected.database}")
    other.timeout = 0.1
    with connected.atomic(), pytest.raises(OperationalError, match="locked"):
        other.begin()
    other.close_all()


@pytest.mark.skipif(bool(SERVER), reason="about SQLite")
def test_old_sqlite_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteDatabase, "server_version", (3, 51, 2))
    with caplog.at_level(logging.WARNING):
        made: Any = database.connect(f"sqlite:///{tmp_path}/new/folder/portal.db")
        assert not caplog.messages
        database.migrate(made)
    made.close_all()
    assert [message[:13] for message in caplog.messages] == ["SQLite 3.51.2"]
    assert (tmp_path / "new/folder").stat().st_mode & 0o077 == 0
    monkeypatch.setattr(SqliteDatabase, "server_version", (3, 34, 1))
    with pytest.raises(ConfigError, match="too old"):
        database.connect(f"sqlite:///{tmp_path}/old.db")


@pytest.mark.parametrize(
    "url",
    ["mysql://root@localhost/x", "sqlite://", "sqlite:///", "sqlite:///:memory:", "portal.db", "", "postgresql://host"],
)
def test_other_addresses_are_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^PORTAL_DATABASE [^\n]+\.$"):
        database.connect(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+pool"])
def test_postgresql_address(scheme: str) -> None:
    made = database.connect(f"{scheme}://us%40er:p%40ss%2Fword@db.example.hu:6543/portal")
    wanted = {"user": "us@er", "password": "p@ss/word", "host": "db.example.hu", "port": 6543}
    assert type(made).__name__ == "PooledPostgresqlDatabase"
    assert made.database == "portal"
    assert made.connect_params | wanted == made.connect_params


def test_plain_sqlite_is_pooled_and_paths_are_kept(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/a b#1.db", f"sqlite+pool:///{tmp_path}/a b#1.db"):
        made = database.connect(url)
        assert type(made).__name__ == "PooledSqliteDatabase"
        assert made.database == f"{tmp_path}/a b#1.db"
