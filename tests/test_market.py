"""A market file is believed or refused with the line that is wrong; both shipped markets hold."""

from __future__ import annotations

from pathlib import Path

import pytest

import market

HU = (market.FOLDER / "hu.toml").read_text("utf-8")


def read(tmp_path: Path, source: str) -> market.Market:
    path = tmp_path / "try.toml"
    path.write_text(source, "utf-8")
    return market.read_market(path)


@pytest.mark.parametrize(("code", "currency", "percent"), [("hu", "HUF", 27), ("at", "EUR", 20)])
def test_both_markets_load(code: str, currency: str, percent: int) -> None:
    made = market.load_market(code)
    assert (made.currency, made.vat_percent) == (currency, percent)
    assert [tier.opens_at() for tier in made.tiers] == [500, 1000, 1600, 2501, 2501, 2501]
    assert made.seller.country == made.countries[0]


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("fee = 79900", 'fee = "79900"', "tiers gold.fee must be a whole number"),
        ("fee = 79900", "fee = 799.5", "tiers gold.fee must be a whole number"),
        ("fee = 79900", "fee = -1", "tiers gold.fee must be from 1"),
        ("fee = 79900\n", "", "tiers gold.fee is missing"),
        ("vat_percent = 27", "vat_percent = 270", "vat_percent must be from 0 to 40"),
        ('currency = "HUF"', 'currency = "Ft"', "currency must be an ISO 4217 code"),
        ('timezone = "Europe/Budapest"', 'timezone = "Europe/Buda"', "timezone is not a time zone"),
        ('iban = "HU42', 'iban = "HU43', "seller.iban is not a valid IBAN"),
        ('bic = "OTPVHUHB"', 'bic = "OTP"', "seller.bic is not a valid BIC"),
        ("reminder_days = [1, 7, 14]", "reminder_days = [7, 1]", "terms.reminder_days must list days"),
        ("cancel_days = 60", "cancel_days = 10", "terms.cancel_days must be from 15"),
        ("min_points = 1000", "min_points = 400", "tiers must hold"),
        ("corporate_above = 2500", "corporate_above = 2400", "corporate_above must be the strict threshold"),
        ("due_days = 30", "due_days = 30\ndue_dayz = 30", "terms.due_dayz is not an entry of a market file"),
        ('helpdesk_email = "segitseg@cps.example"', 'helpdesk_email = ""', "contacts.helpdesk_email is empty"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_line(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    assert right in HU
    source = HU.replace(right, wrong, 1)
    with pytest.raises(market.MarketError, match=says) as refused:
        read(tmp_path, source)
    number = int(str(refused.value).partition("line ")[2].partition(":")[0])
    key = wrong.splitlines()[-1].partition(" =")[0] if wrong else "[tiers.gold]"
    if not says.startswith("tiers must"):
        assert source.splitlines()[number - 1].startswith(key)


def test_nobody_is_reminded_of_a_cancelled_membership(tmp_path: Path) -> None:
    with pytest.raises(market.MarketError, match=r"terms\.cancel_days must be from 71"):
        read(tmp_path, HU.replace("reminder_days = [1, 7, 14]", "reminder_days = [1, 70]"))


def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(market.MarketError, match=r"try\.toml: .*line 2"):
        read(tmp_path, 'programme = "CPS"\ncurrency = HUF\n')


@pytest.mark.parametrize("code", ["xx", "../hu", "", "HU"])
def test_an_unknown_market_is_refused(code: str) -> None:
    with pytest.raises(market.MarketError):
        market.load_market(code)
