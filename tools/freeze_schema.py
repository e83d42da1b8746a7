"""Writes migrations/0001_initial.{sqlite,postgresql}.sql from models.py, triggers included; no server is needed.

`python tools/freeze_schema.py` until the first release; afterwards 0001 is history, and changes go into new migrations.
It must not touch any database.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import peewee  # noqa: E402
from peewee import Database, Model, PostgresqlDatabase, SqliteDatabase  # noqa: E402

import models  # noqa: E402

MIGRATIONS = ROOT / "migrations"
APPEND_ONLY = "the audit log is append-only"
FROZEN = "an issued invoice is frozen; correct it by a credit note"

HEADER = """\
-- Frozen from models.py by tools/freeze_schema.py. Statements are parted by empty lines.
-- Once released this file never changes: a change of the schema is a new migration.
"""

SQLITE_TRIGGERS = """\
CREATE TRIGGER audit_event_update BEFORE UPDATE ON audit_event
BEGIN SELECT RAISE(ABORT, '{append_only}'); END

CREATE TRIGGER audit_event_delete BEFORE DELETE ON audit_event
BEGIN SELECT RAISE(ABORT, '{append_only}'); END

CREATE TRIGGER invoice_update BEFORE UPDATE OF
{columns}
ON invoice
BEGIN SELECT RAISE(ABORT, '{frozen}'); END

CREATE TRIGGER invoice_delete BEFORE DELETE ON invoice
BEGIN SELECT RAISE(ABORT, '{frozen}'); END"""

# restrict_violation makes it an IntegrityError in Python, as RAISE(ABORT) is on SQLite
POSTGRESQL_TRIGGERS = """\
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'restrict_violation'; END
$$

CREATE TRIGGER audit_event_change BEFORE UPDATE OR DELETE ON audit_event
FOR EACH ROW EXECUTE FUNCTION refuse('{append_only}')

CREATE TRIGGER audit_event_truncate BEFORE TRUNCATE ON audit_event
FOR EACH STATEMENT EXECUTE FUNCTION refuse('{append_only}')

CREATE TRIGGER invoice_update BEFORE UPDATE OF
{columns}
ON invoice
FOR EACH ROW EXECUTE FUNCTION refuse('{frozen}')

CREATE TRIGGER invoice_delete BEFORE DELETE ON invoice
FOR EACH ROW EXECUTE FUNCTION refuse('{frozen}')

CREATE TRIGGER invoice_truncate BEFORE TRUNCATE ON invoice
FOR EACH STATEMENT EXECUTE FUNCTION refuse('{frozen}')"""


class SqliteRecorder(SqliteDatabase):
    """Notes the statements instead of running them."""

    log: list[str]

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        self.log.append(sql)


class PostgresqlRecorder(PostgresqlDatabase):
    """As above, in PostgreSQL's dialect."""

    log: list[str]

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        self.log.append(sql)


def tables() -> list[type[Model]]:
    """Every table of models.py, those it refers to first."""
    found: list[type[Model]] = peewee.sort_models(models.Base.__subclasses__())  # type: ignore[attr-defined]
    return found


def recorded(database: Any) -> list[str]:
    """What `create_tables` would send to `database`, one clause a line."""
    database.log = []
    bound: Database = database
    with bound.bind_ctx(tables()):
        bound.create_tables(tables(), safe=False)
    return [lines(sql) for sql in database.log]


def lines(sql: str) -> str:
    """A CREATE TABLE with a column or constraint per line, so that a difference can be read."""
    if not sql.startswith("CREATE TABLE"):
        return sql.replace(" IF NOT EXISTS", "")
    head, _, body = sql.partition(" (")
    parts, depth, start = [], 0, 0
    for place, character in enumerate(body):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if (character == "," and depth == 0) or depth < 0:
            parts.append(body[start:place].strip())
            start = place + 1
    return head + " (\n  " + ",\n  ".join(parts) + "\n)"


def frozen_columns() -> str:
    """The invoice's columns that its trigger guards: all but INVOICE_MUTABLE."""
    columns = [field.column_name for field in models.Invoice._meta.sorted_fields]
    unknown = set(models.INVOICE_MUTABLE) - set(columns)
    if unknown:
        raise SystemExit(f"INVOICE_MUTABLE names columns the invoice does not have: {', '.join(sorted(unknown))}")
    return ",\n".join(f'  "{column}"' for column in columns if column not in models.INVOICE_MUTABLE)


def frozen(dialect: str) -> str:
    """The whole text of one dialect's file."""
    database = SqliteRecorder(":memory:") if dialect == "sqlite" else PostgresqlRecorder("none", prefer_psycopg3=True)
    triggers = SQLITE_TRIGGERS if dialect == "sqlite" else POSTGRESQL_TRIGGERS
    text = triggers.format(append_only=APPEND_ONLY, frozen=FROZEN, columns=frozen_columns())
    return HEADER + "\n" + "\n\n".join([*recorded(database), text]) + "\n"


def main() -> None:
    """Write both files, unless a later migration shows that 0001 is history."""
    later = [path.name for path in MIGRATIONS.glob("[0-9]*.py") if not re.match("0001_", path.name)]
    if later:
        raise SystemExit(f"0001 is history since {min(later)}: write a new migration instead.")
    for dialect in ("sqlite", "postgresql"):
        path = MIGRATIONS / f"0001_initial.{dialect}.sql"
        path.write_text(frozen(dialect), "utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
