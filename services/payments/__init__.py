"""Payments: the gateway port, and the gateway this portal uses. No card number ever comes this way (payments.md 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from config import Settings


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """A card kept by the gateway. `owner` is what start_setup was told: it binds the card to one order."""

    owner: str
    token: str
    brand: str
    last4: str
    expires: str  # YYYY-MM


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a charge or refund.

    `pending`: wait for word from the gateway. `action`: the bank wants the customer to confirm. `unknown`: no answer
    came; ask again with the same key. `retry`: a decline that another day may turn (no such word for a stolen card).
    """

    state: Literal["paid", "pending", "action", "declined", "unknown"]
    ref: str = ""
    code: str = ""
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Word from the gateway, its signature checked. `kind`: setup, paid, declined, refunded, disputed or other."""

    id: str
    kind: str
    ref: str


class BadSignature(ValueError):
    """The event was not signed by the gateway."""


class Gateway(Protocol):
    """Five verbs that every card provider has. Amounts are minor units as in services.money."""

    name: str

    def start_setup(self, *, owner: str, email: str, back: str, cancel: str) -> str:
        """The address of the hosted page that saves a card; it returns to `back` with `?ref=`, or to `cancel`."""

    def finish_setup(self, ref: str) -> SavedMethod | None:
        """The card that was saved under `ref`; None if none was, or the ref is forged. Changes nothing; repeatable."""

    def charge(self, *, token: str, amount: int, currency: str, key: str, invoice: str) -> Outcome:
        """Debit the saved card. A known `key` must give the first outcome again, however old, never a second debit."""

    def refund(self, *, ref: str, amount: int, key: str) -> Outcome:
        """Give back a charge or a part of it; `key` as in charge."""

    def event(self, body: bytes, headers: Mapping[str, str]) -> Event:
        """Read a webhook. Raises BadSignature."""


def gateway(settings: Settings) -> Gateway | None:
    """The card gateway of this portal; None means that only bank transfer is offered."""
    if settings.demo:
        from services.payments.demo import Demo

        return Demo(settings.secret_key)
    return None
