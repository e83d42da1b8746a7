"""Invoices: gap-free, frozen, in the right order; their page, list, references and codes; other people's are 404."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from peewee import DatabaseError, PeeweeException
from stdnum import iso11649, luhn
from werkzeug.test import TestResponse

from models import Account, Counter, Invoice, LegacyAccount, Membership, OutboxMail, db
from services import counters, invoices, memberships
from services.payments import qr
from tests.money_kit import DUE, NOW, TODAY, account_of, customer, join, log_in

Page = Callable[[TestResponse], BeautifulSoup]


# --- numbers --------------------------------------------------------------------------------------------------------


def test_membership_number_and_its_check_digit(settings: Any, connected: Any) -> None:
    first, _ = join(settings(), customer(1000))
    second, _ = join(settings(), customer(1000, email="bela@example.com"))
    assert re.fullmatch(r"CPS-HU-000001-\d", first.number)
    assert second.number.startswith("CPS-HU-000002-")
    for membership in (first, second):
        assert luhn.is_valid("".join(membership.number.split("-")[2:]))
        assert not luhn.is_valid("000010" + membership.number[-1])


def test_old_number_comes_from_the_old_programme_then_from_here(settings: Any, connected: Any) -> None:
    user = customer(1000)
    LegacyAccount.create(email="old@example.com", number="H-4711", claimed_by=user.account, claimed_at=NOW)
    first, _ = join(settings(), user)
    assert first.old_number == "H-4711"
    memberships.expire(first.id)
    with pytest.raises(invoices.InvoiceOpen):  # the first year was not paid yet
        join(settings(), user)
    with db.atomic():
        invoices.book(Invoice.get(), Invoice.get().gross, TODAY, "cli")
    second, _ = join(settings(), user)
    assert second.old_number == first.number != second.number


def test_numbers_need_a_transaction(connected: Any) -> None:
    with pytest.raises(RuntimeError):
        counters.take("invoice:CPS-2026")


def test_invoice_numbers_have_no_gap_after_rollbacks(settings: Any, connected: Any) -> None:
    for n in range(6):
        user = customer(1000, email=f"u{n}@example.com")
        try:
            with db.atomic():
                join(settings(), user)
                if n % 2:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    assert [invoice.number for invoice in Invoice.select().order_by(Invoice.id)] == [
        f"CPS-2026-{n:06d}" for n in (1, 2, 3)
    ]


def test_invoice_numbers_have_no_gap_on_threads(settings: Any, connected: Any) -> None:
    made = settings()
    users = [customer(1000, email=f"u{n}@example.com") for n in range(12)]

    def work(user: Any) -> None:
        try:
            join(made, user)
        finally:
            db.close()

    threads = [threading.Thread(target=work, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(invoice.number for invoice in Invoice.select()) == [f"CPS-2026-{n:06d}" for n in range(1, 13)]


def test_demo_has_a_series_of_its_own(settings: Any, connected: Any) -> None:
    _, invoice = join(settings(demo=True), customer(1000))
    assert invoice.number == "DEMO-CPS-2026-000001"
    assert invoice.demo


def test_each_year_starts_a_series_and_days_never_run_back(settings: Any, connected: Any) -> None:
    made = settings()
    join(made, customer(1000), today=dt.date(2026, 12, 31))
    _, invoice = join(made, customer(1000, email="b@example.com"), today=dt.date(2027, 1, 1))
    assert invoice.number == "CPS-2027-000001"
    with pytest.raises(invoices.IssuedOutOfOrder):
        join(made, customer(1000, email="c@example.com"), today=dt.date(2026, 12, 31))
    assert Counter.get(Counter.name == "invoice:CPS-2026").last == 1
    assert Membership.select().count() == 2


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-24", "2027-11-23"),
        ("2028-02-29", "2029-02-28"),
        ("2027-03-01", "2028-02-29"),
        ("2027-01-01", "2027-12-31"),
    ],
)
def test_term_is_a_year(start: str, end: str) -> None:
    assert memberships.last_day(dt.date.fromisoformat(start)) == dt.date.fromisoformat(end)


# --- frozen ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", [Invoice.number, Invoice.gross, Invoice.net, Invoice.due_on, Invoice.buyer])
def test_issued_invoice_is_frozen(settings: Any, connected: Any, column: Any) -> None:
    _, invoice = join(settings(), customer(1000))
    new: dict[Any, Any] = {
        Invoice.number: "CPS-2026-000099",
        Invoice.gross: 1,
        Invoice.net: 1,
        Invoice.due_on: DUE + dt.timedelta(days=1),
        Invoice.buyer: {"company": "other"},
    }
    with pytest.raises((DatabaseError, PeeweeException)):
        Invoice.update({column: new[column]}).where(Invoice.id == invoice.id).execute()
    with pytest.raises((DatabaseError, PeeweeException)):
        Invoice.delete().where(Invoice.id == invoice.id).execute()
    assert Invoice.get_by_id(invoice.id).number == invoice.number


def test_invoice_keeps_what_it_was_issued_with(settings: Any, connected: Any) -> None:
    user = customer(1000)
    _, invoice = join(settings(), user, purchase_order="PO-7", country="AT", vat_id="ATU13585627")
    Account.update(company="New name").where(Account.id == account_of(user).id).execute()
    kept = Invoice.get_by_id(invoice.id)
    assert kept.buyer["company"] == "Képkockák Kft."
    assert kept.buyer["purchase_order"] == "PO-7"
    assert kept.seller["iban"] == "HU42117730161111101800000000"
    assert (kept.vat_category, kept.vat_rate, kept.vat, kept.gross) == ("AE", 0, 0, 79_900)
    assert (kept.issued_on, kept.due_on) == (TODAY, DUE)
    assert (kept.period_from, kept.period_to) == (TODAY, dt.date(2027, 11, 23))


# --- references and codes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["CPS-2026-000123", "DEMO-CPS-2026-000001", "DEMO-ABCDEF-2026-999999"])
def test_reference_is_valid_iso_11649(number: str) -> None:
    reference = invoices.rf_reference(number)
    assert iso11649.is_valid(reference)
    assert reference[4:] == number.replace("-", "")


def test_reference_known_from_the_standard() -> None:
    assert invoices.rf_reference("539007547034") == "RF18539007547034"


HCT = {
    "payee": "Pro Képtár Szolgáltató Kft.",
    "iban": "HU42117730161111101800000000",
    "bic": "OTPVHUHB",
    "amount": 101_473,
    "reference": "RF46202600012300",
    "invoice": "CPS-2026-000123",
    "member": "CPS-HU-000123-0",
    "valid_until": dt.datetime(2027, 1, 23, 23, 59, 59, tzinfo=dt.timezone(dt.timedelta(hours=1))),
}


def test_hungarian_code_has_seventeen_fields() -> None:
    fields = qr.hct(**HCT).split("\n")  # type: ignore[arg-type]
    assert len(fields) == 18
    assert fields[17] == ""
    assert fields[:8] == [
        "HCT", "001", "1", "OTPVHUHBXXX", "Pro Képtár Szolgáltató Kft.", "HU42117730161111101800000000", "HUF101473",
        "20270123235959+1",
    ]  # fmt: skip
    assert (fields[9], fields[12], fields[13]) == ("RF46202600012300", "CPS-2026-000123", "CPS-HU-000123-0")


@pytest.mark.parametrize(
    "change", [{"payee": "Hakan Şükür"}, {"payee": "x" * 71}, {"amount": 0}, {"iban": "AT611904300234573201"}]
)
def test_no_code_where_it_would_not_be_read(change: dict[str, Any]) -> None:
    assert qr.transfer_code(**{**HCT, "currency": "HUF", **change}) is None


def test_no_code_when_the_bytes_do_not_fit() -> None:
    long = {"payee": "ő" * 70, "reference": "ű" * 70, "invoice": "ű" * 35, "member": "ű" * 35}
    assert qr.transfer_code(**{**HCT, "currency": "HUF", **long}) is None  # type: ignore[arg-type]


def test_euro_code_carries_the_reference() -> None:
    euro = {**HCT, "currency": "EUR", "iban": "AT611904300234573201", "bic": "BKAUATWW"}
    euro["reference"] = invoices.rf_reference("CPSAT-2026-000001")
    code = qr.transfer_code(**euro)  # type: ignore[arg-type]
    assert code is not None
    drawn = qr.svg(code, 176)
    assert drawn.startswith('<svg width="176" height="176"')
    assert "style=" not in drawn


# --- pages ----------------------------------------------------------------------------------------------------------


def test_invoice_page_shows_how_to_transfer(client: FlaskClient, page: Page, app: Any) -> None:
    user = customer(1000)
    _, invoice = join(app.config["PORTAL"], user)
    answer = log_in(client, user).get(f"/invoices/{invoice.number}", headers={"Accept-Language": "hu"})
    soup = page(answer)
    text = soup.main.get_text(" ", strip=True).replace("\xa0", " ")  # type: ignore[union-attr]
    for shown in ("101 473 Ft", "79 900 Ft", "21 573 Ft", "HU42 1177 3016", "2026. december 24.", "Képkockák Kft."):
        assert shown in text
    assert soup.select_one(f'[data-copy="{invoice.reference}"]')
    assert soup.select_one("figure svg path")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "nem számviteli" not in text


@pytest.mark.parametrize("language", ["hu", "en"])
@pytest.mark.parametrize(
    ("country", "vat_id", "notes"),
    [
        ("AT", "ATU13585627", ("Fordított adózás", "Reverse charge")),
        ("CH", "", ("Az áfa területi hatályán kívül", "Outside the scope of EU VAT")),
    ],
)
def test_invoice_says_in_both_languages_why_there_is_no_vat(
    client: FlaskClient, app: Any, language: str, country: str, vat_id: str, notes: tuple[str, str]
) -> None:
    user = customer(1000)
    user.language = language
    user.save()
    _, invoice = join(app.config["PORTAL"], user, country=country, vat_id=vat_id)
    text = log_in(client, user).get(f"/invoices/{invoice.number}").text
    assert all(note in text for note in notes)


def test_demo_invoice_says_so(make_app: Any, page: Page) -> None:
    app = make_app(demo=True)
    user = customer(1000)
    _, invoice = join(app.config["PORTAL"], user)
    assert "nem számviteli bizonylat" in log_in(app.test_client(), user).get(f"/invoices/{invoice.number}").text


def test_euro_market_invoices_in_euro(make_app: Any, page: Page) -> None:
    app = make_app("at")
    user = customer(1000, country="AT")
    membership, invoice = join(app.config["PORTAL"], user, country="AT")
    assert membership.number.startswith("CPS-AT-000001-")
    assert (invoice.number, invoice.net, invoice.vat, invoice.gross) == ("CPSAT-2026-000001", 20_000, 4_000, 24_000)
    soup = page(log_in(app.test_client(), user).get(f"/invoices/{invoice.number}"))
    assert "240,00\xa0€" in soup.main.get_text()  # type: ignore[union-attr]
    assert soup.select_one("figure svg")


def test_list_of_invoices_with_their_states(client: FlaskClient, page: Page, app: Any) -> None:
    user = customer(1000)
    log_in(client, user)
    assert page(client.get("/invoices")).select_one(".empty")
    _, invoice = join(app.config["PORTAL"], user)
    soup = page(client.get("/invoices"))
    assert soup.select_one(f'a[href="/invoices/{invoice.number}"]')


@pytest.mark.parametrize("state", ["active", "suspended", "cancelled", "expired"])
def test_membership_page_in_every_state(client: FlaskClient, page: Page, app: Any, state: str) -> None:
    user = customer(1000)
    log_in(client, user)
    assert page(client.get("/membership")).select_one(".empty a[href='/tiers']")
    membership, invoice = join(app.config["PORTAL"], user)
    Membership.update(status=state).where(Membership.id == membership.id).execute()
    soup = page(client.get("/membership"))
    assert bool(soup.select_one(".member-card")) is (state in ("active", "suspended"))
    assert membership.number in soup.main.get_text()  # type: ignore[union-attr]
    if state == "suspended":
        assert soup.select_one(f'.notice a[href="/invoices/{invoice.number}"]')


def test_other_peoples_invoices_do_not_exist(client: FlaskClient, make_app: Any, app: Any) -> None:
    _, invoice = join(app.config["PORTAL"], customer(1000, email="owner@example.com"))
    log_in(client, customer(1000))
    assert client.get(f"/invoices/{invoice.number}").status_code == 404
    assert client.get("/invoices/CPS-2026-999999").status_code == 404


def test_two_mails_once(settings: Any, connected: Any) -> None:
    membership, invoice = join(settings(), customer(1000))
    keys = {mail.key for mail in OutboxMail.select()}
    assert keys == {f"welcome:{membership.number}", f"invoice:{invoice.number}"}
