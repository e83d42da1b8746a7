"""The first schema: tables, indexes, constraints, and the triggers that keep invoices and the audit log as they are."""

from pathlib import Path
from typing import Any

from peewee import Database, SqliteDatabase

from database import statements


def up(migrator: Any, db: Database) -> None:
    """Run the frozen statements of this database's dialect."""
    dialect = "sqlite" if isinstance(db, SqliteDatabase) else "postgresql"
    for statement in statements(Path(__file__).with_suffix(f".{dialect}.sql")):
        db.execute_sql(statement)
