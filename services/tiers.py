"""Eligibility: which tiers an account may take, and how far the others are. PURE.

Source document 3: invited at 500 points, more points unlock higher tiers, above 2500 the corporate ones by a switch.
"""

from __future__ import annotations

from dataclasses import dataclass

from market import Market, Tier


@dataclass(frozen=True, slots=True)
class Offer:
    """One tier as offered to one account. `missing_points` is 0 once the points suffice."""

    tier: Tier
    unlocked: bool
    missing_points: int
    too_many_products: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on the points ruler."""

    points: int
    key: str
    group: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an account stands: all the points meter, the tier grid and the switch need."""

    points: int
    product_count: int
    invited_at: int
    corporate_above: int
    offers: tuple[Offer, ...]
    corporate_on: bool

    @property
    def invited(self) -> bool:
        return self.points >= self.invited_at

    @property
    def points_to_invitation(self) -> int:
        return max(0, self.invited_at - self.points)

    @property
    def corporate_open(self) -> bool:
        """The switch exists: strictly more than the threshold (source document 3)."""
        return self.points > self.corporate_above

    @property
    def shown(self) -> tuple[Offer, ...]:
        """The set of tiers on view."""
        group = "corporate" if self.corporate_on else "individual"
        return tuple(offer for offer in self.offers if offer.tier.group == group)

    @property
    def next_offer(self) -> Offer | None:
        """The nearest tier that more points would open."""
        return next((offer for offer in self.offers if offer.missing_points), None)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The thresholds on the ruler; the corporate tiers share one."""
        marks = {o.tier.min_points: Mark(o.tier.min_points, o.tier.key, o.tier.group) for o in reversed(self.offers)}
        return tuple(marks[points] for points in sorted(marks))


def offers(points: int, product_count: int, market: Market) -> tuple[Offer, ...]:
    """Every tier of the market, lowest first, open or with the points that are missing (DESIGN 6, Eligibility).

    Below the invitation nothing opens. A corporate tier covers at most `max_products` products (domain.md rule 42).
    """
    made = []
    for tier in market.tiers:
        missing = max(0, max(tier.opens_at(), market.invited_at) - points)
        too_many = tier.max_products is not None and product_count > tier.max_products
        made.append(Offer(tier, not missing and not too_many, missing, too_many))
    return tuple(made)


def standing(points: int, product_count: int, market: Market, corporate: bool = False) -> Standing:
    """The account's standing; `corporate` is the switch, a filter of the view that opens nothing by itself."""
    return Standing(
        points=points,
        product_count=product_count,
        invited_at=market.invited_at,
        corporate_above=market.corporate_above,
        offers=offers(points, product_count, market),
        corporate_on=corporate and points > market.corporate_above,
    )


def offer_of(key: str, points: int, product_count: int, market: Market) -> Offer | None:
    """The offer of one tier, for an order; None if there is no such tier."""
    return next((offer for offer in offers(points, product_count, market) if offer.tier.key == key), None)
