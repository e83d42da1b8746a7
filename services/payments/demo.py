"""The demo's card gateway: no configuration, no network, no tables.

Its state lives in signed references, so it survives restarts and cannot be forged. It is offered in a demo only
(services.payments.gateway), and its page (views/demo_card.py) has buttons where a card number would be asked for.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadSignature as BadSeal
from itsdangerous import URLSafeSerializer

from services import clock
from services.payments import BadSignature, Event, Outcome, SavedMethod

# The last four digits of the test cards, and what a charge on the due date answers
CHARGES = {
    "4242": Outcome("paid"),
    "3220": Outcome("paid"),  # had to be confirmed when it was saved
    "0341": Outcome("declined", code="insufficient_funds", retry=True),
}
REFUSED = ""  # stands where the last four digits would be


@dataclass(frozen=True, slots=True)
class Setup:
    """What the hosted page knows: who asked, and where to return."""

    owner: str
    back: str
    cancel: str


class Demo:
    """Implements services.payments.Gateway."""

    name = "demo"

    def __init__(self, secret_key: str) -> None:
        self.setups = URLSafeSerializer(secret_key, salt="demo card page")
        self.cards = URLSafeSerializer(secret_key, salt="demo card saved")

    def start_setup(self, *, owner: str, email: str, back: str, cancel: str) -> str:
        return f"/demo/card/{self.setups.dumps([owner, back, cancel])}"

    def setup(self, page: str) -> Setup | None:
        """What was asked of the hosted page at this address; None if we did not make the address."""
        asked = unseal(self.setups, page)
        return Setup(*asked) if asked else None

    def choose(self, setup: Setup, last4: str) -> str:
        """The reference the hosted page returns with: for the card `last4`, or for a refusal (REFUSED)."""
        if last4 != REFUSED and last4 not in CHARGES:
            raise ValueError(f"there is no demo card {last4!r}")
        sealed = self.cards.dumps([setup.owner, last4, secrets.token_hex(6)])
        return sealed if isinstance(sealed, str) else sealed.decode()

    def finish_setup(self, ref: str) -> SavedMethod | None:
        saved = unseal(self.cards, ref)
        if not saved or saved[1] == REFUSED:
            return None
        owner, last4, nonce = saved
        return SavedMethod(owner, f"demo_{last4}_{nonce}", "Demo", last4, f"{clock.now().year + 3}-12")

    def charge(self, *, token: str, amount: int, currency: str, key: str, invoice: str) -> Outcome:
        """The outcome depends on the card and the key alone, so that a repeated key gives the same one."""
        known = CHARGES[token.split("_")[1]]
        return Outcome(known.state, f"demo_{digest(key)}", known.code, known.retry)

    def refund(self, *, ref: str, amount: int, key: str) -> Outcome:
        return Outcome("paid", f"demo_{digest(key)}")

    def event(self, body: bytes, headers: Mapping[str, str]) -> Event:
        raise BadSignature("the demo gateway sends no events")


def unseal(serializer: URLSafeSerializer, text: str) -> Any:
    """What was sealed in `text`, or None."""
    try:
        return serializer.loads(text)
    except BadSeal:
        return None


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
