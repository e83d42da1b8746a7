"""My products: register, complete, edit, remove; the ledger of points they bring; the invitation at the threshold.

Points are a snapshot taken at registration and count once the mandatory data are there (domain.md rules 20, 21, 24).
It reads no form and knows no page; what people type is cleaned by the pure functions at the end.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache

from peewee import JOIN, IntegrityError, fn

from config import Settings
from models import Account, CatalogueItem, PointEvent, Product, User, db
from services import audit, mail

REASONS = ("sold", "lost", "scrapped", "mistake")
EARLIEST = 1987  # the first EOS; nothing older can be registered
COMMON_DEALER = 3  # accounts that name a dealer before others are shown the name: one firm's supplier is its own affair


class NotRegistrable(Exception):
    """There is no such item on offer (domain.md rule 18)."""


class SerialTaken(Exception):
    """The item with this serial number is registered. `own`: on the account's own list; else never says whose."""

    def __init__(self, own: bool) -> None:
        super().__init__("this serial number is registered")
        self.own = own


class Incomplete(Exception):
    """A complete product cannot lose mandatory data: its points are assigned. `missing` names the fields."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(", ".join(missing))
        self.missing = missing


class Gone(Exception):
    """The product was removed meanwhile, for instance in another tab."""


@dataclass(frozen=True, slots=True)
class Details:
    """The mandatory data of a product, cleaned (clean_serial, parse_purchased); None for what is not known yet."""

    serial: str | None = None
    purchased: str | None = None
    approximate: bool = False
    country: str | None = None
    dealer: str | None = None


def register(
    account: Account,
    item_key: str,
    details: Details,
    source: str,
    actor: User | str,
    settings: Settings,
    now: dt.datetime,
) -> Product:
    """Put a unit on the account's list; with all its data it brings its points at once.

    Raises NotRegistrable or SerialTaken.
    """
    item = CatalogueItem.offered().where(CatalogueItem.key == item_key).get_or_none()
    if item is None:
        raise NotRegistrable(item_key)
    with db.atomic():
        lock(account)
        return add(account, item, details, source, actor, settings, now)


def add(
    account: Account,
    item: CatalogueItem,
    details: Details,
    source: str,
    actor: User | str,
    settings: Settings,
    now: dt.datetime,
) -> Product:
    """The part of `register` that a migration shares: inside the caller's transaction, with the account locked."""
    product = Product(
        account=account, item=item, points=item.points, source=source, registered_at=now, **asdict(details)
    )
    save(product)
    audit.record(actor, "product.registered", f"product {product.id}", item=item.key, source=source)
    if not product.missing:
        complete(product, actor, settings, now)
    return product


def edit(product: Product, details: Details, actor: User | str, settings: Settings, now: dt.datetime) -> Product:
    """Complete or correct a product; what was still missing and is now there brings the points.

    The item cannot change, because the points are its snapshot. Raises SerialTaken, Incomplete or Gone.
    """
    with db.atomic():
        lock(product.account)
        fresh = present(product)
        for name, value in asdict(details).items():
            setattr(fresh, name, value)
        if fresh.is_complete and fresh.missing:
            raise Incomplete(fresh.missing)
        save(fresh)
        if not fresh.is_complete and not fresh.missing:
            complete(fresh, actor, settings, now)
    return fresh


def remove(product: Product, reason: str, actor: User | str, now: dt.datetime) -> None:
    """Take a unit off the list; its points go with a ledger line and its serial is free again (domain.md rule 31).

    `reason` is one of REASONS. A running membership is not touched. Raises Gone.
    """
    with db.atomic():
        lock(product.account)
        fresh = present(product)
        fresh.removed_at, fresh.removal_reason = now, reason
        fresh.save()
        if fresh.is_complete:
            PointEvent.create(
                account=fresh.account, product=fresh, delta=-fresh.points, reason="removed", created_at=now
            )
        audit.record(actor, "product.removed", f"product {fresh.id}", reason=reason)


def complete(product: Product, actor: User | str, settings: Settings, now: dt.datetime) -> None:
    """All mandatory data are there: the product brings its points, now and once."""
    product.completed_at = now
    product.save()
    audit.record(actor, "product.completed", f"product {product.id}", points=product.points)
    award(product, settings, now)


def award(product: Product, settings: Settings, now: dt.datetime) -> None:
    """Write the ledger line of a completed product, and invite when it carries the account to the threshold.

    The one place where points rise. Source document 3: at least 500 points → invited; one mail, once.
    """
    account: Account = product.account
    PointEvent.create(account=account, product=product, delta=product.points, reason="completed", created_at=now)
    total = account.points()
    if account.invited_at is None and total >= settings.market.invited_at:
        account.invited_at = now
        account.save()
        owner = User.select().where(User.account == account).order_by(User.id).first()
        if owner:
            mail.queue(
                settings,
                f"invitation:{account.id}",
                "invitation",
                owner.email,
                owner.language,
                company=account.company,
                points=total,
            )


def lock(account: Account) -> None:
    """Let the account's changes run one after another, and see the account as it is now.

    On PostgreSQL two products completed at once would not see each other's points, and nobody would be invited.
    """
    touched = Account.update(invited_at=Account.invited_at).where(Account.id == account.id)
    ((account.invited_at,),) = touched.returning(Account.invited_at).tuples()


def present(product: Product) -> Product:
    """The product as it is in the database now, for the same account object. Raises Gone."""
    fresh: Product | None = Product.of(product.account).where(Product.id == product.id).get_or_none()
    if fresh is None:
        raise Gone(product.id)
    fresh.account = product.account
    return fresh


def save(product: Product) -> None:
    """Write a product; the database decides who registered a serial first. Raises SerialTaken."""
    try:
        with db.atomic():  # a savepoint: after a failure PostgreSQL accepts nothing more in the same transaction
            product.save()
    except IntegrityError as error:
        same_unit = (Product.item == product.item) & (Product.serial == product.serial) & Product.removed_at.is_null()
        holders = Product.select().where(same_unit)
        if not product.serial or not holders.exists():
            raise
        raise SerialTaken(own=holders.where(Product.account == product.account).exists()) from error


def ledger(account: Account) -> list[tuple[PointEvent, int]]:
    """The account's ledger, newest first, each line with the total it led to."""
    events = (
        PointEvent.select(PointEvent, Product, CatalogueItem)
        .join(Product, JOIN.LEFT_OUTER)
        .join(CatalogueItem, JOIN.LEFT_OUTER)
        .where(PointEvent.account == account)
        .order_by(PointEvent.id)
    )
    total = 0
    lines = []
    for event in events:
        total += event.delta
        lines.append((event, total))
    return lines[::-1]


@lru_cache(maxsize=1)
def common_dealers(hour: dt.datetime) -> tuple[str, ...]:
    """The dealers that several accounts name, most named first; read once an hour, because it reads every product."""
    named = (
        Product.select(Product.dealer)
        .where(Product.dealer.is_null(False))
        .group_by(Product.dealer)
        .having(fn.COUNT(Product.account.distinct()) >= COMMON_DEALER)
        .order_by(fn.COUNT(Product.id).desc(), Product.dealer)
        .limit(20)
    )
    return tuple(product.dealer for product in named if product.dealer)


def dealers(own: Iterable[Product], now: dt.datetime) -> list[str]:
    """Dealers to suggest: those of the account's own products, then the common ones."""
    named = [product.dealer for product in own if product.dealer]
    return list(dict.fromkeys([*named, *common_dealers(now.replace(minute=0, second=0))]))


# --- pure: what people type -----------------------------------------------------------------------------------------


def clean_serial(text: str) -> str:
    """The serial number without blanks and dashes, in capitals; an empty text stays empty.

    Raises ValueError unless it is 5 to 14 letters and digits (domain.md 2, serial-number facts).
    """
    serial = re.sub(r"[\s\-\u2010-\u2015]", "", text).upper()
    if serial and not re.fullmatch("[A-Z0-9]{5,14}", serial):
        raise ValueError("not a serial number")
    return serial


def serial_hint(serial: str) -> str:
    """What a clean serial number looks like instead: `barcode`, `date_code`, or an empty text. A hint, no refusal."""
    if re.fullmatch("[0-9]{13}", serial):
        odd, even = sum(map(int, serial[0:12:2])), sum(map(int, serial[1:12:2]))
        return "barcode" if (odd + 3 * even + int(serial[12])) % 10 == 0 else ""
    return "date_code" if re.fullmatch("[A-Z]{1,2}[0-9]{4}[A-Z]?", serial) else ""


class PurchaseDateRefused(ValueError):
    """`code`: `unreadable`, `early` (before EARLIEST) or `future`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def parse_purchased(text: str, today: dt.date) -> str:
    """A purchase date as `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; an empty text stays empty.

    Also reads what Hungarians write: `2024.05.03.`, `2024. 5.`; a year will do (source document 2).
    Raises PurchaseDateRefused.
    """
    text = "".join(text.split())
    if not text:
        return ""
    found = re.fullmatch(r"([0-9]{4})(?:[-./]([0-9]{1,2})(?:[-./]([0-9]{1,2}))?)?\.?", text)
    if not found:
        raise PurchaseDateRefused("unreadable")
    parts = [int(part) for part in found.groups() if part]
    try:
        dt.date(*parts, *[1] * (3 - len(parts)))
    except ValueError as error:
        raise PurchaseDateRefused("unreadable") from error
    if parts[0] < EARLIEST:
        raise PurchaseDateRefused("early")
    if parts > [today.year, today.month, today.day][: len(parts)]:
        raise PurchaseDateRefused("future")
    return "-".join(f"{part:02}" for part in parts)
