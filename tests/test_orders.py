"""From a tier to a membership: both roads through the pages, and one membership however the order is sent."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models import Counter, Invoice, LegacyAccount, Membership, Order, OutboxMail, PointEvent, SavedCard, User, db
from services import invoices, orders
from tests.money_kit import BILLING, DUE, NOW, TODAY, Bank, account_of, bank, customer, join, log_in

__all__ = ["bank"]
Page = Callable[[TestResponse], BeautifulSoup]
FORM = {**BILLING, "method": "transfer", "payment_country": "HU"}


@pytest.fixture
def demo(make_app: Any, clock: Any) -> Flask:
    """A demo portal on 24 November 2026."""
    app: Flask = make_app(demo=True)
    return app


@pytest.fixture
def user(demo: Flask) -> User:
    return customer(1100)


@pytest.fixture
def browser(demo: Flask, user: User) -> FlaskClient:
    return log_in(demo.test_client(), user)


def text(soup: BeautifulSoup) -> str:
    assert soup.main
    return soup.main.get_text(" ", strip=True).replace("\xa0", " ")


def order_button(soup: BeautifulSoup) -> dict[str, str]:
    """What the form around the order button sends."""
    button = soup.select_one("button[value=order]")
    assert button
    form = button.find_parent("form")
    assert isinstance(form, Tag)
    return {str(field["name"]): str(field["value"]) for field in form.select("input, button")}


def to_check(browser: FlaskClient, tier: str = "gold", **typed: str) -> str:
    """Fill in the first page; the address it leads to."""
    answer = browser.post(f"/tiers/{tier}/join", data={**FORM, **typed})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


# --- the two roads --------------------------------------------------------------------------------------------------


def test_transfer_road(browser: FlaskClient, user: User, page: Page) -> None:
    first = page(browser.get("/tiers/gold/join"))
    assert first.select_one("#company")["value"] == "Képkockák Kft."  # type: ignore[index]
    assert "101 473 Ft" in text(first)
    assert "2026. december 24." in text(first)

    address = to_check(browser)
    check = page(browser.get(address))
    assert "101 473 Ft" in order_button_label(check)
    assert not Membership.select().exists()

    placed = browser.post(address, data=order_button(check))
    assert (placed.status_code, placed.location) == (303, address)
    done = page(browser.get(address))
    membership = Membership.get()
    assert done.select_one(".number").get_text(strip=True).startswith(membership.number)  # type: ignore[union-attr]
    assert "2026. december 24." in text(done)
    invoice = Invoice.get()
    assert (invoice.method, invoice.status, invoice.due_on) == ("transfer", "open", DUE)
    assert {mail.name for mail in OutboxMail.select()} == {"member-welcome", "invoice-issued"}


def order_button_label(soup: BeautifulSoup) -> str:
    button = soup.select_one("button[value=order]")
    assert button
    return button.get_text(strip=True).replace("\xa0", " ")


def test_card_road(browser: FlaskClient, page: Page) -> None:
    card_page = to_check(browser, method="card")
    assert card_page.startswith("/demo/card/")
    soup = page(browser.get(card_page))
    assert not soup.select("main input:not([type=hidden])")  # never a field for a card number
    back = browser.post(card_page, data={"choice": "pays"}).location
    check = page(browser.get(back))
    assert "•••• 4242" in text(check)
    assert not SavedCard.select().exists()  # coming back is a GET: it writes nothing

    address = back.partition("?")[0]
    browser.post(address, data=order_button(check))
    assert "•••• 4242" in text(page(browser.get(address)))
    card = SavedCard.get()
    assert (card.gateway, card.last4, card.consented_at) == ("demo", "4242", NOW)
    invoice = Invoice.get()
    assert (invoice.method, invoice.card, invoice.paid) == ("card", card, 0)


def test_card_that_asks_for_confirmation(browser: FlaskClient, page: Page) -> None:
    card_page = to_check(browser, method="card")
    asks = browser.post(card_page, data={"choice": "confirm"}).location
    assert page(browser.get(asks)).select_one("button[value=confirmed]")
    assert "3220" in text(page(browser.get(browser.post(card_page, data={"choice": "confirmed"}).location)))
    refused = page(browser.get(browser.post(card_page, data={"choice": "refused"}).location))
    assert not refused.select("button[value=order]")


@pytest.mark.parametrize("choice", ["refused", "cancel"])
def test_no_card_saved_offers_another_card_or_transfer(browser: FlaskClient, page: Page, choice: str) -> None:
    back = browser.post(to_check(browser, method="card"), data={"choice": choice}).location
    soup = page(browser.get(back))
    assert soup.select_one(".notice.amber")
    assert not soup.select("button[value=order]")
    address = back.partition("?")[0]
    assert browser.post(address, data={"action": "order", "gross": "101473"}).status_code == 422
    assert browser.post(address, data={"action": "card"}).location.startswith("/demo/card/")
    assert browser.post(address, data={"action": "transfer"}).location == address
    browser.post(address, data=order_button(page(browser.get(address))))
    assert Invoice.get().method == "transfer"


def test_changes_keep_the_saved_card(browser: FlaskClient, page: Page) -> None:
    back = browser.post(to_check(browser, method="card"), data={"choice": "pays"}).location
    change = next(link["href"] for link in page(browser.get(back)).select("main dd a") if "order=" in str(link["href"]))
    form = page(browser.get(str(change))).select_one("main form.form")
    assert form
    hidden = {str(field["name"]): str(field["value"]) for field in form.select("input[type=hidden]")}
    again = browser.post("/tiers/gold/join", data={**FORM, "method": "card", "city": "Szeged", **hidden})
    assert again.location.partition("?")[0] == back.partition("?")[0]
    check = page(browser.get(again.location))
    assert "Szeged" in text(check)
    assert "•••• 4242" in text(check)
    assert Order.select().count() == 1


def test_old_number_is_shown_beside_the_new(browser: FlaskClient, user: User, page: Page) -> None:
    LegacyAccount.create(email="old@example.com", number="H-4711", claimed_by=user.account, claimed_at=NOW)
    address = to_check(browser)
    browser.post(address, data=order_button(page(browser.get(address))))
    assert "H-4711" in text(page(browser.get(address)))
    assert "H-4711" in text(page(browser.get("/membership")))


def test_reverse_charge_on_the_check_page(browser: FlaskClient, page: Page) -> None:
    soup = page(browser.get(to_check(browser, country="AT", vat_id="ATU 13585627")))
    assert "Fordított adózás" in text(soup)
    assert "Reverse charge" in text(soup)
    assert order_button(soup)["gross"] == "79900"
    assert "ATU13585627" in text(soup)


# --- the first page -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"method": ""}, "method"),
        ({"method": "cash"}, "method"),
        ({"payment_country": "XX"}, "payment_country"),
        ({"company": " "}, "company"),
        ({"country": "US"}, "country"),
        ({"vat_id": "HU12345675"}, "vat_id"),
        ({"country": "AT", "vat_id": "HU12345676"}, "vat_id"),
        ({"street": "x" * 121}, "street"),
        ({"postcode": ""}, "postcode"),
        ({"city": ""}, "city"),
        ({"purchase_order": "x" * 41}, "purchase_order"),
    ],
)
def test_bad_first_page_is_422_and_keeps_what_was_typed(
    browser: FlaskClient, page: Page, wrong: dict[str, str], field: str
) -> None:
    answer = browser.post("/tiers/gold/join", data={**FORM, "city": "Szeged", **wrong})
    assert answer.status_code == 422
    soup = page(answer)
    assert soup.select_one(f'.summary a[href="#{field}"]')
    assert soup.find(id=field)
    if field != "city":
        assert soup.select_one("#city")["value"] == "Szeged"  # type: ignore[index]
    assert not Order.select().exists()


def test_transfer_hint_follows_the_country(browser: FlaskClient, page: Page, htmx: Any) -> None:
    hints = set()
    for country in ("HU", "AT", "CH", "ZZ", "XX"):
        answer = htmx(browser, "get", f"/tiers/gold/join?payment_country={country}", "transfer-hint")
        soup = page(answer)
        assert [tag["id"] for tag in soup.find_all(id=True)] == ["transfer-hint"]
        hints.add(text_of(soup))
        assert answer.headers["Cache-Control"] == "no-store"
    assert len(hints) == 3
    assert text_of(page(browser.get(to_check(browser, payment_country="AT"))))


def text_of(soup: BeautifulSoup) -> str:
    return soup.get_text(" ", strip=True)


def test_without_a_gateway_only_transfer_is_offered(client: FlaskClient, page: Page) -> None:
    log_in(client, customer(1100))
    soup = page(client.get("/tiers/gold/join"))
    assert [field["value"] for field in soup.select("input[name=method]")] == ["transfer"]
    assert client.post("/tiers/gold/join", data={**FORM, "method": "card"}).status_code == 422
    assert client.get("/demo/card/x").status_code == 404


# --- once -----------------------------------------------------------------------------------------------------------


def one_of_each() -> None:
    assert Membership.select().count() == 1
    assert Invoice.select().count() == 1
    assert OutboxMail.select().count() == 2
    assert {row.last for row in Counter.select()} == {1}


def test_double_click_replay_and_back_button(browser: FlaskClient, page: Page) -> None:
    address = to_check(browser)
    sent = order_button(page(browser.get(address)))
    assert [browser.post(address, data=sent).location for _ in range(3)] == [address] * 3
    assert page(browser.get(address)).select_one(".number")
    one_of_each()


def test_two_tabs_make_one_membership(browser: FlaskClient, page: Page) -> None:
    tabs = [to_check(browser), to_check(browser, tier="silver")]
    sent = [order_button(page(browser.get(tab))) for tab in tabs]
    browser.post(tabs[0], data=sent[0])
    assert browser.post(tabs[1], data=sent[1]).location == "/membership"
    assert browser.get(tabs[1]).location == "/membership"
    assert browser.get("/tiers/gold/join").location == "/membership"
    one_of_each()


@pytest.mark.parametrize("tabs", [1, 2])
@pytest.mark.parametrize("method", ["transfer", "card"])
def test_threads_make_one_membership(settings: Any, connected: Any, bank: Bank, tabs: int, method: str) -> None:
    made = settings()
    user = customer(2000)
    drafts = [orders.draft(account_of(user), "gold", method, "HU", BILLING, NOW) for _ in range(tabs)]
    numbers: list[str] = []
    errors: list[Exception] = []
    start = threading.Barrier(6)

    def work(order: Order) -> None:
        start.wait()
        try:
            placed = orders.place(made, user, order, order.key, 101_473, TODAY, NOW)
            numbers.append(placed.number)
        except orders.AlreadyMember:
            pass
        except Exception as error:
            errors.append(error)
        finally:
            db.close()

    threads = [threading.Thread(target=work, args=(drafts[n % tabs],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(set(numbers)) == 1
    assert tabs > 1 or len(numbers) == 6  # the same order sent again gives the same membership
    assert SavedCard.select().count() == (method == "card")
    one_of_each()


def test_failure_leaves_nothing_behind(settings: Any, connected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_own: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(invoices, "notify", fail)
        with pytest.raises(ZeroDivisionError):
            join(settings(), customer(1000))
    for model in (Membership, Invoice, Counter, OutboxMail):
        assert not model.select().exists()
    membership, _ = join(settings(), User.get())
    assert membership.number.startswith("CPS-HU-000001-")


# --- what must not work ---------------------------------------------------------------------------------------------


def test_other_peoples_orders_do_not_exist(browser: FlaskClient, demo: Flask) -> None:
    other = orders.draft(account_of(customer(2000, email="b@example.com")), "gold", "transfer", "HU", BILLING, NOW)
    for address in (f"/tiers/gold/join/{other.key}", "/tiers/gold/join/nothing"):
        assert browser.get(address).status_code == 404
        assert browser.post(address, data={"action": "order", "gross": "101473"}).status_code == 404
    mine = to_check(browser)
    assert browser.get(mine.replace("/gold/", "/silver/")).status_code == 404
    browser.post("/tiers/gold/join", data={**FORM, "order": other.key, "city": "Szeged"})
    assert Order.get_by_id(other.id).billing["city"] == "Budapest"


def test_refs_of_other_orders_and_forged_ones_save_no_card(browser: FlaskClient, page: Page) -> None:
    first = browser.post(to_check(browser, method="card"), data={"choice": "pays"}).location
    ref = first.partition("ref=")[2]
    back = browser.post(to_check(browser, method="card"), data={"choice": "cancel"}).location.partition("?")[0]
    for wrong in (ref, ref[:-1], ref + "x", "nonsense", "ű"):
        assert not page(browser.get(f"{back}?ref={wrong}")).select("button[value=order]")
        answer = browser.post(back, data={"action": "order", "gross": "101473", "ref": wrong})
        assert answer.status_code == 422
    assert not Membership.select().exists()
    assert browser.get("/demo/card/forged").status_code == 404


@pytest.mark.parametrize("gross", ["1", "-101473", "", "1e9", "٣", "9" * 40])
def test_sum_is_the_servers(browser: FlaskClient, page: Page, gross: str) -> None:
    address = to_check(browser)
    answer = browser.post(address, data={"action": "order", "gross": gross})
    assert answer.status_code == 422
    assert order_button(page(answer))["gross"] == "101473"
    assert not Membership.select().exists()


def test_posted_extras_have_no_effect(browser: FlaskClient, page: Page) -> None:
    extras = {"offer": "platinum", "fee": "1", "points": "9999", "account": "1", "paid": "101473", "status": "paid"}
    extras |= {"number": "X", "membership": "1", "id": "7", "due_on": "2030-01-01", "vat_category": "O", "net": "1"}
    address = to_check(browser, **extras)
    browser.post(address, data={**extras, **order_button(page(browser.get(address)))})
    invoice = Invoice.get()
    assert (invoice.gross, invoice.paid, invoice.status, invoice.due_on) == (101_473, 0, "open", DUE)
    assert Membership.get().tier == "gold"


def test_points_lost_before_the_order_lock_it(browser: FlaskClient, user: User, page: Page) -> None:
    address = to_check(browser)
    sent = order_button(page(browser.get(address)))
    PointEvent.create(account=user.account, delta=-200, reason="adjusted", created_at=NOW)
    assert browser.get(address).status_code == 422
    assert browser.post(address, data=sent).status_code == 422
    assert not Membership.select().exists()


def test_drafts_are_pruned_orders_are_not(settings: Any, connected: Any) -> None:
    user = customer(1000)
    join(settings(), user)
    orders.draft(account_of(user), "gold", "transfer", "HU", BILLING, NOW)
    assert orders.prune(NOW + dt.timedelta(days=29)) == 0
    assert orders.prune(NOW + dt.timedelta(days=31)) == 1
    assert Order.select().count() == 1


def test_an_order_changed_in_another_tab_is_not_placed_unseen(settings: Any, connected: Any) -> None:
    made, user = settings(), customer(1000)
    shown = orders.draft(account_of(user), "gold", "transfer", "HU", BILLING, NOW)
    orders.draft(account_of(user), "gold", "transfer", "HU", {**BILLING, "company": "Másik Kft."}, NOW, shown)
    with pytest.raises(orders.OrderChanged):
        orders.place(made, user, shown, "", orders.price_of(shown, made.market).gross, TODAY, NOW)
    assert Invoice.select().count() == 0
