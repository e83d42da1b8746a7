"""Points of equipment. PURE: sums and previews, no tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Scoring(Protocol):
    """A registered product as far as points go."""

    points: int

    @property
    def is_complete(self) -> bool: ...


def total(products: Iterable[Scoring]) -> int:
    """The points of complete products; an incomplete one gives none yet (domain.md rule 20)."""
    return sum(product.points for product in products if product.is_complete)


def waiting(products: Iterable[Scoring]) -> int:
    """The points that incomplete products would bring once completed."""
    return sum(product.points for product in products if not product.is_complete)
