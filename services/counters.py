"""Running numbers: each taken inside the transaction that uses it, so that a rollback gives it back; none is lost."""

from __future__ import annotations

from models import Counter, db


def take(name: str) -> int:
    """The next number of a series, from 1. Holds the series' row until the caller's transaction ends: takers queue.

    Raises RuntimeError outside a transaction, where a crash would leave a gap (payments.md 6, Numbering).
    """
    if not db.in_transaction():
        raise RuntimeError(f"a number of {name} can only be taken inside a transaction")
    rows = (
        Counter.insert(name=name, last=1)
        .on_conflict(conflict_target=[Counter.name], update={Counter.last: Counter.last + 1})
        .returning(Counter.last)
        .execute()
    )
    return int(next(iter(rows)).last)
