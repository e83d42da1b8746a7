"""The audit log: who did what, when. Appends only; secrets never go in."""

from __future__ import annotations

from typing import Any

from models import AuditEvent, User
from services import clock


def record(actor: User | str, action: str, subject: str = "", **detail: Any) -> None:
    """Append one line. `actor`: a user, or `cli`, `due`, or empty for a visitor; `subject`: like `invoice CPS-1`."""
    name = actor if isinstance(actor, str) else f"user {actor.id}"
    AuditEvent.create(at=clock.now(), actor=name, action=action, object=subject, detail=detail)
