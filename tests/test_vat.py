"""Which VAT an invoice carries, the hint on transfer costs, and money's rounding and formats: tables."""

from __future__ import annotations

import pytest

from market import load_market
from services import vat
from services.accounts import normal_vat_id

HU = load_market("hu")
AT = load_market("at")


@pytest.mark.parametrize(
    ("country", "vat_id", "category", "percent"),
    [
        ("HU", "", "S", 27),
        ("HU", "HU12345676", "S", 27),  # an EU id of the seller's own country: domestic
        ("AT", "ATU13585627", "AE", 0),
        ("AT", "", "S", 27),  # no id: the seller's rate, never reverse charge on trust
        ("GR", "EL094259216", "AE", 0),
        ("CH", "", "O", 0),
        ("CH", "CHE107787577IVA", "O", 0),
        ("GB", "", "O", 0),
        ("NO", "", "O", 0),
    ],
)
def test_vat_follows_country_and_id(country: str, vat_id: str, category: str, percent: int) -> None:
    assert vat.vat_rule(HU, country, vat_id) == vat.VatRule(category, percent)


def test_second_market_has_its_own_rate() -> None:
    assert vat.vat_rule(AT, "AT", "ATU13585627") == vat.VatRule("S", 20)
    assert vat.vat_rule(AT, "HU", "HU12345676") == vat.VatRule("AE", 0)
    silver = AT.tier("silver")
    assert silver
    assert vat.price(silver, vat.VatRule("S", 20)) == vat.Price(10000, 2000, 12000, 20, 0)


def test_prices_in_forint_are_whole_and_half_up() -> None:
    gross = {key: price.gross for key, price in vat.prices(HU, vat.VatRule("S", 27)).items()}
    assert gross == {
        "silver": 50_673,
        "gold": 101_473,
        "platinum": 177_673,
        "corporate-a": 506_730,
        "corporate-b": 1_268_730,
        "corporate-c": 2_538_730,
    }


@pytest.mark.parametrize(
    ("typed", "country", "normal"),
    [
        ("ATU 135-856.27", "AT", "ATU13585627"),
        ("12345676-2-41", "HU", "HU12345676"),
        ("GR 094259216", "GR", "EL094259216"),
        ("el094259216", "GR", "EL094259216"),
    ],
)
def test_vat_ids_are_normalised(typed: str, country: str, normal: str) -> None:
    assert normal_vat_id(typed, country) == normal


@pytest.mark.parametrize(("typed", "country"), [("ATU13585628", "AT"), ("HU12345676", "AT"), ("hello", "HU")])
def test_vat_ids_of_no_form_are_refused(typed: str, country: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        normal_vat_id(typed, country)


@pytest.mark.parametrize(
    ("payer", "forint", "euro"),
    [
        ("HU", "domestic", "sepa_eea"),
        ("AT", "eea_conversion", "sepa_eea"),
        ("NO", "eea_conversion", "sepa_eea"),
        ("CH", "swift", "sepa_other"),
        ("GB", "swift", "sepa_other"),
        ("ZZ", "swift", "swift"),
    ],
)
def test_transfer_hint(payer: str, forint: str, euro: str) -> None:
    assert vat.transfer_hint(payer, HU) == forint
    assert vat.transfer_hint(payer, AT) == euro
