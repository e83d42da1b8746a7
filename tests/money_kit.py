"""Customers, orders and a counting gateway for the tests of membership and money. Knows services, no pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient

from config import Settings
from models import Account, CatalogueItem, Invoice, Membership, PointEvent, Product, User
from services import orders, payments, sessions
from services.payments import Event, Outcome, SavedMethod

NOW = dt.datetime(2026, 11, 24, 9, 0)
TODAY = dt.date(2026, 11, 24)
DUE = dt.date(2026, 12, 24)
BILLING = {
    "company": "Képkockák Kft.",
    "country": "HU",
    "vat_id": "",
    "street": "Fő utca 1.",
    "postcode": "1011",
    "city": "Budapest",
    "purchase_order": "",
}


def customer(points: int, products: int = 0, email: str = "anna@example.com", **account: Any) -> User:
    """A user whose account has `points` and so many registered products."""
    fields = {name: value for name, value in BILLING.items() if name != "purchase_order"} | account
    owner = Account.create(**fields, created_at=NOW)
    user: User = User.create(email=email, name="Anna", account=owner, created_at=NOW)
    if points:
        PointEvent.create(account=owner, delta=points, reason="adjusted", created_at=NOW)
    if products:
        item, _made = CatalogueItem.get_or_create(key="thing", defaults={"name": "Thing", "kind": "lens", "points": 0})
        row = {"account": owner.id, "item": item.id, "points": 0, "source": "manual", "registered_at": NOW}
        Product.insert_many([row] * products).execute()
    return user


def account_of(user: User) -> Account:
    assert user.account
    return user.account


def log_in(client: FlaskClient, user: User) -> FlaskClient:
    """Put the user's log-in into this browser."""
    token = sessions.start(user, "tests", NOW).session.token
    with client.session_transaction(base_url=client.application.config["PORTAL"].base_url) as session:
        session["_user_id"] = token
    return client


@dataclass
class Bank:
    """A gateway that keeps a ledger. `answers` are given in order, then `paid`; a known key gets its first answer."""

    name: str = "bank"
    answers: list[Outcome] = field(default_factory=list)
    told: dict[str, Outcome] = field(default_factory=dict)
    debits: list[tuple[str, int, str]] = field(default_factory=list)  # key, amount, currency
    on_charge: Callable[[], None] = lambda: None

    def start_setup(self, *, owner: str, email: str, back: str, cancel: str) -> str:
        return f"https://bank.example/{owner}"

    def finish_setup(self, ref: str) -> SavedMethod | None:
        return SavedMethod(ref, f"token-{ref}", "Visa", "4242", "2029-12") if ref else None

    def charge(self, *, token: str, amount: int, currency: str, key: str, invoice: str) -> Outcome:
        if key not in self.told:
            outcome = self.answers.pop(0) if self.answers else Outcome("paid", f"ch-{key}")
            if outcome.state == "unknown":
                return outcome
            self.told[key] = outcome
            if outcome.state == "paid":
                self.debits.append((key, amount, currency))
        self.on_charge()  # the debit is made; what follows may be lost
        return self.told[key]

    def refund(self, *, ref: str, amount: int, key: str) -> Outcome:
        return Outcome("paid", ref)

    def event(self, body: bytes, headers: Mapping[str, str]) -> Event:
        raise payments.BadSignature


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Bank:
    """The portal's gateway is a ledger that starts empty."""
    made = Bank()
    monkeypatch.setattr(payments, "gateway", lambda _settings: made)
    return made


def join(
    settings: Settings,
    user: User,
    tier: str = "gold",
    method: str = "transfer",
    today: dt.date = TODAY,
    **billing: str,
) -> tuple[Membership, Invoice]:
    """Order a tier and place the order; for a card the gateway must be a Bank."""
    order = orders.draft(account_of(user), tier, method, "HU", {**BILLING, **billing}, NOW)
    agreed = orders.price_of(order, settings.market).gross
    ref = order.key if method == "card" else ""
    membership = orders.place(settings, user, order, ref, agreed, today, NOW)
    return membership, orders.invoice_of(membership)
