"""Moving products over from an account of the old programme (source document 1; DESIGN promise 4).

Nothing of an old account is shown or moved before its e-mail address is proved: else anybody could take another firm's
equipment by typing its address. Moving twice changes nothing. It reads no form and knows no page.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections import Counter
from dataclasses import dataclass
from typing import Any

from email_validator import EmailNotValidError, validate_email
from peewee import JOIN

from config import Settings
from models import MANDATORY, Account, CatalogueItem, LegacyAccount, LegacyProduct, MailLink, Product, User, db
from services import audit, limits, mail, products
from services.catalogue import ImportReport, ImportRow, RowRefused, read_rows
from services.sessions import digest

HEADER = ("email", "number", "line", "item", "serial", "purchased", "country", "dealer")
PROOF_LIFE = dt.timedelta(days=7)
PROOFS_PER_HOUR = 3


class NotProved(Exception):
    """The old address has not been proved to be the customer's."""


class NothingToMove(Exception):
    """No old account waits under the account's old address."""


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A product of the old account: `moved` (with its points), `incomplete` (moved, data missing), `taken`, `owned`."""

    name: str
    serial: str | None
    verdict: str
    points: int
    missing: tuple[str, ...] = ()


def candidate(account: Account) -> LegacyAccount | None:
    """The old account whose products wait to be moved; None without an old address, a match or anything to move."""
    if not account.old_email:
        return None
    found: LegacyAccount | None = (
        LegacyAccount.select()
        .join(LegacyProduct)
        .where(
            LegacyAccount.email == account.old_email,
            LegacyAccount.claimed_by.is_null() | (LegacyAccount.claimed_by == account),
            LegacyProduct.outcome.is_null(),
        )
        .first()
    )
    return found


def waiting(legacy: LegacyAccount) -> int:
    """How many products of the old account have not been moved yet."""
    return LegacyProduct.select().where(LegacyProduct.legacy_account == legacy, LegacyProduct.outcome.is_null()).count()


def has_moved(account: Account) -> bool:
    """Whether an old account became this account's already."""
    return bool(account.old_email) and LegacyAccount.select().where(LegacyAccount.claimed_by == account).exists()


def needs_proof(account: Account, user: User) -> bool:
    """Whether the old address must be proved first; not if it is the log-in address, which a mail proved already."""
    return account.old_email != user.email and account.old_email_proved_at is None


# --- proof of the old address ---------------------------------------------------------------------------------------


def request_proof(account: Account, user: User, settings: Settings, now: dt.datetime) -> None:
    """Mail a single-use link to the old address; a newer link ends the older ones.

    Raises NothingToMove, so that no mail goes to an address without an old account, or limits.Refused (3 an hour).
    """
    if candidate(account) is None:
        raise NothingToMove(account.id)
    wait = limits.take(f"old-email-proof:{account.id}", PROOFS_PER_HOUR, 3600, now.replace(tzinfo=dt.UTC).timestamp())
    if wait:
        raise limits.Refused(wait)
    token = secrets.token_urlsafe(32)
    with db.atomic():
        MailLink.delete().where(
            MailLink.user == user, MailLink.purpose == "old_email", MailLink.used_at.is_null()
        ).execute()
        MailLink.create(
            token_hash=digest(token),
            purpose="old_email",
            user=user,
            email=account.old_email,
            created_at=now,
            expires_at=now + PROOF_LIFE,
        )
        mail.queue(
            settings,
            f"old-email-proof:{digest(token)}",  # not the id: SQLite gives those of deleted links again
            "old-email-proof",
            account.old_email,
            user.language,
            company=account.company,
            link=f"{settings.base_url}/products/migration/proof/{token}",
            days=PROOF_LIFE.days,
        )
        audit.record(user, "old_email.asked", f"account {account.id}")


def proof(token: str, now: dt.datetime) -> MailLink | None:
    """The proof link of a token, open or used; None if unknown, expired, or if the account's old address changed."""
    found: MailLink | None = (
        MailLink.select(MailLink, User, Account)
        .join(User)
        .join(Account)
        .where(
            MailLink.token_hash == digest(token),
            MailLink.purpose == "old_email",
            MailLink.used_at.is_null(False) | (MailLink.expires_at > now),
            MailLink.email == Account.old_email,
        )
        .get_or_none()
    )
    return found


def prove(link: MailLink, now: dt.datetime) -> None:
    """The old address is the customer's. A second press changes nothing."""
    account = link.user.account
    with db.atomic():
        if account:
            products.lock(account)  # as set_old_email does, or PostgreSQL finds a deadlock
        used = MailLink.update(used_at=now).where(MailLink.id == link.id, MailLink.used_at.is_null()).execute()
        if used and account:
            still = (Account.id == account.id) & (Account.old_email == link.email)
            Account.update(old_email_proved_at=now).where(still).execute()
            audit.record(link.user, "old_email.proved", f"account {account.id}")


# --- preview, move, report ------------------------------------------------------------------------------------------


def preview(account: Account) -> list[MoveRow]:
    """What moving would do to each product that waits, as far as one can tell now. Show it only after the proof."""
    legacy = candidate(account)
    if legacy is None:
        return []
    waits = (
        LegacyProduct.select(LegacyProduct, CatalogueItem, Product)
        .join(CatalogueItem)
        .join_from(
            LegacyProduct,
            Product,
            JOIN.LEFT_OUTER,
            attr="registered",
            on=(Product.item == LegacyProduct.item)
            & (Product.serial == LegacyProduct.serial)
            & Product.removed_at.is_null(),
        )
        .where(LegacyProduct.legacy_account == legacy, LegacyProduct.outcome.is_null())
        .order_by(LegacyProduct.id)
    )
    rows, own = [], set()
    for old in waits:
        holder = getattr(old, "registered", None)
        twice = old.serial and (old.item.id, old.serial) in own
        own.add((old.item.id, old.serial))
        if twice or (holder and holder.account_id == account.id):
            rows.append(MoveRow(old.item.name, old.serial, "owned", 0))
        elif holder:
            rows.append(MoveRow(old.item.name, old.serial, "taken", 0))
        else:
            missing = tuple(name for name in MANDATORY if not getattr(old, name))
            verdict = "incomplete" if missing else "moved"
            rows.append(MoveRow(old.item.name, old.serial, verdict, old.item.points, missing))
    return rows


def move(account: Account, actor: User, settings: Settings, now: dt.datetime) -> list[MoveRow]:
    """Move what waits in the old account, all or nothing, and report on every product; a second call moves nothing.

    The old account then belongs to this one. Raises NotProved or NothingToMove.
    """
    if needs_proof(account, actor):
        raise NotProved(account.id)
    with db.atomic():
        products.lock(account)
        legacy = candidate(account)
        if legacy is None or not claim(legacy, account, now):
            raise NothingToMove(account.id)
        decided = [move_one(old, account, actor, settings, now) for old in undecided(legacy)]
        outcomes = Counter(str(old.outcome) for old in decided)
        audit.record(actor, "products.migrated", f"account {account.id}", legacy_account=legacy.id, **outcomes)
    return [reported(old) for old in decided]


def claim(legacy: LegacyAccount, account: Account, now: dt.datetime) -> bool:
    """Make the old account this account's, unless another one was faster."""
    free = LegacyAccount.claimed_by.is_null()
    LegacyAccount.update(claimed_by=account, claimed_at=now).where(LegacyAccount.id == legacy.id, free).execute()
    mine = LegacyAccount.select().where(LegacyAccount.id == legacy.id, LegacyAccount.claimed_by == account)
    return bool(mine.exists())


def undecided(legacy: LegacyAccount) -> list[LegacyProduct]:
    return list(
        LegacyProduct.select(LegacyProduct, CatalogueItem)
        .join(CatalogueItem)
        .where(LegacyProduct.legacy_account == legacy, LegacyProduct.outcome.is_null())
        .order_by(LegacyProduct.id)
    )


def move_one(old: LegacyProduct, account: Account, actor: User, settings: Settings, now: dt.datetime) -> LegacyProduct:
    """Register one product of the old account and write down its outcome."""
    details = products.Details(old.serial, old.purchased, False, old.country, old.dealer)
    try:
        old.product = products.add(account, old.item, details, "migrated", actor, settings, now)
        old.outcome = "moved"
    except products.SerialTaken as taken:
        old.outcome = "owned" if taken.own else "taken"
    old.save()
    return old


def report(account: Account) -> list[MoveRow]:
    """What became of every product of the old accounts moved to this one; the page after the move shows it."""
    decided = (
        LegacyProduct.select(LegacyProduct, CatalogueItem, Product)
        .join(CatalogueItem)
        .join_from(LegacyProduct, LegacyAccount)
        .join_from(LegacyProduct, Product, JOIN.LEFT_OUTER)
        .where(LegacyAccount.claimed_by == account, LegacyProduct.outcome.is_null(False))
        .order_by(LegacyProduct.id)
    )
    return [reported(old) for old in decided]


def reported(old: LegacyProduct) -> MoveRow:
    """One line of the report, with the product as it is now: data may have been completed since."""
    product = old.product
    if product is None:
        return MoveRow(old.item.name, old.serial, str(old.outcome), 0)
    verdict = "moved" if product.is_complete else "incomplete"
    return MoveRow(old.item.name, product.serial, verdict, product.points, tuple(product.missing))


# --- loading old accounts -------------------------------------------------------------------------------------------


def import_legacy(text: str, today: dt.date) -> ImportReport:
    """Load `email,number,line,item,serial,purchased,country,dealer`: one row a product, `line` the old key.

    Good rows are kept, bad ones refused with their line. Safe to repeat; what was moved already is not touched.
    """
    report: list[ImportRow] = []
    seen: dict[tuple[str, str], int] = {}
    with db.atomic():
        items = {item.key: item for item in CatalogueItem.select().where(CatalogueItem.registrable)}
        for line, row, why in read_rows(text, HEADER):
            key = f"{row['email']} {row['line']}" if row else ""
            try:
                if row is None:
                    raise RowRefused(why)
                values = checked(row, items, today)
                place = (values["email"], values["line"])
                if place in seen:
                    raise RowRefused(f"this line of this account is on line {seen[place]} already")
                report.append(ImportRow(line, key, store(values)))
                seen[place] = line
            except RowRefused as refusal:
                report.append(ImportRow(line, key, "refused", str(refusal)))
    return ImportReport(tuple(report))


def checked(row: dict[str, str], items: dict[str, CatalogueItem], today: dt.date) -> dict[str, Any]:
    """The cleaned values of a readable row; missing data are None. Raises RowRefused."""
    try:
        email = validate_email(row["email"], check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        raise RowRefused("email is not an e-mail address") from error
    if not 1 <= len(row["line"]) <= 40:
        raise RowRefused("line must be the old system's key, 1 to 40 characters")
    if len(row["number"]) > 40:
        raise RowRefused("number has more than 40 characters")
    if row["item"] not in items:
        raise RowRefused(f"there is no item {row['item']!r} that can be registered")
    try:
        serial = products.clean_serial(row["serial"])
    except ValueError as error:
        raise RowRefused("serial must be 5 to 14 letters and digits") from error
    try:
        purchased = products.parse_purchased(row["purchased"], today)
    except products.PurchaseDateRefused as error:
        raise RowRefused(f"purchased is {error.code}: YYYY, YYYY-MM or YYYY-MM-DD, from 1987 to today") from error
    if not re.fullmatch("([A-Z]{2})?", row["country"]):
        raise RowRefused("country must be two capital letters")
    if len(row["dealer"]) > 120:
        raise RowRefused("dealer has more than 120 characters")
    return {
        "email": email,
        "number": row["number"],
        "line": row["line"],
        "item": items[row["item"]],
        "serial": serial or None,
        "purchased": purchased or None,
        "country": row["country"] or None,
        "dealer": row["dealer"] or None,
    }


def store(values: dict[str, Any]) -> str:
    """Write one row; what that was: added, changed or same. Raises RowRefused for a change of what was moved."""
    legacy, _new = LegacyAccount.get_or_create(email=values["email"], defaults={"number": values["number"]})
    renumbered = legacy.number != values["number"]
    old = LegacyProduct.get_or_none(LegacyProduct.legacy_account == legacy, LegacyProduct.line == values["line"])
    fields = {name: values[name] for name in ("item", *MANDATORY)}
    changed = old is None or any(getattr(old, name) != value for name, value in fields.items())
    if renumbered and legacy.claimed_by_id is not None:
        raise RowRefused("the account was claimed already, its number cannot change")
    if changed and old is not None and old.outcome:
        raise RowRefused("this product was moved already, it cannot change")
    if renumbered:
        legacy.number = values["number"]
        legacy.save()
    if old is None:
        LegacyProduct.create(legacy_account=legacy, line=values["line"], **fields)
        return "added"
    if changed:
        LegacyProduct.update(fields).where(LegacyProduct.id == old.id).execute()
    return "changed" if changed or renumbered else "same"
