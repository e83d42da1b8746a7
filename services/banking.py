"""Bank transfers: each credit is written down once, with what became of it. Nothing is ever paid by guessing.

A credit is matched by the invoice's reference, or by its number, in the text that came with it (payments.md 3).
"""

from __future__ import annotations

import datetime as dt
import re

from peewee import IntegrityError
from stdnum import iso11649

from config import Settings
from models import BankEntry, Invoice, db
from services import audit, invoices

REFERENCE = re.compile(r"RF\d\d(?=[0-9A-Z])")
LONGEST_REFERENCE = 25


class NotACredit(ValueError):
    """Only money that came in can be received: an amount of at least one minor unit."""


def receive(
    settings: Settings, key: str, received_on: dt.date, amount: int, currency: str, text: str, now: dt.datetime
) -> BankEntry:
    """Write down a credit of `amount` minor units, and book it if it names one invoice that can take it.

    `key` is the bank's own reference of the entry: the same one again returns the first entry and changes nothing.
    Verdicts: paid, partial, over; duplicate (already paid, not booked again); review (a person must look).
    Raises NotACredit.
    """
    if amount < 1:
        raise NotACredit(f"{amount} is not an amount that came in")
    try:
        with db.atomic():
            known = BankEntry.get_or_none(BankEntry.key == key)
            return known or enter(settings, key, received_on, amount, currency, text, now)
    except IntegrityError:  # the same entry arrived twice at the same moment
        return BankEntry.get(BankEntry.key == key)


def enter(
    settings: Settings, key: str, received_on: dt.date, amount: int, currency: str, text: str, now: dt.datetime
) -> BankEntry:
    named = invoices_named(settings, text)
    invoice = invoices.locked(named[0].id) if len(named) == 1 else None
    verdict = judge(invoice, amount, currency)
    entry = BankEntry.create(
        key=key,
        received_on=received_on,
        amount=amount,
        currency=currency,
        text=text,
        verdict=verdict,
        invoice=invoice,
        created_at=now,
    )
    audit.record("bank", f"bank.{verdict}", f"bank entry {entry.id}", amount=amount, currency=currency)
    if invoice is None or verdict == "review":
        return entry
    if verdict != "duplicate":
        invoices.record_payment(invoice, "transfer", amount, f"bank:{key}", received_on, now, "bank")
    invoices.notify(
        settings,
        invoice,
        "transfer-received",
        f"received:{key}",
        amount=amount,
        rest=max(0, invoice.rest),
        verdict=verdict,
    )
    return entry


def judge(invoice: Invoice | None, amount: int, currency: str) -> str:
    """What a credit is to the invoice it names (payments.md 3, decision order)."""
    if invoice is None or invoice.currency != currency or invoice.status == "void" or invoice.kind != "invoice":
        return "review"
    if invoice.rest <= 0:
        return "duplicate"
    if amount == invoice.rest:
        return "paid"
    return "partial" if amount < invoice.rest else "over"


def invoices_named(settings: Settings, text: str) -> list[Invoice]:
    """The invoices that a transfer's text names: by reference if there is any, else by number."""
    references = references_in(text)
    if references:
        return list(Invoice.select().where(Invoice.reference.in_(references)))
    numbers = numbers_in(text, invoices.series_of(settings))
    return list(Invoice.select().where(Invoice.number.in_(numbers))) if numbers else []


def references_in(text: str) -> set[str]:
    """Creditor references in a text, whatever blanks a bank put in or took out.

    Where one ends cannot be seen once blanks are gone, so every end that gives right check digits is a candidate.
    """
    letters = "".join(character for character in text.upper() if character.isascii() and character.isalnum())
    found = set()
    for match in REFERENCE.finditer(letters):
        start = match.start()
        for end in range(match.end() + 1, min(len(letters), start + LONGEST_REFERENCE) + 1):
            if iso11649.is_valid(letters[start:end]):
                found.add(letters[start:end])
    return found


def numbers_in(text: str, series: str) -> set[str]:
    """Invoice numbers of `series` in a text, e.g. `CPS-2026-000123`, `cps 2026/123`: other separators, lost zeros.

    Digits or letters around a number forbid it: a longer number is another number.
    """
    gap = r"[\s/._-]*"
    name = gap.join(re.escape(part) for part in series.split("-"))
    pattern = re.compile(rf"(?<![0-9A-Z])(?<!DEMO-){name}{gap}(\d{{4}})[\s/._-]+(\d{{1,6}})(?![0-9A-Z])", re.IGNORECASE)
    return {f"{series}-{year}-{int(running):06d}" for year, running in pattern.findall(text)}
