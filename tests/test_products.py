"""My products: what is needed for points, whose serial it is, the invitation, the ledger; then the pages."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from models import Account, AuditEvent, OutboxMail, PointEvent, Product, User, db
from services import catalogue, products, sessions
from services.products import Details
from tests.page import check

CATALOGUE = (Path(__file__).parent.parent / "data" / "catalogue.csv").read_text("utf-8")
NOW = dt.datetime(2026, 11, 24, 9, 0)
TODAY = NOW.date()
FULL = Details("012345678901", "2024-05", True, "HU", "Fotó Minta Kft.")

serials = count(100000)


def without(field: str) -> Details:
    """FULL, one mandatory field missing."""
    gap: Any = {field: None}
    return replace(FULL, **gap)


@dataclass
class Person:
    """A customer: the business account, the user, and what they do."""

    account: Account
    user: User
    settings: Any

    def registers(self, key: str, details: Details | None = None) -> Product:
        """A complete product with a serial of its own, unless `details` say otherwise."""
        details = details or replace(FULL, serial=f"S{next(serials)}")
        return products.register(self.account, key, details, "manual", self.user, self.settings, NOW)

    def points(self) -> int:
        return self.account.points()

    def invitations(self) -> int:
        return OutboxMail.select().where(OutboxMail.key == f"invitation:{self.account.id}").count()


def make_person(settings: Any, name: str, **fields: Any) -> Person:
    account = Account.create(
        company=f"{name} Kft.",
        country="HU",
        street="Fő utca 1.",
        postcode="1011",
        city="Budapest",
        created_at=NOW,
        **fields,
    )
    email = f"{name.lower()}@example.com"
    user = User.create(email=email, name=name, account=account, language="en", created_at=NOW)
    return Person(account, user, settings)


@pytest.fixture
def people(connected: Any, settings: Any) -> Iterator[Callable[..., Person]]:
    """`people("Anna")`: somebody with a business account; the catalogue is loaded."""
    catalogue.import_catalogue(CATALOGUE)
    products.common_dealers.cache_clear()
    made = settings()
    yield lambda name, **fields: make_person(made, name, **fields)
    products.common_dealers.cache_clear()


# --- what a product needs for its points ------------------------------------------------------------------------------


def test_a_complete_product_brings_its_points_with_a_ledger_line(people: Any) -> None:
    anna = people("Anna")
    product = anna.registers("eos-r5")
    assert product.is_complete
    assert anna.points() == 325
    ((event, total),) = products.ledger(anna.account)
    assert (event.delta, event.reason, event.created_at, total) == (325, "completed", NOW, 325)
    assert event.product == product
    assert [e.action for e in AuditEvent.select().order_by(AuditEvent.id)] == [
        "product.registered",
        "product.completed",
    ]


@pytest.mark.parametrize("field", ["serial", "purchased", "country", "dealer"])
def test_each_missing_mandatory_field_holds_the_points_back_until_it_comes(people: Any, field: str) -> None:
    anna = people("Anna")
    product = anna.registers("eos-r5", without(field))
    assert product.missing == [field]
    assert not product.is_complete
    assert anna.points() == 0
    product = products.edit(product, FULL, anna.user, anna.settings, NOW)
    assert product.is_complete
    assert anna.points() == 325


def test_a_year_and_a_guess_are_enough(people: Any) -> None:
    anna = people("Anna")
    assert anna.registers("eos-r5", replace(FULL, purchased="2019", approximate=True)).is_complete


def test_nothing_but_the_item_may_be_known(people: Any) -> None:
    anna = people("Anna")
    assert anna.registers("eos-r5", Details()).missing == ["serial", "purchased", "country", "dealer"]
    anna.registers("eos-r5", Details())  # two units without a serial are no clash


def test_a_product_without_points_still_gets_its_tick(people: Any) -> None:
    anna = people("Anna")
    assert anna.registers("bg-r10").is_complete
    assert anna.points() == 0
    assert PointEvent.select().count() == 1


def test_the_points_are_those_of_the_day_it_was_registered(people: Any) -> None:
    anna = people("Anna")
    waiting = anna.registers("eos-r5", replace(FULL, dealer=None))
    catalogue.import_catalogue(CATALOGUE.replace("eos-r5,EOS R5,body,325", "eos-r5,EOS R5,body,1"))
    products.edit(waiting, FULL, anna.user, anna.settings, NOW)
    assert anna.points() == 325
    anna.registers("eos-r5")
    assert anna.points() == 326


def test_an_edit_corrects_the_data_and_brings_no_second_points(people: Any) -> None:
    anna = people("Anna")
    product = anna.registers("eos-r5", FULL)
    products.edit(product, replace(FULL, dealer="Optika Példa Bt."), anna.user, anna.settings, NOW)
    assert Product.get().dealer == "Optika Példa Bt."
    assert anna.points() == 325


@pytest.mark.parametrize("field", ["serial", "purchased", "country", "dealer"])
def test_a_complete_product_stays_complete(people: Any, field: str) -> None:
    anna = people("Anna")
    product = anna.registers("eos-r5", FULL)
    with pytest.raises(products.Incomplete) as refused:
        products.edit(product, without(field), anna.user, anna.settings, NOW)
    assert refused.value.missing == [field]
    assert getattr(Product.get(), field) == getattr(FULL, field)


@pytest.mark.parametrize("key", ["lp-e6p", "pt-101", "nikon-z9", ""])
def test_what_is_not_on_offer_cannot_be_registered(people: Any, key: str) -> None:
    anna = people("Anna")
    with pytest.raises(products.NotRegistrable):
        anna.registers(key)
    assert Product.select().count() == 0


def test_completing_the_same_product_in_two_tabs_counts_once(people: Any) -> None:
    anna = people("Anna")
    product = anna.registers("eos-r5", Details())
    other_tab = Product.get_by_id(product.id)
    products.edit(product, FULL, anna.user, anna.settings, NOW)
    products.edit(other_tab, FULL, anna.user, anna.settings, NOW)
    assert anna.points() == 325


# --- whose serial it is -----------------------------------------------------------------------------------------------


def test_a_serial_on_somebody_elses_account_is_taken(people: Any) -> None:
    anna, bela = people("Anna"), people("Béla")
    anna.registers("eos-r5", FULL)
    with pytest.raises(products.SerialTaken) as refused:
        bela.registers("eos-r5", FULL)
    assert not refused.value.own
    assert "Anna" not in str(refused.value)
    assert bela.points() == 0
    assert AuditEvent.select().where(AuditEvent.action == "product.registered").count() == 1  # nothing is left of it


def test_the_same_unit_twice_on_one_list_is_refused_as_ones_own(people: Any) -> None:
    anna = people("Anna")
    anna.registers("eos-r5", FULL)
    with pytest.raises(products.SerialTaken) as refused:
        anna.registers("eos-r5", FULL)
    assert refused.value.own


def test_the_same_serial_on_another_model_is_another_unit(people: Any) -> None:
    anna, bela = people("Anna"), people("Béla")
    anna.registers("eos-r5", FULL)
    assert bela.registers("eos-r3", FULL).is_complete


def test_an_edit_cannot_take_a_serial_either(people: Any) -> None:
    anna, bela = people("Anna"), people("Béla")
    anna.registers("eos-r5", FULL)
    other = bela.registers("eos-r5", replace(FULL, serial=None))
    with pytest.raises(products.SerialTaken):
        products.edit(other, FULL, bela.user, bela.settings, NOW)
    assert Product.get_by_id(other.id).serial is None


def test_a_removed_unit_can_be_registered_by_its_new_owner(people: Any) -> None:
    anna, bela = people("Anna"), people("Béla")
    camera = anna.registers("eos-r5", FULL)
    products.remove(camera, "sold", anna.user, NOW)
    assert anna.points() == 0
    assert bela.registers("eos-r5", FULL).is_complete
    assert bela.points() == 325
    assert [(e.delta, total) for e, total in products.ledger(anna.account)] == [(-325, 0), (325, 325)]


def test_removing_an_incomplete_product_writes_no_line(people: Any) -> None:
    anna = people("Anna")
    products.remove(anna.registers("eos-r5", Details()), "mistake", anna.user, NOW)
    assert products.ledger(anna.account) == []
    assert list(Product.of(anna.account)) == []


def test_what_another_tab_removed_is_gone(people: Any) -> None:
    anna = people("Anna")
    camera = anna.registers("eos-r5", FULL)
    other_tab = Product.get_by_id(camera.id)
    products.remove(camera, "sold", anna.user, NOW)
    with pytest.raises(products.Gone):
        products.remove(other_tab, "sold", anna.user, NOW)
    with pytest.raises(products.Gone):
        products.edit(other_tab, FULL, anna.user, anna.settings, NOW)
    assert anna.points() == 0


def at_once(*works: Callable[[], object]) -> list[type]:
    """Run the works in threads, all starting together; the type of what each returned or raised.

    Not the error itself: its traceback makes a cycle that holds a cursor, and a thread that collects it would wait,
    inside its transaction, for the connection of the very thread that waits for it.
    """
    outcomes: list[type] = [type(None)] * len(works)
    start = threading.Barrier(len(works))

    def run(place: int, work: Callable[[], object]) -> None:
        with db.connection_context():
            start.wait()
            try:
                outcomes[place] = type(work())
            except Exception as error:
                outcomes[place] = type(error)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_two_accounts_register_the_same_serial_at_the_same_moment(people: Any) -> None:
    anna, bela = people("Anna"), people("Béla")
    for number in range(10):
        details = replace(FULL, serial=f"RACE{number}")
        outcome = at_once(*(partial(person.registers, "eos-r5", details) for person in (anna, bela)))
        assert set(outcome) == {Product, products.SerialTaken}
        assert Product.select().where(Product.serial == details.serial).count() == 1
    assert anna.points() + bela.points() == 3250


def test_two_products_completed_at_the_same_moment_invite_once(people: Any) -> None:
    for number in range(5):
        anna = people(f"Anna{number}")
        at_once(partial(anna.registers, "eos-r5"), partial(anna.registers, "eos-r5"))
        assert anna.points() == 650
        assert Account.get_by_id(anna.account.id).invited_at == NOW
        assert anna.invitations() == 1


# --- the invitation ---------------------------------------------------------------------------------------------------


def test_at_499_nobody_is_invited_at_500_once(people: Any) -> None:
    catalogue.import_catalogue("key,name,kind,points,registrable\nx-499,X 499,body,499,yes\nx-1,X 1,body,1,yes\n")
    anna = people("Anna")
    anna.registers("x-499")
    assert anna.account.invited_at is None
    assert anna.invitations() == 0
    anna.registers("x-1")
    assert Account.get_by_id(anna.account.id).invited_at == NOW
    assert anna.invitations() == 1
    mail = OutboxMail.get()
    assert (mail.recipient, mail.language) == ("anna@example.com", "en")


def test_the_kit_of_500_points(people: Any) -> None:
    anna = people("Anna")
    for key in ("eos-r3", "ext-rf-14"):
        anna.registers(key)
    assert anna.invitations() == 0
    anna.registers("ef-40-28")
    assert (anna.points(), anna.invitations()) == (500, 1)


def test_falling_below_and_rising_again_sends_no_second_invitation(people: Any) -> None:
    anna = people("Anna")
    first = anna.registers("eos-r1")
    products.remove(first, "sold", anna.user, NOW)
    anna.registers("eos-r1")
    anna.registers("eos-r3")
    assert anna.invitations() == 1


def test_a_refused_registration_leaves_no_invitation(people: Any) -> None:
    anna, bela = people("Anna"), people("Béla")
    bela.registers("eos-r1", FULL)
    with pytest.raises(products.SerialTaken):
        anna.registers("eos-r1", FULL)
    assert anna.invitations() == 0
    assert Account.get_by_id(anna.account.id).invited_at is None


# --- dealers ----------------------------------------------------------------------------------------------------------


def test_a_dealer_is_suggested_to_others_once_three_accounts_name_it(people: Any) -> None:
    anna, bela, cili = people("Anna"), people("Béla"), people("Cili")
    for person in (anna, bela):
        person.registers("eos-r5")
        person.registers("eos-r3")
    assert products.dealers([], NOW) == []
    assert products.dealers(list(Product.select().where(Product.account == anna.account)), NOW) == ["Fotó Minta Kft."]
    cili.registers("eos-r5")
    assert products.dealers([], NOW) == []  # read once an hour
    assert products.dealers([], NOW + dt.timedelta(hours=1)) == ["Fotó Minta Kft."]


# --- what people type -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["12345", "12345678901234", " 0123 4567-89 ", "ab–12345", "AB12C"])
def test_serials_that_are_accepted(text: str) -> None:
    assert 5 <= len(products.clean_serial(text)) <= 14
    assert products.clean_serial(text) == products.clean_serial(products.clean_serial(text))


@pytest.mark.parametrize("text", ["1234", "123456789012345", "12345!", "1234ő", "１２３４５", "12.345", "<b>123"])
def test_serials_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="serial"):
        products.clean_serial(text)


def test_no_serial_is_no_serial() -> None:
    assert products.clean_serial(" - ") == ""


@pytest.mark.parametrize(
    ("serial", "hint"),
    [
        ("4006381333932", ""),  # 13 digits, wrong check digit
        ("4006381333931", "barcode"),
        ("400638133393", ""),
        ("U1140F", "date_code"),
        ("UA0712", "date_code"),
        ("A1234", "date_code"),
        ("ABC1234", ""),
        ("0123456789", ""),
        ("", ""),
    ],
)
def test_a_barcode_and_a_date_code_get_a_hint(serial: str, hint: str) -> None:
    assert products.serial_hint(serial) == hint


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("2024", "2024"),
        ("2024.", "2024"),
        ("2024-05", "2024-05"),
        ("2024.05", "2024-05"),
        ("2024. 5.", "2024-05"),
        ("2024-05-03", "2024-05-03"),
        ("2024.05.03.", "2024-05-03"),
        (" 2024. 5. 3. ", "2024-05-03"),
        ("2024/05/03", "2024-05-03"),
        ("1987", "1987"),
        ("2026", "2026"),
        ("2026-11", "2026-11"),
        ("2026-11-24", "2026-11-24"),
        ("2024-02-29", "2024-02-29"),
    ],
)
def test_purchase_dates_that_are_read(text: str, kept: str) -> None:
    assert products.parse_purchased(text, TODAY) == kept


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("tavaly", "unreadable"),
        ("24", "unreadable"),
        ("2024-13", "unreadable"),
        ("2023-02-29", "unreadable"),
        ("2024-00", "unreadable"),
        ("03.05.2024", "unreadable"),
        ("0000", "unreadable"),
        ("２０２４", "unreadable"),
        ("1986", "early"),
        ("1986-12-31", "early"),
        ("2027", "future"),
        ("2026-12", "future"),
        ("2026-11-25", "future"),
    ],
)
def test_purchase_dates_that_are_refused(text: str, code: str) -> None:
    with pytest.raises(products.PurchaseDateRefused) as refused:
        products.parse_purchased(text, TODAY)
    assert refused.value.code == code


@given(st.text(max_size=30))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    with suppress(products.PurchaseDateRefused):
        read = products.parse_purchased(text, TODAY)
        assert read == products.parse_purchased(read, TODAY)
    with suppress(ValueError):
        products.serial_hint(products.clean_serial(text))


# --- the pages --------------------------------------------------------------------------------------------------------


def log_in(client: FlaskClient, person: Person) -> FlaskClient:
    """The person's browser, logged in without the log-in page."""
    user = sessions.start(User.get_by_id(person.user.id), "test", NOW)
    base_url = client.application.config["PORTAL"].base_url
    with client.session_transaction(base_url=base_url) as session:
        session["_user_id"] = user.session.token
        session["_fresh"] = True
    return client


@pytest.fixture
def browsing(people: Any, app: Flask, clock: Any) -> Callable[[Person], FlaskClient]:
    """`browsing(anna)`: her browser; the clock stands at NOW."""
    return lambda person: log_in(app.test_client(), person)


FORM = {
    "item": "eos-r5",
    "serial": "012345678901",
    "purchased": "2024. 05. 03.",
    "approximate": "on",
    "country": "HU",
    "dealer": "Fotó Minta Kft.",
}
CHANGED = {"#points-meter", "#invitation", "#tier-grid", "#status"}


def answer(response: TestResponse) -> Any:
    """The pieces of the list's page that an htmx form gets, by the house rules of /products."""
    broken, soup = check(response.text, "/products")
    assert not broken
    return soup


def partials(soup: Any) -> set[str]:
    return {str(part["hx-target"]) for part in soup.find_all("hx-partial")}


def status(soup: Any) -> str:
    return str(soup.find(id="status").get_text(strip=True))


def element(soup: Any, id_: str) -> str:
    found = soup.find(id=id_)
    assert found, f"no element {id_}"
    return str(found)


def test_a_visitor_is_sent_to_the_log_in_page(people: Any, client: FlaskClient) -> None:
    for url in ("/products", "/products/1", "/products/1/remove", "/products/points", "/products/migration"):
        response = client.get(url)
        assert response.status_code == 303
        assert response.location.startswith("/login")


def test_the_empty_list_says_what_to_do(people: Any, browsing: Any, page: Any) -> None:
    soup = page(browsing(people("Anna")).get("/products"))
    assert "No products yet" in soup.find(id="list-heading").get_text()
    assert soup.find(id="country").find(selected=True)["value"] == "HU"
    assert [group["label"] for group in soup.find(id="item").find_all("optgroup")][:2] == ["Cameras", "Cinema cameras"]


def test_registering_without_javascript(people: Any, browsing: Any, page: Any) -> None:
    anna = people("Anna")
    client = browsing(anna)
    response = client.post("/products", data=FORM)
    assert (response.status_code, response.location) == (303, "/products")
    soup = page(client.get("/products"))
    assert "EOS R5 is complete: 325\N{NO-BREAK SPACE}points" in soup.find("main").get_text()
    row = soup.select_one("#product-list > li")
    assert "325\N{NO-BREAK SPACE}points assigned" in row.get_text()
    saved = Product.get()
    assert (saved.serial, saved.purchased, saved.approximate, saved.country, saved.dealer) == (
        "012345678901",
        "2024-05-03",
        True,
        "HU",
        "Fotó Minta Kft.",
    )


def test_registering_by_htmx_answers_row_points_grid_and_one_sentence(
    people: Any, browsing: Any, page: Any, htmx: Any
) -> None:
    anna = people("Anna")
    anna.registers("ef-24-70-28-2")
    client = browsing(anna)
    soup = answer(htmx(client, "post", "/products", "add-product", data=FORM))
    assert partials(soup) == {"#product-list", "#list-heading", *CHANGED}
    assert soup.find("hx-partial", {"hx-target": "#product-list"})["hx-swap"] == "afterbegin"
    assert status(soup) == "EOS R5 is complete: 325\N{NO-BREAK SPACE}points. You now have 495\N{NO-BREAK SPACE}points."
    assert soup.find(id="serial")["value"] == ""  # the form is ready for the next one
    whole = page(client.get("/products"))
    newest = Product.select().order_by(Product.id.desc()).get()
    for id_ in ("add-product", f"product-{newest.id}", "list-heading", "points-meter", "invitation", "tier-grid"):
        assert element(soup, id_) == element(whole, id_)


def test_completing_in_place_passes_500_and_invites(people: Any, browsing: Any, page: Any, htmx: Any) -> None:
    bela = people("Béla")
    bela.registers("eos-r5")
    bela.registers("ef-24-70-28-2")
    waiting = bela.registers("rf-50-18", replace(FULL, serial="7704001122", dealer=None))
    client = browsing(bela)
    before = page(client.get("/products"))
    assert "Missing: dealer" in before.find(id=f"product-{waiting.id}").get_text()
    assert not before.find(id="invitation").get_text(strip=True)
    url, target = f"/products/{waiting.id}", f"product-{waiting.id}"
    data = {"serial": "7704001122", "purchased": "2024", "country": "HU", "dealer": "nem tudom, talán Győr"}
    soup = answer(htmx(client, "post", url, target, data=data))
    assert partials(soup) == CHANGED
    assert soup.find(id=target).find(autofocus=True), "the form is gone: the focus goes to the row's state"
    assert "15\N{NO-BREAK SPACE}points assigned" in soup.find(id=target).get_text()
    assert "we invite you" in soup.find(id="invitation").get_text()
    assert status(soup).endswith("You are invited to join.")
    assert bela.invitations() == 1


def test_the_row_by_htmx_is_the_row_of_its_page(people: Any, browsing: Any, page: Any, htmx: Any) -> None:
    anna = people("Anna")
    camera = anna.registers("eos-r5", FULL)
    client = browsing(anna)
    url, target = f"/products/{camera.id}", f"product-{camera.id}"
    assert element(page(htmx(client, "get", url, target)), target) == element(page(client.get(url)), target)


def test_completing_without_javascript(people: Any, browsing: Any, page: Any) -> None:
    anna = people("Anna")
    camera = anna.registers("eos-r5", Details(country="HU"))
    client = browsing(anna)
    form = page(client.get("/products")).find(id=f"product-{camera.id}").find("form")
    assert (form["action"], form["method"]) == (f"/products/{camera.id}", "post")
    response = client.post(form["action"], data={**FORM, "item": ""})
    assert (response.status_code, response.location) == (303, "/products")
    assert anna.points() == 325


@pytest.mark.parametrize("field", ["serial", "purchased", "country", "dealer"])
def test_the_row_names_what_is_missing(people: Any, browsing: Any, page: Any, htmx: Any, field: str) -> None:
    words = {"serial": "serial number", "purchased": "purchase date", "country": "country of purchase"}
    anna = people("Anna")
    soup = answer(htmx(browsing(anna), "post", "/products", "add-product", data={**FORM, field: ""}))
    assert f"Missing: {words.get(field, field)}" in soup.select_one("li.product").get_text()
    assert status(soup) == f"EOS R5 is saved. Missing: {words.get(field, field)}."
    assert anna.points() == 0


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("item", ""),
        ("item", "lp-e6p"),
        ("serial", "1234"),
        ("serial", "123456789012345"),
        ("purchased", "2027"),
        ("purchased", "1986"),
        ("purchased", "tavaly"),
        ("country", "XX"),
        ("dealer", "x" * 121),
    ],
)
@pytest.mark.parametrize("live", [True, False])
def test_a_refused_form_keeps_what_was_typed(
    people: Any, browsing: Any, page: Any, htmx: Any, field: str, typed: str, live: bool
) -> None:
    client = browsing(people("Anna"))
    data = {**FORM, field: typed}
    send = (
        (lambda: htmx(client, "post", "/products", "add-product", data=data))
        if live
        else (lambda: client.post("/products", data=data))
    )
    response = send()
    assert response.status_code == 422
    soup = page(response)
    assert soup.select_one(".summary[autofocus]").find("a")["href"] == f"#{field}"
    assert soup.find(id=field)["aria-invalid"] == "true"
    for name in ("serial", "purchased", "dealer"):
        assert soup.find(id=name)["value"] == data[name]
    assert soup.find(id="approximate").has_attr("checked")
    assert not partials(soup)
    assert Product.select().count() == 0


def test_a_refused_row_form_keeps_what_was_typed(people: Any, browsing: Any, page: Any, htmx: Any) -> None:
    anna = people("Anna")
    camera = anna.registers("eos-r5", Details())
    client = browsing(anna)
    url, target, data = f"/products/{camera.id}", f"product-{camera.id}", {**FORM, "serial": "abc!"}
    for response in (htmx(client, "post", url, target, data=data), client.post(url, data=data)):
        assert response.status_code == 422
        soup = page(response)
        prefix = f"p{camera.id}-"
        assert soup.select_one(".summary[autofocus]").find("a")["href"] == f"#{prefix}serial"
        assert soup.find(id=f"{prefix}serial")["value"] == "abc!"
        assert soup.find(id=f"{prefix}dealer")["value"] == FORM["dealer"]
        assert soup.find(id=target).find("details").has_attr("open")


def test_emptying_a_complete_product_is_refused_by_name(people: Any, browsing: Any, page: Any) -> None:
    anna = people("Anna")
    camera = anna.registers("eos-r5", FULL)
    response = browsing(anna).post(f"/products/{camera.id}", data={**FORM, "dealer": ""})
    assert response.status_code == 422
    assert page(response).find(id=f"p{camera.id}-dealer-error")


@pytest.mark.parametrize("serial", ["4006381333931", "U1140F"])
def test_a_suspicious_serial_is_asked_about_once(people: Any, browsing: Any, page: Any, serial: str) -> None:
    anna = people("Anna")
    client = browsing(anna)
    response = client.post("/products", data={**FORM, "serial": serial})
    assert response.status_code == 422
    assert not page(response).find(id="serial_ok").has_attr("checked")
    assert client.post("/products", data={**FORM, "serial": serial, "serial_ok": "on"}).status_code == 303
    camera = Product.get()
    assert camera.serial == serial
    again = client.post(f"/products/{camera.id}", data={**FORM, "serial": serial, "dealer": "Másik Bt."})
    assert again.status_code == 303  # it was confirmed before
    assert not page(client.get("/products")).find(id="serial_ok")


def test_a_clash_never_reveals_the_holder(people: Any, browsing: Any, page: Any) -> None:
    anna, bela = people("Anna"), people("Béla")
    anna.registers("eos-r5", FULL)
    response = browsing(bela).post("/products", data=FORM)
    assert response.status_code == 422
    text = page(response).get_text()
    assert "registered already" in text
    assert "Anna" not in text
    assert "on your list already" not in text
    own = browsing(anna).post("/products", data=FORM)
    assert "on your list already" in page(own).get_text()


def test_typing_letters_narrows_the_items(people: Any, browsing: Any, page: Any, htmx: Any) -> None:
    client = browsing(people("Anna"))
    soup = page(htmx(client, "get", "/products?q=r5&item=eos-r5c", "item-field"))
    assert {option["value"] for option in soup.find_all("option")} == {"", "eos-r5", "eos-r5-mk2", "eos-r5c"}
    assert soup.find("option", selected=True)["value"] == "eos-r5c"
    assert partials(soup) == {"#points-meter", "#status"}
    only = page(htmx(client, "get", "/products?q=c300&item=eos-r5c", "item-field"))
    assert only.find("option", selected=True)["value"] == "eos-c300-mk3"
    none = page(htmx(client, "get", "/products?q=nikon&item=", "item-field"))
    assert "No product matches" in none.find(id="item-hint").get_text()
    plain = page(client.get("/products?q=r5"))
    assert len(plain.find(id="item").find_all("option")) == 4


def test_choosing_an_item_shows_what_it_would_bring_and_saves_nothing(
    people: Any, browsing: Any, page: Any, htmx: Any
) -> None:
    anna = people("Anna")
    anna.registers("ef-24-70-28-2")
    client = browsing(anna)
    soup = page(htmx(client, "get", "/products?item=eos-r5", "points-meter"))
    assert soup.find(class_="preview"), "the hatched ruler"
    assert status(soup) == "EOS R5 would bring you to 495\N{NO-BREAK SPACE}points."
    assert Product.select().count() == 1
    assert not page(htmx(client, "get", "/products?item=", "points-meter")).find(class_="preview")


def test_the_switch_stays_on_when_points_change(people: Any, browsing: Any, page: Any, htmx: Any) -> None:
    erika = people("Erika")
    for key in ("eos-r1", "eos-r5", "eos-1dx-mk3", "eos-c80", "eos-c400"):
        erika.registers(key)
    client = browsing(erika)
    assert page(client.get("/products")).find(role="switch")["aria-checked"] == "false"
    headers = {"HX-Current-URL": "https://portal.example.hu/products?corporate=on"}
    soup = answer(htmx(client, "post", "/products", "add-product", data=FORM, headers=headers))
    assert soup.find(role="switch")["aria-checked"] == "true"
    assert soup.find(id="tier-corporate-a")


def test_removal_asks_why_and_says_what_it_costs(people: Any, browsing: Any, page: Any) -> None:
    anna = people("Anna")
    camera = anna.registers("eos-r5", FULL)
    client, url = browsing(anna), f"/products/{camera.id}/remove"
    assert "0\N{NO-BREAK SPACE}points" in page(client.get(url)).find("dl").get_text()
    refused = client.post(url, data={"reason": "because"})
    assert refused.status_code == 422
    assert page(refused).select_one(".summary[autofocus]")
    assert client.post(url, data={"reason": "sold"}).location == "/products"
    assert "EOS R5 is removed" in page(client.get("/products")).get_text()
    assert client.get(url).status_code == 404
    assert client.post(url, data={"reason": "sold"}).status_code == 404
    lines = page(client.get("/products/points")).select("tbody tr")
    assert [line.select("td")[3].get_text() for line in lines] == ["−325", "+325"]


@pytest.mark.parametrize("url", ["/products/{id}", "/products/{id}/remove"])
def test_another_accounts_product_does_not_exist(people: Any, browsing: Any, htmx: Any, url: str) -> None:
    anna, bela = people("Anna"), people("Béla")
    camera = anna.registers("eos-r5", Details())
    client, url = browsing(bela), url.format(id=camera.id)
    assert client.get(url).status_code == 404
    assert client.post(url, data={**FORM, "reason": "sold"}).status_code == 404
    assert htmx(client, "post", url, f"product-{camera.id}", data=FORM).status_code == 404
    unchanged = Product.get()
    assert (unchanged.serial, unchanged.removed_at) == (None, None)


@pytest.mark.parametrize("number", ["0", "2147483647", "2147483648", "99999999999999999999", "x", "-1"])
def test_numbers_that_are_no_product(people: Any, browsing: Any, number: str) -> None:
    assert browsing(people("Anna")).get(f"/products/{number}").status_code == 404


def test_an_operator_has_no_products(people: Any, browsing: Any) -> None:
    olga = people("Olga")
    User.update(account=None, role="operator").where(User.id == olga.user.id).execute()
    assert browsing(olga).get("/products").status_code == 404


def test_the_page_asks_the_same_number_of_questions_however_long_the_list(
    people: Any, browsing: Any, queries: Any
) -> None:
    anna = people("Anna")
    client = browsing(anna)
    client.get("/products")
    with queries() as few:
        client.get("/products")
    for _ in range(20):
        anna.registers("eos-r5")
        anna.registers("eos-r3", Details())
    with queries() as many:
        assert client.get("/products").status_code == 200
    assert len(few) == len(many) <= 7
