"""Money: integer minor units beside a currency. PURE; never a float."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

# Decimals we invoice in. ISO 4217 gives the forint two; no price or invoice in Hungary uses them (payments.md 0.1)
DECIMALS = {"HUF": 0, "JPY": 0, "ISK": 0, "KRW": 0, "CLP": 0, "KWD": 3, "BHD": 3, "TND": 3}


def decimals(currency: str) -> int:
    return DECIMALS.get(currency, 2)


def from_minor(minor: int, currency: str) -> Decimal:
    """Minor units as a decimal number of the currency's main unit."""
    return Decimal(minor).scaleb(-decimals(currency))


def half_up(value: Decimal) -> int:
    """To whole minor units, half away from zero (the rule on invoices, payments.md 2)."""
    return int(value.to_integral_value(ROUND_HALF_UP))


def percent_of(minor: int, percent: int) -> int:
    """`percent` % of an amount, in whole minor units."""
    return half_up(Decimal(minor) * percent / 100)
