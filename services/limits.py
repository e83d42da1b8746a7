"""How often something may be tried: a token bucket per key, in the database, so that all processes count together.

Checked before any work that costs (hashing, mail). Knows no request and no page (server.md c4; DESIGN 6, Limits).
"""

from __future__ import annotations

import math

from peewee import Case

from models import TokenBucket, db


class Refused(Exception):
    """Too many tries. `wait` is the number of whole seconds until the next may succeed; views answer 429."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"too many tries; the next one in {wait:.0f} s")
        self.wait = max(1, math.ceil(wait))


def take(key: str, capacity: int, per_seconds: float, now: float) -> float:
    """Take one token of `key`: 0.0 if there was one, else the seconds until there will be; a refusal costs no token.

    The bucket starts with `capacity` tokens and refills evenly, all of it in `per_seconds`. `now` is epoch seconds.
    Raises RuntimeError inside a transaction: rolled back, the try would not have been counted.
    """
    if db.in_transaction():
        raise RuntimeError("limits.take() must not run inside a transaction")
    rate = capacity / per_seconds
    elapsed = Case(None, [(TokenBucket.updated < now, now - TokenBucket.updated)], 0.0)  # clocks do step back
    refilled = TokenBucket.tokens + elapsed * rate
    full = Case(None, [(refilled > capacity, float(capacity))], refilled)
    taken = (
        TokenBucket.insert(key=key, tokens=capacity - 1.0, updated=now)
        .on_conflict(
            conflict_target=[TokenBucket.key],
            update={TokenBucket.tokens: full - 1.0, TokenBucket.updated: now},
            where=full >= 1.0,
        )
        .as_rowcount()
        .execute()
    )
    if taken:
        return 0.0
    bucket = TokenBucket.get_or_none(TokenBucket.key == key)
    if bucket is None:  # pruned in this very moment: it was full again
        return 1.0 / rate
    return float(max(0.001, (1.0 - bucket.tokens) / rate - max(0.0, now - bucket.updated)))


def prune(now: float, older_than: float = 7 * 86_400.0) -> int:
    """Delete the buckets nobody has taken from for `older_than` seconds (all full by then); returns how many."""
    return int(TokenBucket.delete().where(TokenBucket.updated < now - older_than).execute())


def give_back(key: str) -> None:
    """Return a token of `key`: the try turned out to be right. More than the bucket holds is lost at the next take."""
    TokenBucket.update(tokens=TokenBucket.tokens + 1.0).where(TokenBucket.key == key).execute()
