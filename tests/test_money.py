"""Money is whole minor units, rounded half up; and how people read it in both languages."""

from __future__ import annotations

from decimal import Decimal

import pytest

import i18n
from services.money import from_minor, half_up, percent_of


@pytest.mark.parametrize(
    ("net", "percent", "vat"),
    [(1, 27, 0), (2, 27, 1), (50, 27, 14), (150, 27, 41), (79_900, 27, 21_573), (11_900, 27, 3_213), (100, 0, 0)],
)
def test_percent_rounds_half_up(net: int, percent: int, vat: int) -> None:
    assert percent_of(net, percent) == vat  # 50 × 27 % is 13.5, 150 × 27 % is 40.5


@pytest.mark.parametrize(("value", "whole"), [("0.5", 1), ("1.5", 2), ("2.5", 3), ("-2.5", -3), ("2.4999", 2)])
def test_half_up_not_half_even(value: str, whole: int) -> None:
    assert half_up(Decimal(value)) == whole


def test_minor_units_of_each_currency() -> None:
    assert from_minor(101_473, "HUF") == Decimal(101_473)
    assert from_minor(10_050, "EUR") == Decimal("100.50")


@pytest.mark.parametrize(
    ("language", "minor", "currency", "shown"),
    [
        ("hu", 101_473, "HUF", "101 473 Ft"),
        ("hu", 39_900, "HUF", "39 900 Ft"),
        ("hu", 10_000, "EUR", "100,00 €"),
        ("en", 101_473, "HUF", "101,473 HUF"),
        ("en", 250_000, "EUR", "2,500.00 EUR"),
        ("hu", 0, "HUF", "0 Ft"),
    ],
)
def test_money_as_people_write_it(language: str, minor: int, currency: str, shown: str) -> None:
    with i18n.speaking(language):
        assert i18n.money(minor, currency) == shown.replace(" ", i18n.NBSP)
