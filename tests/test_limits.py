"""The token bucket: capacity, refill by a frozen clock, many threads at once. Runs on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from peewee import Database

from models import TokenBucket
from services import limits

NOON = 1_795_000_000.0
HOUR = 3600.0


@pytest.fixture(autouse=True)
def on(connected: Database) -> Database:
    return connected


def test_the_capacity_and_not_one_more() -> None:
    assert [limits.take("login:anna", 3, HOUR, NOON) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limits.take("login:anna", 3, HOUR, NOON) == pytest.approx(HOUR / 3)


def test_keys_do_not_share() -> None:
    assert limits.take("login:anna", 1, HOUR, NOON) == 0.0
    assert limits.take("login:bela", 1, HOUR, NOON) == 0.0


def test_refills_evenly_and_the_wait_is_true() -> None:
    for _ in range(3):
        limits.take("k", 3, HOUR, NOON)
    wait = limits.take("k", 3, HOUR, NOON + 300)
    assert wait == pytest.approx(HOUR / 3 - 300)
    assert limits.take("k", 3, HOUR, NOON + 300 + wait - 1) > 0
    assert limits.take("k", 3, HOUR, NOON + 300 + wait + 0.01) == 0.0
    assert limits.take("k", 3, HOUR, NOON + 300 + wait + 0.02) > 0


def test_never_fuller_than_full() -> None:
    limits.take("k", 2, HOUR, NOON)
    assert [limits.take("k", 2, HOUR, NOON + 50 * HOUR) == 0.0 for _ in range(3)] == [True, True, False]


def test_a_refusal_costs_nothing() -> None:
    limits.take("k", 1, HOUR, NOON)
    for second in range(0, 3000, 100):
        assert limits.take("k", 1, HOUR, NOON + second) > 0
    assert limits.take("k", 1, HOUR, NOON + HOUR + 1) == 0.0


def test_a_clock_that_steps_back_neither_fills_nor_locks() -> None:
    limits.take("k", 2, HOUR, NOON)
    assert limits.take("k", 2, HOUR, NOON - 5 * HOUR) == 0.0
    assert 0 < limits.take("k", 2, HOUR, NOON - 5 * HOUR) <= HOUR


def test_not_inside_a_transaction(on: Database) -> None:
    with on.atomic(), pytest.raises(RuntimeError):
        limits.take("k", 1, HOUR, NOON)


def test_prune_forgets_only_the_long_unused() -> None:
    limits.take("old", 1, HOUR, NOON - 8 * 86_400)
    limits.take("new", 1, HOUR, NOON)
    assert limits.prune(NOON) == 1
    assert [bucket.key for bucket in TokenBucket.select()] == ["new"]


def test_refused_rounds_up() -> None:
    assert limits.Refused(0.2).wait == 1
    assert limits.Refused(61.2).wait == 62


def test_eight_threads_take_exactly_the_capacity(on: Database) -> None:
    def hammer(_: int) -> int:
        with on.connection_context():
            return sum(limits.take("k", 20, HOUR, NOON) == 0.0 for _ in range(25))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(hammer, range(8))) == 20
