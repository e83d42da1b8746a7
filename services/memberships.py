"""Memberships: the number, the term, and the moves between active, suspended, cancelled and expired.

Writes memberships only; what was paid is the business of services.invoices. Callers hold the transaction.
"""

from __future__ import annotations

import datetime as dt

import segno
from stdnum import luhn

from market import Market, Tier
from models import Account, LegacyAccount, Membership
from services import audit, counters
from services.payments import qr


def tier_of(membership: Membership, market: Market) -> Tier:
    """The tier of a membership. Raises LookupError if the market file dropped a tier that still has members."""
    tier = market.tier(membership.tier)
    if tier is None:
        raise LookupError(f"the market has no tier {membership.tier!r} any more")
    return tier


def next_number(market: Market) -> str:
    """A new membership number such as `CPS-HU-000123-0` (domain.md rule 57): programme, the seller's country, running
    number, and a Luhn digit over it that catches a mistyped number."""
    prefix = f"{market.programme}-{market.seller.country}"
    running = f"{counters.take(f'membership:{prefix}'):06d}"
    return f"{prefix}-{running}-{luhn.calc_check_digit(running)}"


def last_day(start: dt.date) -> dt.date:
    """The last day of a year that begins on `start` (domain.md rule 48)."""
    try:
        again = start.replace(year=start.year + 1)
    except ValueError:  # 29 February
        again = dt.date(start.year + 1, 3, 1)
    return again - dt.timedelta(days=1)


def start(account: Account, tier: Tier, market: Market, today: dt.date, now: dt.datetime) -> Membership:
    """A membership that can be used at once (source document 4), under a new number; the old one stays beside it."""
    return Membership.create(
        account=account,
        number=next_number(market),
        old_number=previous_number(account),
        tier=tier.key,
        starts_on=today,
        ends_on=last_day(today),
        created_at=now,
    )


def previous_number(account: Account) -> str:
    """The account's last number here or, before that, in the old programme; else an empty text."""
    last = latest(account)
    if last:
        return str(last.number)
    legacy = (
        LegacyAccount.select()
        .where(LegacyAccount.claimed_by == account, LegacyAccount.number != "")
        .order_by(LegacyAccount.claimed_at.desc(), LegacyAccount.id.desc())
        .first()
    )
    return str(legacy.number) if legacy else ""


def latest(account: Account) -> Membership | None:
    """The account's newest membership in any state."""
    found: Membership | None = (
        Membership.select().where(Membership.account == account).order_by(Membership.id.desc()).first()
    )
    return found


def number_qr(membership: Membership) -> str:
    """The number as an inline SVG code on the member card, to be read at the counter of a repair centre."""
    return qr.svg(segno.make_qr(membership.number), 72)


def move(membership_id: int, before: tuple[str, ...], after: str, actor: str) -> bool:
    """Change the state if it is one of `before`; says whether it did, so that a repetition does nothing."""
    moved = bool(
        Membership.update(status=after).where(Membership.id == membership_id, Membership.status.in_(before)).execute()
    )
    if moved:
        audit.record(actor, f"membership.{after}", f"membership {membership_id}")
    return moved


def suspend(membership_id: int) -> bool:
    """Unpaid for too long (domain.md rule 65): benefits rest until the money comes."""
    return move(membership_id, ("active",), "suspended", "due")


def reinstate(membership: Membership, actor: str, on: dt.date) -> bool:
    """Paid: a suspended membership is active again at once, and a cancelled one if its term is not over on `on`."""
    others = Membership.running().where(Membership.account == membership.account_id, Membership.id != membership.id)
    if membership.ends_on < on or others.exists():
        return False
    return move(membership.id, ("suspended", "cancelled"), "active", actor)


def cancel(membership_id: int) -> bool:
    """Still unpaid (domain.md rule 65): the membership ends."""
    return move(membership_id, ("active", "suspended"), "cancelled", "due")


def expire(membership_id: int) -> bool:
    """The term is over; nothing renews itself (domain.md rule 49)."""
    return move(membership_id, ("active", "suspended"), "expired", "due")
