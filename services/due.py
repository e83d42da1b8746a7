"""What falls due with the day: `flask due`, the worker and the demo's clock all call `run`.

A list of steps. Each finds its cases and handles every one in a transaction of its own that changes nothing the second
time, so a run may be repeated, run beside another, or killed at any line (server.md d5). The rules of the steps
themselves live in the services they call.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from config import Settings
from models import Invoice, Lease, MailLink, Membership, OutboxMail, db
from services import clock, invoices, limits, mail, memberships, orders, payments, sessions
from services.payments import Gateway, charging

LEASE = dt.timedelta(minutes=5)  # longer than any one case takes; renewed before each
FORGET_LINKS = dt.timedelta(days=30)
FORGET_MAILS = dt.timedelta(days=800)  # longer than any cancel_days: a mail's key tells that it went out

log = logging.getLogger("portal.due")


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `today` is the business day, `now` the real instant (decision 0005)."""

    settings: Settings
    gateway: Gateway | None
    today: dt.date
    now: dt.datetime
    holder: str = field(default_factory=lambda: secrets.token_hex(8))

    def days_ago(self, days: int) -> dt.date:
        return self.today - dt.timedelta(days=days)


@dataclass(frozen=True, slots=True)
class Step:
    """`find` reads the ids of the cases; `act` handles one and names what it did, or nothing if there was nothing."""

    name: str
    find: Callable[[Run], list[int]]
    act: Callable[[Run, int], str]


def run(settings: Settings, today: dt.date, now: dt.datetime, dry_run: bool = False) -> dict[str, Any]:
    """Do what is due and count it: one number per outcome, e.g. {"charged": 2, "declined": 1, "reminded": 1, …}.

    `dry_run` writes nothing and counts the cases each step would take up as things stand. `failed` and `unclear` need a
    person. If another run is under way, only {"busy": True}.
    """
    this = Run(settings, payments.gateway(settings), today, now)
    summary: dict[str, Any] = {"today": today.isoformat(), "dry_run": dry_run}
    if dry_run:
        counts = {step.name: len(step.find(this)) for step in STEPS}
        return summary | counts | {"unclear": charging.unclear(this.gateway)}
    if not hold(this):
        return summary | {"busy": True}
    try:
        for step in STEPS:
            for outcome in work(this, step):
                summary[outcome] = summary.get(outcome, 0) + 1
        summary |= prune(this)
        summary["mail"] = mail.deliver(settings, clock.now())  # charges took their time: a lease begins now
    finally:
        Lease.delete().where(Lease.name == "due", Lease.holder == this.holder).execute()
    return summary | {"unclear": charging.unclear(this.gateway)}


def work(this: Run, step: Step) -> list[str]:
    """The outcomes of one step. A case that fails is logged and left for the next run; the others go on."""
    outcomes = []
    for case in step.find(this):
        if not hold(this):
            log.warning("another run took over during %s", step.name)
            break
        try:
            outcomes.append(step.act(this, case))
        except Exception:
            log.exception("%s failed for %s", step.name, case)
            outcomes.append("failed")
    return [outcome for outcome in outcomes if outcome]


def hold(this: Run) -> bool:
    """Take the lease or keep it: one runner at a time. Safety does not rest on it, peace in the log does."""
    now = clock.now()
    with db.atomic():
        Lease.insert(name="due", holder=this.holder, until=now + LEASE).on_conflict_ignore().execute()
        held = (
            Lease.update(holder=this.holder, until=now + LEASE)
            .where(Lease.name == "due", (Lease.holder == this.holder) | (Lease.until <= now))
            .execute()
        )
    return bool(held)


# --- cards ----------------------------------------------------------------------------------------------------------


def cards_due(this: Run) -> list[int]:
    return charging.due(this.today) if this.gateway else []


def charge(this: Run, invoice_id: int) -> str:
    """A charge on the due date, never before (source document 4, promise 14)."""
    if this.gateway is None:
        return ""
    state = charging.charge(this.settings, this.gateway, invoice_id, this.today, this.now)
    return {"paid": "charged", "action": "declined"}.get(state, state)


# --- transfers that are late (domain.md rule 65) --------------------------------------------------------------------


def overdue(this: Run, at_least: int, below: int) -> list[Invoice]:
    """Open transfer invoices that were waited for at least `at_least` and less than `below` days, oldest first.

    A card invoice is ours to collect; when the card fails for good, it becomes one that waits for a transfer.
    """
    return list(
        Invoice.select(Invoice, Membership)
        .join(Membership)
        .where(Invoice.status == "open", Invoice.method == "transfer", Invoice.kind == "invoice")
        .where(Invoice.dunned_from <= this.days_ago(at_least), Invoice.dunned_from > this.days_ago(below))
        .order_by(Invoice.id)
    )


def reminder_key(this: Run, invoice: Invoice) -> str:
    """The key of the reminder that `invoice` has come to: the last of the market's days that has passed."""
    late = (this.today - invoice.dunned_from).days
    reached = max(days for days in this.settings.market.terms.reminder_days if days <= late)
    return f"reminder:{invoice.number}:{reached}"


def to_remind(this: Run) -> list[int]:
    """Invoices whose present reminder was not sent; those missed while nothing ran are not made up for."""
    terms = this.settings.market.terms
    late = overdue(this, terms.reminder_days[0], terms.cancel_days)
    keys = {reminder_key(this, invoice): invoice.id for invoice in late}
    sent = {row.key for row in OutboxMail.select(OutboxMail.key).where(OutboxMail.key.in_(list(keys)))}
    return [invoice_id for key, invoice_id in keys.items() if key not in sent]


def remind(this: Run, invoice_id: int) -> str:
    terms = this.settings.market.terms
    with db.atomic():
        invoice = invoices.locked(invoice_id)
        if invoice.status != "open":
            return ""
        invoices.notify(
            this.settings,
            invoice,
            "reminder",
            reminder_key(this, invoice),
            days=(this.today - invoice.due_on).days,
            suspend_on=invoice.dunned_from + dt.timedelta(days=terms.suspend_days),
            cancel_on=invoice.dunned_from + dt.timedelta(days=terms.cancel_days),
        )
    return "reminded"


def to_suspend(this: Run) -> list[int]:
    terms = this.settings.market.terms
    late = overdue(this, terms.suspend_days, terms.cancel_days)
    return [invoice.id for invoice in late if invoice.membership.status == "active"]


def suspend(this: Run, invoice_id: int) -> str:
    with db.atomic():
        invoice = invoices.locked(invoice_id)
        if invoice.status != "open" or not memberships.suspend(invoice.membership_id):
            return ""
        invoices.notify(
            this.settings,
            invoice,
            "suspended",
            f"suspended:{invoice.number}",
            cancel_on=invoice.dunned_from + dt.timedelta(days=this.settings.market.terms.cancel_days),
        )
    return "suspended"


def to_cancel(this: Run) -> list[int]:
    late = overdue(this, this.settings.market.terms.cancel_days, 36_500)
    return [invoice.id for invoice in late if invoice.membership.status in ("active", "suspended")]


def cancel(this: Run, invoice_id: int) -> str:
    with db.atomic():
        invoice = invoices.locked(invoice_id)
        if invoice.status != "open" or not memberships.cancel(invoice.membership_id):
            return ""
        invoices.notify(this.settings, invoice, "cancelled", f"cancelled:{invoice.number}")
    return "cancelled"


# --- the end of the term --------------------------------------------------------------------------------------------


def ended(this: Run) -> list[int]:
    rows: list[Membership] = list(Membership.running().where(Membership.ends_on < this.today).order_by(Membership.id))
    return [row.id for row in rows]


def expire(this: Run, membership_id: int) -> str:
    with db.atomic():
        return "expired" if memberships.expire(membership_id) else ""


STEPS = (
    Step("charge", cards_due, charge),
    Step("remind", to_remind, remind),
    Step("suspend", to_suspend, suspend),
    Step("cancel", to_cancel, cancel),
    Step("expire", ended, expire),
)


def prune(this: Run) -> dict[str, int]:
    """Forget what has served: timed-out log-ins, old links, full buckets, orders that were left."""
    epoch = this.now.replace(tzinfo=dt.UTC).timestamp()
    return {
        "sessions_pruned": sessions.prune(this.now),
        "links_pruned": MailLink.delete().where(MailLink.expires_at < this.now - FORGET_LINKS).execute(),
        "buckets_pruned": limits.prune(epoch),
        "orders_pruned": orders.prune(this.now),
        "mails_pruned": mail.prune(this.now - FORGET_MAILS),
    }
