"""Invoices: issued once, numbered without gaps, frozen; and the money booked on them.

An issued invoice changes only in what was paid (models.INVOICE_MUTABLE; the database's triggers insist). Corrections
are credit notes, never edits (payments.md 0.3). Callers hold the transaction.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from peewee import JOIN
from stdnum.iso7064 import mod_97_10

import i18n
from config import Settings
from market import LANGUAGES, Market, Tier
from models import Account, Invoice, Membership, Payment, SavedCard, User
from services import audit, counters, mail, memberships, vat
from services.payments import qr

QR_VALID_DAYS = 30  # after the due date: a late transfer may still use the code (payments.md 3)


class InvoiceOpen(Exception):
    """An invoice is still to be paid: no new membership and no leaving before that; `number` names it."""

    def __init__(self, number: str) -> None:
        super().__init__(number)
        self.number = number


class IssuedOutOfOrder(Exception):
    """Numbers and dates must run together: an invoice of that day came too late."""

    def __init__(self, last: dt.date) -> None:
        super().__init__(f"the last invoice is dated {last}; an earlier one can no longer be issued")
        self.last = last


@dataclass(frozen=True, slots=True)
class Transfer:
    """How to pay an invoice by bank transfer. `amount` is what is still open, in minor units."""

    payee: str
    iban: str
    bic: str
    bank: str
    reference: str
    amount: int
    currency: str
    due_on: dt.date


def issue(
    settings: Settings,
    membership: Membership,
    tier: Tier,
    billing: dict[str, str],
    method: str,
    card: SavedCard | None,
    today: dt.date,
) -> Invoice:
    """The invoice for a year of `membership`, dated `today`, with the next number of its series.

    Seller, buyer, lines and VAT are snapshots. Raises IssuedOutOfOrder; RuntimeError outside a transaction.
    """
    market = settings.market
    series = series_of(settings)
    running = counters.take(f"invoice:{series}-{today.year}")  # first of all: from here on other issuers wait
    refuse_earlier_day(series, today)
    number = f"{series}-{today.year}-{running:06d}"
    rule = vat.vat_rule(market, billing["country"], billing["vat_id"])
    price = vat.price(tier, rule)
    return Invoice.create(
        number=number,
        account=membership.account_id,
        membership=membership,
        method=method,
        card=card,
        currency=market.currency,
        net=price.net,
        vat=price.vat,
        gross=price.gross,
        vat_category=rule.category,
        vat_rate=rule.percent,
        issued_on=today,
        due_on=due_day(market, today),
        dunned_from=due_day(market, today),
        period_from=membership.starts_on,
        period_to=membership.ends_on,
        reference=rf_reference(number),
        seller=asdict(market.seller),
        buyer={**billing, "membership": membership.number},
        lines=[{"text": line_text(market, tier), "quantity": 1, "unit_net": price.net, "net": price.net}],
        demo=settings.demo,
    )


def due_day(market: Market, issued: dt.date) -> dt.date:
    return issued + dt.timedelta(days=market.terms.due_days)


def series_of(settings: Settings) -> str:
    """What numbers begin with. A demo has a series of its own and never burns a legal number (payments.md 6)."""
    prefix = settings.market.terms.invoice_prefix
    return f"DEMO-{prefix}" if settings.demo else prefix


def refuse_earlier_day(series: str, today: dt.date) -> None:
    last = Invoice.select().where(Invoice.number.startswith(f"{series}-")).order_by(Invoice.id.desc()).first()
    if last and last.issued_on > today:
        raise IssuedOutOfOrder(last.issued_on)


def rf_reference(number: str) -> str:
    """The ISO 11649 creditor reference of a number, e.g. `RF94CPS2026000123`: two check digits before its letters."""
    letters = "".join(character for character in number.upper() if character.isalnum())
    return f"RF{mod_97_10.calc_check_digits(f'{letters}RF')}{letters}"


def line_text(market: Market, tier: Tier) -> dict[str, str]:
    """The line's text in every language: an invoice is read in both."""
    text = {}
    for language in LANGUAGES:
        with i18n.speaking(language):
            text[language] = i18n.gettext(
                "%(programme)s membership, %(tier)s, one year", programme=market.programme, tier=i18n.tier_name(tier)
            )
    return text


def of(account: Account) -> list[Invoice]:
    """The account's invoices, the newest first."""
    return list(Invoice.of(account))


def find(account: Account, number: str) -> Invoice | None:
    """The account's own invoice, its membership and card with it; nobody else's (server.md c7.13)."""
    found: Invoice | None = (
        Invoice.select(Invoice, Membership, SavedCard)
        .join(Membership)
        .switch(Invoice)
        .join(SavedCard, JOIN.LEFT_OUTER)
        .where(Invoice.account == account, Invoice.number == number)
        .first()
    )
    return found


def transfer(invoice: Invoice) -> Transfer:
    """Where to send what is still open, from the frozen seller."""
    seller = invoice.seller
    return Transfer(
        payee=seller["name"],
        iban=seller["iban"],
        bic=seller["bic"],
        bank=seller["bank"],
        reference=invoice.reference,
        amount=max(0, invoice.rest),
        currency=invoice.currency,
        due_on=invoice.due_on,
    )


def transfer_qr(invoice: Invoice, market: Market, today: dt.date) -> str:
    """The transfer as an inline SVG code; an empty text if there is no standard for it or it does not fit."""
    to_pay = transfer(invoice)
    last_day = max(invoice.due_on, today) + dt.timedelta(days=QR_VALID_DAYS)
    code = qr.transfer_code(
        payee=to_pay.payee,
        iban=to_pay.iban,
        bic=to_pay.bic,
        amount=to_pay.amount,
        currency=to_pay.currency,
        reference=to_pay.reference,
        invoice=invoice.number,
        member=invoice.buyer["membership"],
        valid_until=dt.datetime.combine(last_day, dt.time(23, 59, 59), market.timezone),
    )
    return qr.svg(code, 176) if code else ""


def locked(invoice_id: int) -> Invoice:
    """The invoice as it is now, held for the rest of the transaction: bookings on one invoice queue."""
    Invoice.update(status=Invoice.status).where(Invoice.id == invoice_id).execute()
    return Invoice.get_by_id(invoice_id)


def record_payment(
    invoice: Invoice, method: str, amount: int, key: str, on: dt.date, now: dt.datetime, actor: str
) -> bool:
    """Money that arrived: write it down and book it. False if `key` was recorded before; then nothing changes.

    `invoice` comes from `locked`. `amount` in minor units of its currency, more than 0.
    """
    if Payment.select().where(Payment.key == key).exists():
        return False
    Payment.create(invoice=invoice, method=method, key=key, amount=amount, state="paid", created_at=now, on=on)
    book(invoice, amount, on, actor)
    return True


def book(invoice: Invoice, amount: int, on: dt.date, actor: str) -> None:
    """Add `amount` to what was paid; paid when covered, and then a suspended membership is back at this moment."""
    invoice.paid += amount
    if invoice.status == "open" and invoice.rest <= 0:
        invoice.status = "paid"
        invoice.paid_on = on
        memberships.reinstate(invoice.membership, actor, on)
    Invoice.update(paid=invoice.paid, status=invoice.status, paid_on=invoice.paid_on).where(
        Invoice.id == invoice.id
    ).execute()
    audit.record(actor, "invoice.booked", f"invoice {invoice.number}", amount=amount, status=invoice.status)


def ask_for_transfer(invoice: Invoice, today: dt.date) -> None:
    """The card could not be charged: the invoice waits for a transfer, and its days of dunning count from here."""
    invoice.method, invoice.dunned_from = "transfer", max(today, invoice.due_on)
    Invoice.update(method=invoice.method, dunned_from=invoice.dunned_from).where(Invoice.id == invoice.id).execute()


def notify(settings: Settings, invoice: Invoice, name: str, key: str, **own: Any) -> None:
    """Queue the mail `name` about an invoice to the account's first user, in that user's language."""
    user = User.select().where(User.account == invoice.account_id, User.disabled_at.is_null()).order_by(User.id).first()
    if user is None:
        return
    mail.queue(
        settings,
        key,
        name,
        user.email,
        user.language,
        invoice=invoice,
        membership=invoice.membership,
        tier=memberships.tier_of(invoice.membership, settings.market),
        person=user.name,
        card=invoice.card,
        transfer=transfer(invoice),
        **own,
    )
