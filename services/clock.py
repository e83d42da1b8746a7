"""The clock: the real instant for security and mail, and the business day, which a demo can move forward.

Nothing else in the portal asks the system for the time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

from models import Compiled, Setting

_now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)  # noqa: E731  tests put a frozen one here


DEMO_DAY = Compiled(lambda key: Setting.select(Setting.value).where(Setting.key == key))


def now() -> dt.datetime:
    """This instant, naive UTC, whole seconds."""
    return _now().astimezone(dt.UTC).replace(tzinfo=None, microsecond=0)


def today(zone: ZoneInfo, demo: bool = False) -> dt.date:
    """The business day in the market's time zone; in a demo moved forward by what `move_demo_day` stored."""
    day = _now().astimezone(zone).date()
    moved = DEMO_DAY.rows("demo_day") if demo else []
    return max(day, dt.date.fromisoformat(moved[0][0])) if moved else day


def move_demo_day(to: dt.date, zone: ZoneInfo) -> None:
    """Move the demo's business day. ValueError for a day before the present one: numbers and dates run together."""
    if to < today(zone, demo=True):
        raise ValueError(f"the demo's day can only move forward, not to {to}")
    Setting.insert(key="demo_day", value=to.isoformat()).on_conflict(
        conflict_target=[Setting.key], update={Setting.value: to.isoformat()}
    ).execute()
