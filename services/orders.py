"""Orders: from a chosen tier to a membership and its invoice, once, however often it is sent.

The order's key is in its address. Placing it is one transaction; nothing before it makes a membership (decision 0003).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets

from peewee import IntegrityError

from config import Settings
from market import Market
from models import Account, Invoice, Membership, Order, SavedCard, User, db
from services import audit, invoices, memberships, payments, products, tiers, vat


class NoSuchTier(Exception):
    """The market has no tier of that key."""


class TierLocked(Exception):
    """The account may not take this tier: `offer` says which points are missing, or that it covers fewer products."""

    def __init__(self, offer: tiers.Offer) -> None:
        super().__init__(f"tier {offer.tier.key} is locked")
        self.offer = offer


class AlreadyMember(Exception):
    """The account has a running membership; there is never a second one."""


class CardMissing(Exception):
    """The order is to be paid by card and no card was saved for it."""


class OrderChanged(Exception):
    """The sum, the buyer or the method is no longer what the customer agreed to on the check page."""


def eligible(account: Account, tier_key: str, market: Market) -> tiers.Offer:
    """The offer of a tier the account may take now (DESIGN 6, Eligibility). The one gate of page, draft and order.

    Raises NoSuchTier, AlreadyMember, TierLocked.
    """
    if market.tier(tier_key) is None:
        raise NoSuchTier(tier_key)
    if account.membership():
        raise AlreadyMember
    owed = Invoice.of(account).where(Invoice.status == "open").first()
    if owed:
        raise invoices.InvoiceOpen(owed.number)
    offer = tiers.offer_of(tier_key, account.points(), account.product_count(), market)
    if offer is None or not offer.unlocked:
        raise TierLocked(offer) if offer else NoSuchTier(tier_key)
    return offer


def find(account: Account, tier_key: str, key: str) -> Order | None:
    """The account's own order; nobody else's."""
    if not key:
        return None
    found: Order | None = Order.get_or_none(Order.account == account, Order.tier == tier_key, Order.key == key)
    return found


def draft(
    account: Account,
    tier_key: str,
    method: str,
    payment_country: str,
    billing: dict[str, str],
    now: dt.datetime,
    order: Order | None = None,
) -> Order:
    """A new order, or `order` with the customer's changes; one that was placed stays as it was."""
    if order is None:
        return Order.create(
            key=secrets.token_hex(16),
            account=account,
            tier=tier_key,
            method=method,
            payment_country=payment_country,
            billing=billing,
            created_at=now,
        )
    Order.update(method=method, payment_country=payment_country, billing=billing).where(
        Order.id == order.id, Order.membership.is_null()
    ).execute()
    return Order.get_by_id(order.id)


def choose_method(order: Order, method: str) -> None:
    """Change how an order that is not placed yet will be paid."""
    Order.update(method=method).where(Order.id == order.id, Order.membership.is_null()).execute()


def price_of(order: Order, market: Market) -> vat.Price:
    """The fee with the VAT that the order's billing data gives. Raises NoSuchTier."""
    tier = market.tier(order.tier)
    if tier is None:
        raise NoSuchTier(order.tier)
    return vat.price(tier, vat.vat_rule(market, order.billing["country"], order.billing["vat_id"]))


def fingerprint(order: Order) -> str:
    """Tells whether an order is still what a page showed: who pays, how, and who is billed."""
    said = json.dumps([order.tier, order.method, order.billing], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def saved_card(settings: Settings, order: Order, ref: str) -> payments.SavedMethod | None:
    """The card the gateway saved for this order under `ref`; None if none was, or it is another order's. Only reads."""
    gateway = payments.gateway(settings)
    method = gateway.finish_setup(ref) if gateway and ref else None
    return method if method and method.owner == order.key else None


def place(
    settings: Settings, user: User, order: Order, ref: str, agreed: int, today: dt.date, now: dt.datetime
) -> Membership:
    """Make the membership and its invoice, with the mails that tell of them, in one transaction.

    Sent again, returns the same membership. `ref` is the saved card's, `agreed` the gross sum the customer was shown.
    Raises CardMissing, OrderChanged, NoSuchTier, AlreadyMember, TierLocked, invoices.IssuedOutOfOrder.
    """
    method = saved_card(settings, order, ref) if order.method == "card" else None
    try:
        with db.atomic():
            return place_locked(settings, user, order, method, agreed, today, now)
    except IntegrityError:
        placed = membership_of(order.id)  # another tab placed it at the same moment
        if placed is None:
            raise
        return placed


def place_locked(
    settings: Settings,
    user: User,
    seen: Order,
    method: payments.SavedMethod | None,
    agreed: int,
    today: dt.date,
    now: dt.datetime,
) -> Membership:
    """`place` inside its transaction: the account's row is held, so an account's orders come one after the other."""
    account: Account = seen.account
    products.lock(account)
    order = Order.get_by_id(seen.id)
    placed = membership_of(order.id)
    if placed:
        return placed
    offer = eligible(account, order.tier, settings.market)
    if price_of(order, settings.market).gross != agreed or fingerprint(order) != fingerprint(seen):
        raise OrderChanged
    if order.method == "card" and method is None:
        raise CardMissing
    card = keep_card(settings, account, method, now) if order.method == "card" and method else None
    membership = memberships.start(account, offer.tier, settings.market, today, now)
    invoice = invoices.issue(settings, membership, offer.tier, order.billing, order.method, card, today)
    Order.update(membership=membership).where(Order.id == order.id).execute()
    audit.record(user, "order.placed", f"membership {membership.number}", invoice=invoice.number, method=order.method)
    invoices.notify(settings, invoice, "member-welcome", f"welcome:{membership.number}")
    invoices.notify(settings, invoice, "invoice-issued", f"invoice:{invoice.number}")
    return membership


def keep_card(settings: Settings, account: Account, method: payments.SavedMethod, now: dt.datetime) -> SavedCard:
    """Note the saved card and the moment of the customer's consent to its charge."""
    gateway = payments.gateway(settings)
    return SavedCard.create(
        account=account,
        gateway=gateway.name if gateway else "",
        token=method.token,
        brand=method.brand,
        last4=method.last4,
        expires=method.expires,
        consented_at=now,
    )


def membership_of(order_id: int) -> Membership | None:
    """The membership an order became, as it is in the database now."""
    found: Membership | None = Membership.select().join(Order).where(Order.id == order_id).first()
    return found


def invoice_of(membership: Membership) -> Invoice:
    """The invoice a membership began with."""
    found: Invoice = Invoice.select().where(Invoice.membership == membership).order_by(Invoice.id).get()
    return found


def prune(now: dt.datetime) -> int:
    """Delete orders that were begun and left thirty days ago; returns how many."""
    return int(
        Order.delete().where(Order.membership.is_null(), Order.created_at < now - dt.timedelta(days=30)).execute()
    )
