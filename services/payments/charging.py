"""Charging a saved card for an invoice, exactly once: the intent is committed, then the gateway is asked, then its word
is recorded. Killed anywhere, the next run asks again with the same key (payments.md 4, server.md d3).
"""

from __future__ import annotations

import datetime as dt

from peewee import IntegrityError

from config import Settings
from models import Invoice, Payment, SavedCard, db
from services import invoices
from services.payments import Gateway, Outcome

RETRY_AFTER = (1, 3, 5)  # days after the 1st, 2nd, 3rd soft decline; then a transfer is asked for (payments.md 4.6)


def due(today: dt.date) -> list[int]:
    """Ids of open card invoices to charge today: the due date has come, and no decline asks to wait."""
    open_ones = list(
        Invoice.select(Invoice.id)
        .where(Invoice.status == "open", Invoice.method == "card", Invoice.due_on <= today)
        .order_by(Invoice.id)
    )
    tries: dict[int, list[Payment]] = {invoice.id: [] for invoice in open_ones}
    for payment in attempts(list(tries)):
        tries[payment.invoice_id].append(payment)
    return [invoice_id for invoice_id, made in tries.items() if may_try(made, today)]


def attempts(invoice_ids: list[int]) -> list[Payment]:
    """The card payments of these invoices, oldest first."""
    return list(Payment.select().where(Payment.invoice.in_(invoice_ids), Payment.method == "card").order_by(Payment.id))


def may_try(made: list[Payment], today: dt.date) -> bool:
    """Whether a charge is called for today, after the attempts `made`."""
    if not made:
        return True
    last = made[-1]
    if last.state == "declined":
        wait = retry_on(len(made), last.on)
        return wait is not None and wait <= today
    return bool(last.state in ("sent", "paid"))  # sent: no word yet, ask again; paid: only a part was covered


def retry_on(tried: int, last: dt.date) -> dt.date | None:
    """The day of the next try after the `tried`-th soft decline; None if that was the last."""
    return last + dt.timedelta(days=RETRY_AFTER[tried - 1]) if tried <= len(RETRY_AFTER) else None


def next_try(invoice: Invoice) -> dt.date | None:
    """The day a declined card will be tried again; None if none was declined or no further try is made."""
    made = attempts([invoice.id]) if invoice.status == "open" and invoice.method == "card" else []
    return retry_on(len(made), made[-1].on) if made and made[-1].state == "declined" else None


def charge(settings: Settings, gateway: Gateway, invoice_id: int, today: dt.date, now: dt.datetime) -> str:
    """Charge one invoice if it is still called for; returns the outcome's state, or an empty text if it was not."""
    intent = intend(gateway, invoice_id, today, now)
    if intent is None:
        return ""
    payment, invoice, card = intent
    outcome = gateway.charge(
        token=card.token, amount=payment.amount, currency=invoice.currency, key=payment.key, invoice=invoice.number
    )
    settle(settings, payment.id, outcome, today)
    return outcome.state


def intend(
    gateway: Gateway, invoice_id: int, today: dt.date, now: dt.datetime
) -> tuple[Payment, Invoice, SavedCard] | None:
    """The payment to ask the gateway about, committed before it is asked; None if there is nothing to charge."""
    if db.in_transaction():
        raise RuntimeError("a charge is intended in a transaction of its own, else a crash forgets it")
    try:
        with db.atomic():
            invoice = invoices.locked(invoice_id)
            made = attempts([invoice_id])
            if invoice.status != "open" or invoice.method != "card" or not may_try(made, today):
                return None
            if invoice.card is None or invoice.card.gateway != gateway.name:
                return None  # saved with another provider; `unclear` counts it
            if made and made[-1].state == "sent":
                return made[-1], invoice, invoice.card
            payment = Payment.create(
                invoice=invoice,
                method="card",
                key=f"{invoice.number}-{len(made) + 1}",
                amount=invoice.rest,
                state="sent",
                created_at=now,
                on=today,
            )
            return payment, invoice, invoice.card
    except IntegrityError:
        return None  # another runner was faster; it has the payment in hand


def settle(settings: Settings, payment_id: int, outcome: Outcome, today: dt.date) -> None:
    """Record the gateway's word on a payment and all that follows from it; a word heard twice changes nothing.

    Called by `flask due` and, for pending payments, by the gateway's events.
    """
    if outcome.state == "unknown":
        return
    with db.atomic():
        payment = Payment.get_by_id(payment_id)
        invoice = invoices.locked(payment.invoice_id)
        moved = (
            Payment.update(state=outcome.state, gateway_ref=outcome.ref, code=outcome.code)
            .where(Payment.id == payment_id, Payment.state.in_(("sent", "pending")), Payment.state != outcome.state)
            .execute()
        )
        if not moved:
            return
        if outcome.state == "paid":
            invoices.book(invoice, payment.amount, today, "due")
            invoices.notify(settings, invoice, "card-charged", f"charged:{payment.key}", amount=payment.amount)
        elif outcome.state in ("declined", "action") and invoice.status == "open":
            tried = Payment.select().where(Payment.invoice == invoice, Payment.method == "card").count()
            again = retry_on(tried, payment.on) if outcome.state == "declined" and outcome.retry else None
            if again is None:
                invoices.ask_for_transfer(invoice, today)
            invoices.notify(
                settings, invoice, "card-declined", f"declined:{payment.key}", retry_on=again, code=outcome.code
            )


def unclear(gateway: Gateway | None) -> int:
    """How many card invoices need a person: a charge without an answer on an invoice that was paid otherwise, or a card
    that this portal's gateway does not hold."""
    paid_otherwise = Payment.select().join(Invoice).where(Payment.state == "sent", Invoice.status != "open").count()
    foreign = (
        Invoice.select()
        .join(SavedCard)
        .where(Invoice.status == "open", Invoice.method == "card")
        .where(SavedCard.gateway != (gateway.name if gateway else ""))
        .count()
    )
    return int(paid_otherwise + foreign)
