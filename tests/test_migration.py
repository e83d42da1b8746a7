"""Moving products over: whose old account it is, the proof by mail, preview, move, report; and loading old accounts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from models import Account, AuditEvent, LegacyAccount, LegacyProduct, MailLink, OutboxMail, Product
from services import limits, migration, products
from services.products import Details
from tests.test_products import FULL, NOW, TODAY, at_once, browsing, people

__all__ = ["browsing", "people"]  # fixtures

DEMO = (Path(__file__).parent.parent / "data" / "legacy-demo.csv").read_text("utf-8")
HEADER = "email,number,line,item,serial,purchased,country,dealer\n"
OLD = "cili.regi@example.com"


@pytest.fixture
def cili(people: Any) -> Any:
    """She gave her old address when she made the account, and has proved it; her old account has six products."""
    migration.import_legacy(DEMO, TODAY)
    return people("Cili", old_email=OLD, old_email_proved_at=NOW)


@pytest.fixture
def unproved(people: Any) -> Any:
    """As Cili, before the proof."""
    migration.import_legacy(DEMO, TODAY)
    return people("Cili", old_email=OLD)


def move(person: Any) -> list[migration.MoveRow]:
    return migration.move(person.account, person.user, person.settings, NOW)


# --- whose old account it is ------------------------------------------------------------------------------------------


def test_the_demo_file_holds_cilis_six_products_two_of_them_incomplete(cili: Any) -> None:
    old = migration.candidate(cili.account)
    assert old
    assert (old.email, old.number, migration.waiting(old)) == (OLD, "CPS-900417", 6)
    rows = migration.preview(cili.account)
    assert [row.missing for row in rows if row.verdict == "incomplete"] == [("purchased", "dealer"), ("serial",)]
    assert sum(row.points for row in rows if row.verdict == "moved") == 390  # 1995 → 2385, no corporate switch yet
    assert sum(row.points for row in rows) == 740  # … and each of the two leads beyond 2500


@pytest.mark.parametrize("old_email", ["", "nobody@example.com"])
def test_without_a_matching_old_address_there_is_no_button(people: Any, old_email: str) -> None:
    migration.import_legacy(DEMO, TODAY)
    assert migration.candidate(people("Anna", old_email=old_email).account) is None


def test_an_old_account_that_somebody_else_claimed_is_no_candidate(cili: Any, people: Any) -> None:
    move(cili)
    migration.import_legacy(HEADER + f"{OLD},CPS-900417,417-7,eos-r8,,,,\n", TODAY)
    assert migration.candidate(people("Anna", old_email=OLD, old_email_proved_at=NOW).account) is None
    assert migration.candidate(cili.account)  # hers, with one more to move


def test_an_unproved_address_moves_nothing(unproved: Any) -> None:
    assert migration.needs_proof(unproved.account, unproved.user)
    with pytest.raises(migration.NotProved):
        move(unproved)
    assert Product.select().count() == 0
    assert LegacyAccount.get(LegacyAccount.email == OLD).claimed_by is None


def test_the_log_in_address_needs_no_proof(people: Any) -> None:
    migration.import_legacy(DEMO.replace(OLD, "cili@example.com"), TODAY)
    cili = people("Cili", old_email="cili@example.com")
    assert not migration.needs_proof(cili.account, cili.user)
    assert len(move(cili)) == 6


# --- the move ---------------------------------------------------------------------------------------------------------


def test_moving_reports_every_product(cili: Any, people: Any) -> None:
    anna = people("Anna")
    anna.registers("600ex2", replace(FULL, serial="2801004172"))
    cili.registers("ef-40-28", replace(FULL, serial="3851041707"))
    expected = [
        ("EF 24-70mm f/2.8L II USM", "moved", 170, ()),
        ("EOS 6D Mark II", "moved", 155, ()),
        ("Speedlite 600EX II-RT", "taken", 0, ()),
        ("EF 40mm f/2.8 STM", "owned", 0, ()),
        ("TS-E 24mm f/3.5L II", "incomplete", 165, ("purchased", "dealer")),
        ("EF 100-400mm f/4.5-5.6L IS II USM", "incomplete", 185, ("serial",)),
    ]
    for rows in (migration.preview(cili.account), move(cili), migration.report(cili.account)):
        assert [(row.name, row.verdict, row.points, row.missing) for row in rows] == expected
    assert cili.points() == 15 + 170 + 155
    assert {product.source for product in Product.of(cili.account)} == {"manual", "migrated"}


def test_moving_twice_changes_nothing(cili: Any) -> None:
    assert len(move(cili)) == 6
    before = list(Product.select().order_by(Product.id).dicts())
    for _ in range(2):
        with pytest.raises(migration.NothingToMove):
            move(cili)
    assert list(Product.select().order_by(Product.id).dicts()) == before
    assert cili.points() == 390
    assert AuditEvent.select().where(AuditEvent.action == "products.migrated").count() == 1


def test_pressing_twice_at_the_same_moment_moves_once(cili: Any) -> None:
    outcome = at_once(lambda: move(cili), lambda: move(cili))
    assert set(outcome) == {list, migration.NothingToMove}
    assert (Product.select().count(), cili.points()) == (6, 390)


def test_two_accounts_claim_the_same_old_account_at_the_same_moment(cili: Any, people: Any) -> None:
    anna = people("Anna", old_email=OLD, old_email_proved_at=NOW)
    outcome = at_once(lambda: move(cili), lambda: move(anna))
    assert set(outcome) == {list, migration.NothingToMove}
    assert cili.points() + anna.points() == 390
    assert LegacyAccount.get(LegacyAccount.email == OLD).claimed_at == NOW


def test_a_move_that_fails_half_way_leaves_nothing(cili: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = products.add, []

    def fails_at_the_fourth(*args: Any) -> Product:
        calls.append(args)
        if len(calls) == 4:
            raise RuntimeError("the power went")
        return real(*args)

    monkeypatch.setattr(products, "add", fails_at_the_fourth)
    with pytest.raises(RuntimeError):
        move(cili)
    assert (Product.select().count(), cili.points()) == (0, 0)
    assert LegacyProduct.select().where(LegacyProduct.outcome.is_null(False)).count() == 0
    monkeypatch.undo()
    assert len(move(cili)) == 6


def test_the_same_unit_twice_in_an_old_account_moves_once(people: Any) -> None:
    row = f"{OLD},CPS-1,%s,eos-r5,012345678901,2024,HU,Fotó\n"
    migration.import_legacy(HEADER + row % 1 + row % 2, TODAY)
    cili = people("Cili", old_email=OLD, old_email_proved_at=NOW)
    assert [row.verdict for row in migration.preview(cili.account)] == ["moved", "owned"]
    assert [row.verdict for row in move(cili)] == ["moved", "owned"]


def test_a_move_that_passes_500_invites_once(people: Any) -> None:
    migration.import_legacy(
        HEADER + f"{OLD},1,1,eos-r1,11111,2024,HU,Fotó\n{OLD},1,2,eos-r3,22222,2024,HU,Fotó\n", TODAY
    )
    cili = people("Cili", old_email=OLD, old_email_proved_at=NOW)
    move(cili)
    assert (cili.points(), cili.invitations()) == (1000, 1)


def test_the_report_knows_what_was_completed_since(cili: Any) -> None:
    move(cili)
    for product in Product.of(cili.account).where(Product.completed_at.is_null()):
        details = Details(product.serial or "5111222233", "2019", True, "HU", "nem tudom")
        products.edit(product, details, cili.user, cili.settings, NOW)
    assert {row.verdict for row in migration.report(cili.account)} == {"moved"}
    assert cili.points() == 740


# --- the proof --------------------------------------------------------------------------------------------------------


def ask(person: Any, now: dt.datetime = NOW) -> str:
    """Ask for the proof mail; the token in it."""
    migration.request_proof(person.account, person.user, person.settings, now)
    mail = OutboxMail.select().order_by(OutboxMail.id.desc()).get()
    assert mail.recipient == OLD
    found = re.search(r"https://portal\.example\.hu/products/migration/proof/(\S+)", mail.text)
    assert found
    return found[1]


def confirm(token: str, now: dt.datetime = NOW) -> bool:
    link = migration.proof(token, now)
    if link:
        migration.prove(link, now)
    return link is not None


def test_the_mailed_link_proves_the_address_for_seven_days(unproved: Any) -> None:
    token = ask(unproved)
    assert token not in str(list(MailLink.select().dicts()))  # only its hash is kept
    assert not confirm(token, NOW + dt.timedelta(days=7))
    assert confirm(token, NOW + dt.timedelta(days=7, seconds=-1))
    assert Account.get().old_email_proved_at
    assert confirm(token, NOW + dt.timedelta(days=30))  # pressing again says "confirmed" and changes nothing
    assert AuditEvent.select().where(AuditEvent.action == "old_email.proved").count() == 1


def test_a_newer_link_ends_the_older_one(unproved: Any) -> None:
    first, second = ask(unproved), ask(unproved)
    assert not confirm(first)
    assert confirm(second)


def test_a_link_proves_only_the_address_it_went_to(unproved: Any) -> None:
    token = ask(unproved)
    Account.update(old_email="somebody@example.com").where(Account.id == unproved.account.id).execute()
    assert not confirm(token)
    assert Account.get().old_email_proved_at is None


def test_other_links_and_nonsense_prove_nothing(unproved: Any) -> None:
    token = ask(unproved)
    MailLink.update(purpose="reset").execute()
    assert not confirm(token)
    assert not confirm("nonsense")


def test_no_mail_goes_to_an_address_without_an_old_account(people: Any) -> None:
    anna = people("Anna", old_email="stranger@example.com")
    with pytest.raises(migration.NothingToMove):
        migration.request_proof(anna.account, anna.user, anna.settings, NOW)
    assert OutboxMail.select().count() == 0


def test_three_proof_mails_an_hour(unproved: Any) -> None:
    for _ in range(3):
        ask(unproved)
    with pytest.raises(limits.Refused) as refused:
        ask(unproved)
    assert 0 < refused.value.wait <= 20 * 60
    ask(unproved, NOW + dt.timedelta(minutes=20))


# --- the pages --------------------------------------------------------------------------------------------------------


def test_the_blue_button_shows_with_its_count(cili: Any, browsing: Any, page: Any) -> None:
    button = page(browsing(cili).get("/products")).select_one('a.button[href="/products/migration"]')
    assert button.get_text() == "MIGRATE PRODUCTS (6)"


def test_without_the_button_there_are_three_ways(people: Any, browsing: Any, page: Any) -> None:
    client = browsing(people("Anna"))
    helpdesk = "mailto:segitseg@cps.example"
    for soup in (page(client.get("/products")), page(client.get("/products/migration"))):
        assert not soup.select_one('a.button[href="/products/migration"]')
        for way in (
            "/account#old-email",
            "/products#add-product",
            helpdesk,
            "/faq#no-migrate-button",
        ):
            assert soup.find("main").find("a", href=way), way


def test_preview_move_and_report(cili: Any, browsing: Any, page: Any) -> None:
    client = browsing(cili)
    soup = page(client.get("/products/migration"))
    assert len(soup.select("tbody tr")) == 6
    assert "Missing: purchase date, dealer" in soup.find("table").get_text()
    form = soup.find("main").find("form")
    assert form.find("button").get_text() == "Move 6 products"
    for _ in range(2):  # a double click
        response = client.post(form["action"])
        assert (response.status_code, response.location) == (303, "/products/migration")
    soup = page(client.get("/products/migration"))
    assert "6 products were moved." in soup.get_text()
    assert len(soup.select("tbody tr")) == 6
    assert not soup.find("main").find("form")
    listed = page(client.get("/products"))
    assert len(listed.select("#product-list > li")) == 6
    assert listed.find("a", href="/products/migration").get_text() == "What was moved from your old account"
    assert not listed.select_one('a.button[href="/products/migration"]')


def test_nothing_of_the_old_account_shows_before_the_proof(unproved: Any, browsing: Any, page: Any) -> None:
    client = browsing(unproved)
    soup = page(client.get("/products/migration"))
    assert OLD in soup.get_text()
    refused = client.post("/products/migration")
    assert refused.status_code == 403
    for text in (soup.get_text(), page(refused).get_text()):
        assert "EOS 6D" not in text
        assert "3710004418" not in text
    assert Product.select().count() == 0


def test_the_proof_on_another_device(unproved: Any, browsing: Any, page: Any, app: Flask) -> None:
    client = browsing(unproved)
    asked = client.post("/products/migration/proof")
    assert (asked.status_code, asked.location) == (303, "/products/migration")
    assert client.get("/products/migration/proof").location == "/products/migration"
    found = re.search(r"/products/migration/proof/\S+", OutboxMail.get().text)
    assert found
    url = found[0]
    phone: FlaskClient = app.test_client()  # not logged in
    for _ in range(2):  # a mail scanner opens every link
        response = phone.get(url, headers={"Accept-Language": "en"})
        assert response.headers["Cache-Control"] == "no-store"
        assert page(response).find("main").find("form")["action"] == url
    assert Account.get().old_email_proved_at is None
    assert phone.post(url).location == url
    done = page(phone.get(url, headers={"Accept-Language": "en"}))
    assert "confirmed" in done.find("h1").get_text()
    assert not done.find("main").find("form")
    assert Account.get().old_email_proved_at
    assert len(page(client.get("/products/migration")).select("tbody tr")) == 6


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_dead_link_shows_the_way_on(unproved: Any, client: FlaskClient, page: Any, method: str) -> None:
    response = getattr(client, method)("/products/migration/proof/nonsense")
    assert response.status_code == 404
    assert page(response).find("main").find("a", href="/products/migration")


def test_the_fourth_proof_mail_in_an_hour_is_429(unproved: Any, browsing: Any) -> None:
    client = browsing(unproved)
    answers = [client.post("/products/migration/proof").status_code for _ in range(4)]
    assert answers == [303, 303, 303, 429]


def test_asking_for_a_proof_without_an_old_account_sends_nothing(people: Any, browsing: Any) -> None:
    response = browsing(people("Anna", old_email="x@example.com")).post("/products/migration/proof")
    assert response.location == "/products/migration"
    assert OutboxMail.select().count() == 0


# --- loading old accounts ---------------------------------------------------------------------------------------------


def rows_of(text: str) -> list[tuple[int, str]]:
    return [(row.line, row.verdict) for row in migration.import_legacy(text, TODAY).rows]


def test_loading_twice_changes_nothing(people: Callable[..., Any]) -> None:
    assert {verdict for _, verdict in rows_of(DEMO)} == {"added"}
    assert {verdict for _, verdict in rows_of(DEMO)} == {"same"}
    assert (LegacyAccount.select().count(), LegacyProduct.select().count()) == (2, 9)


def test_bad_rows_are_refused_with_their_line_and_good_ones_kept(people: Any) -> None:
    text = (
        HEADER
        + "Old@Example.com,CPS-1,1,eos-r5,012345678901,2024.05.,HU,Fotó\n"
        + "not an address,CPS-1,2,eos-r5,,,,\n"  # 3
        + "old@example.com,CPS-1,,eos-r5,,,,\n"  # 4: no key
        + "old@example.com,CPS-1,3,lp-e6p,,,,\n"  # 5: cannot be registered
        + "old@example.com,CPS-1,3,nikon-z9,,,,\n"  # 6
        + "old@example.com,CPS-1,3,eos-r5,1234,,,\n"  # 7: too short
        + "old@example.com,CPS-1,3,eos-r5,,2027,,\n"  # 8: the future
        + "old@example.com,CPS-1,3,eos-r5,,,Hungary,\n"  # 9
        + f"old@example.com,CPS-1,3,eos-r5,,,,{'x' * 121}\n"  # 10
        + "old@example.com,CPS-1,1,eos-r5,,,,\n"  # 11: line 1 again
        + "old@example.com,CPS-1,3,eos-r5\n"  # 12
        + "old@example.com,CPS-1,3,eos-r5,,,,\n"
    )
    assert rows_of(text) == [(2, "added"), *((line, "refused") for line in range(3, 13)), (13, "added")]
    kept = LegacyProduct.select().order_by(LegacyProduct.id).get()
    assert (kept.legacy_account.email, kept.purchased, kept.dealer) == ("old@example.com", "2024-05", "Fotó")


def test_a_wrong_header_loads_nothing(people: Any) -> None:
    assert rows_of("email;line\nx@example.com;1\n") == [(1, "refused")]


def test_a_corrected_row_changes_what_waits_but_not_what_was_moved(cili: Any) -> None:
    corrected = DEMO.replace("4417000512,,HU,", "4417000512,2018,HU,Fotó Minta Kft.")
    assert (6, "changed") in rows_of(corrected)
    assert [row.verdict for row in migration.preview(cili.account)].count("incomplete") == 1
    move(cili)
    assert rows_of(DEMO)[4] == (6, "refused")
    assert {verdict for _, verdict in rows_of(corrected)} == {"same"}


def test_a_new_old_number_is_taken_until_the_account_is_claimed(cili: Any) -> None:
    renumbered = DEMO.replace("CPS-900417", "CPS-900418")
    assert rows_of(renumbered)[0] == (2, "changed")
    assert LegacyAccount.get(LegacyAccount.email == OLD).number == "CPS-900418"
    move(cili)
    assert {verdict for line, verdict in rows_of(DEMO) if line < 8} == {"refused"}
