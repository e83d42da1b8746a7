"""Public pages: home for visitors and customers, the calculator, FAQ, language, health."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient

from models import LegacyAccount, LegacyProduct, Membership, Product, User, db
from services import clock as portal_clock
from services import products
from tests.test_accounts import invoice_of, item, log_in, member, membership_of

DETAILS = ("2024", False, "HU", "Fotó")


@pytest.fixture
def catalogue() -> None:
    """Items of 300, 500, 1000 and 5 points."""
    for key, points in (("three", 300), ("five", 500), ("ten", 1000), ("strap", 5)):
        item(key, points)


@pytest.fixture
def anna(app: Flask, client: FlaskClient, catalogue: None) -> User:
    """Anna, logged in."""
    user = member(app)
    log_in(client)
    return user


def registered(app: Flask, user: User, *keys: str, complete: bool = True) -> None:
    for key in keys:
        serial = f"A{Product.select().count():06d}"
        details = products.Details(serial if complete else None, *DETAILS)
        products.register(user.account, key, details, "manual", user, app.config["PORTAL"], portal_clock.now())


def points_shown(soup: BeautifulSoup) -> int:
    return int(re.sub(r"\D", "", soup.select_one("svg.ruler text.now").text))


def names(soup: BeautifulSoup) -> list[str]:
    return [str(tag["value"]) for tag in soup.select('#calculator input[name="item"]')]


# --- home ------------------------------------------------------------------------------------------------------------


def test_a_visitor_sees_four_steps_the_calculator_and_one_button(
    client: FlaskClient, catalogue: None, page: Any
) -> None:
    answer = client.get("/")
    soup = page(answer)
    assert len(soup.select("ol.steps li")) == 4
    assert soup.select_one("#calculator form")["action"] == "/points"
    (primary,) = soup.select("main .button.primary")
    assert primary["href"] == "/account/new"
    assert not soup.find("script"), "no script is loaded where nothing needs it"
    assert "Set-Cookie" not in answer.headers and "cookie" not in answer.vary.as_set()


def next_thing(soup: BeautifulSoup) -> str:
    """Where the only primary button leads; an empty text if there is none."""
    found = soup.select("main .button.primary")
    assert len(found) <= 1
    return str(found[0]["href"]) if found else ""


def test_a_customer_sees_the_one_next_thing(app: Flask, client: FlaskClient, anna: User, page: Any) -> None:
    """Empty → register; incomplete → complete; too few → another; invited → tiers; member → pay, then nothing."""
    assert next_thing(page(client.get("/"))) == "/products"
    registered(app, anna, "three", complete=False)
    soup = page(client.get("/"))
    assert next_thing(soup) == "/products" and not soup.select(".notice.good")
    product = Product.get()
    products.edit(product, products.Details("B000001", *DETAILS), anna, app.config["PORTAL"], portal_clock.now())
    assert next_thing(page(client.get("/"))) == "/products"
    registered(app, anna, "five")
    soup = page(client.get("/"))
    assert next_thing(soup) == "/tiers"
    assert "800" in soup.select_one(".notice.good").text

    membership = membership_of(anna.account)
    invoice_of(membership)
    soup = page(client.get("/"))
    assert not soup.select(".notice.good")
    assert soup.select_one('a[href="/membership"]').text == "CPS-HU-000001-8"
    assert next_thing(soup) == "/invoices/CPS-2026-000001"
    invoice_id = "UPDATE invoice SET status = 'paid', paid = gross"
    db.execute_sql(invoice_id)
    assert next_thing(page(client.get("/"))) == ""


def test_the_home_page_of_a_card_payer_has_nothing_to_do(client: FlaskClient, anna: User, page: Any) -> None:
    invoice_of(membership_of(anna.account), method="card")
    soup = page(client.get("/"))
    assert next_thing(soup) == ""
    assert "50\N{NO-BREAK SPACE}673" in soup.select_one(".tasks").text


def test_overdue_and_suspended_are_said(client: FlaskClient, anna: User, page: Any) -> None:
    today = portal_clock.now().date()
    invoice_of(membership_of(anna.account, status="suspended"), due_on=today - dt.timedelta(days=20))
    assert next_thing(page(client.get("/"))) == "/invoices/CPS-2026-000001"


def test_an_old_account_that_waits_comes_first(client: FlaskClient, anna: User, page: Any) -> None:
    anna.account.old_email = "old@example.com"
    anna.account.save()
    old = LegacyAccount.create(email="old@example.com")
    LegacyProduct.create(legacy_account=old, line="1", item=1)
    assert next_thing(page(client.get("/"))) == "/products/migration"


def test_home_costs_few_queries(app: Flask, client: FlaskClient, anna: User, queries: Any) -> None:
    anna.account.old_email = "old@example.com"
    anna.account.save()
    with queries() as none:
        client.get("/")
    registered(app, anna, "three", "three", "five", "ten")
    with queries() as many:
        client.get("/")
    assert len(none) <= 5 and len(many) <= 5, (none, many)


@pytest.mark.parametrize("points", [["three"], ["five"]])
def test_499_is_not_invited_and_500_is(
    app: Flask, client: FlaskClient, anna: User, page: Any, points: list[str]
) -> None:
    registered(app, anna, *points)
    invited = points == ["five"]
    assert bool(page(client.get("/")).select(".notice.good")) is invited


# --- the calculator --------------------------------------------------------------------------------------------------


def test_the_list_lives_in_the_address(client: FlaskClient, catalogue: None, page: Any) -> None:
    soup = page(client.get("/points?item=three&item=five&add=ten"))
    assert names(soup) == ["three", "five", "ten"]
    assert points_shown(soup) == 1800
    onward = soup.select_one('#calculator a.button[href^="/account/new"]')["href"]
    assert parse_qsl(urlsplit(onward).query) == [("item", "three"), ("item", "five"), ("item", "ten")]
    removal = soup.select("#calculator .rows a")[1]["href"]
    soup = page(client.get(removal))
    assert names(soup) == ["three", "ten"]
    assert points_shown(soup) == 1300


@pytest.mark.parametrize(
    "query",
    ["", "add=", "remove=0", "remove=9", "remove=-1", "remove=²", "remove=99999999999999999999", "corporate=maybe"],
)
def test_nothing_and_nonsense_give_an_empty_list(client: FlaskClient, catalogue: None, page: Any, query: str) -> None:
    soup = page(client.get(f"/points?{query}"))
    assert names(soup) == []
    assert points_shown(soup) == 0


def test_unknown_products_are_left_out_with_a_sentence(client: FlaskClient, catalogue: None, page: Any) -> None:
    soup = page(client.get("/points?item=three&item=<b>none</b>&add=none"))
    assert names(soup) == ["three"]
    assert soup.select_one("#calculator .notice.amber")


def test_at_most_sixty_products(client: FlaskClient, catalogue: None, page: Any) -> None:
    soup = page(client.get("/points?" + "item=strap&" * 61))
    assert len(names(soup)) == 60
    assert "60" in soup.select_one("#status").text


def test_what_is_not_offered_cannot_be_picked(client: FlaskClient, catalogue: None, page: Any) -> None:
    retired = item("old", 100)
    retired.retired = True
    retired.save()
    soup = page(client.get("/points?item=old"))
    assert names(soup) == [] and not soup.select('option[value="old"]')


@pytest.mark.parametrize(("keys", "there"), [("ten ten five", False), ("ten ten five strap", True)])
def test_the_switch_is_there_above_2500_only(
    client: FlaskClient, catalogue: None, page: Any, keys: str, there: bool
) -> None:
    query = "&".join(f"item={key}" for key in keys.split())
    soup = page(client.get(f"/points?{query}&corporate=on"))
    assert bool(soup.select("#corporate-switch")) is there
    assert bool(soup.select("#tier-corporate-a")) is there
    assert not soup.select('#tier-grid a[href$="/join"]'), "a visitor cannot join"


def test_the_switch_keeps_the_list_and_the_list_the_switch(client: FlaskClient, catalogue: None, page: Any) -> None:
    query = "item=ten&item=ten&item=five&item=strap"
    soup = page(client.get(f"/points?{query}&corporate=on"))
    switch = soup.select_one("form.switch")
    kept = [(tag["name"], tag["value"]) for tag in switch.select("input")]
    assert kept == [*parse_qsl(query), ("corporate", "off")]
    assert soup.select_one('#calculator input[name="corporate"]')["value"] == "on"
    assert "corporate=on" in soup.select_one("#calculator .rows a")["href"]


def test_live_it_answers_with_the_list_the_meter_the_grid_and_a_sentence(
    client: FlaskClient, catalogue: None, page: Any, htmx: Any
) -> None:
    answer = htmx(client, "get", "/points?item=three&add=five", "calculator")
    soup = page(answer)
    assert not soup.find("html")
    assert soup.find(id="calculator") and not soup.find(id="calculator").find_parent("hx-partial")
    assert [part["hx-target"] for part in soup.find_all("hx-partial")] == ["#points-meter", "#tier-grid", "#status"]
    assert "800" in soup.select_one("#status").text
    grid = page(htmx(client, "get", "/points?item=ten&item=ten&item=ten&corporate=on", "tier-grid"))
    assert grid.find(id="tier-grid") and not grid.find(id="calculator")


def test_the_calculator_is_cheap(client: FlaskClient, catalogue: None, queries: Any) -> None:
    with queries() as seen:
        client.get("/points?item=three&item=five")
    assert len(seen) <= 2


def test_a_repeat_visit_is_a_304(client: FlaskClient, catalogue: None) -> None:
    for path in ("/", "/points?item=three", "/faq"):
        tag = client.get(path).headers["ETag"]
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304, path


# --- FAQ, language, health -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["hu", "en"])
def test_every_question_has_an_anchor(client: FlaskClient, page: Any, language: str) -> None:
    soup = page(client.get("/faq", headers={"Accept-Language": language}))
    assert soup.html["lang"] == language
    answers = [tag["id"] for tag in soup.select("details")]
    assert len(answers) == 39
    assert [a["href"] for a in soup.select(".faq nav a")] == [f"#{h2['id']}" for h2 in soup.select(".faq section h2")]


def test_links_of_our_pages_to_the_faq_find_their_question(app: Flask, client: FlaskClient, page: Any) -> None:
    anchors = {tag["id"] for tag in page(client.get("/faq")).select("details")}
    named = set()
    for name in app.jinja_env.list_templates():
        source, *_rest = app.jinja_env.loader.get_source(app.jinja_env, name)
        named |= set(re.findall(r"(?:/faq|\"site\.faq\"\) \}\})#([a-z0-9-]+)", source))
    assert named and named <= anchors


def test_the_language_is_the_browsers_until_it_is_chosen(client: FlaskClient, page: Any) -> None:
    assert page(client.get("/", headers={"Accept-Language": "de, en;q=0.5"})).html["lang"] == "en"
    assert page(client.get("/", headers={"Accept-Language": "de"})).html["lang"] == "hu"
    answer = client.post("/language", data={"language": "en", "next": "/points?item=x"})
    assert (answer.status_code, answer.location) == (303, "/points?item=x")
    cookie = answer.headers["Set-Cookie"]
    assert re.match(r"language=en; ", cookie)
    for part in ("Max-Age=31536000", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"):
        assert part in cookie
    assert page(client.get("/", headers={"Accept-Language": "hu"})).html["lang"] == "en"


def test_the_chosen_language_stays_with_the_customer(app: Flask, client: FlaskClient, anna: User, page: Any) -> None:
    client.post("/language", data={"language": "en", "next": "/"})
    assert User.get().language == "en"
    other = app.test_client()
    log_in(other)
    assert page(other.get("/", headers={"Accept-Language": "hu"})).html["lang"] == "en"


def test_a_language_we_do_not_speak_and_a_foreign_next(client: FlaskClient) -> None:
    assert client.post("/language", data={"language": "de"}).status_code == 400
    assert client.post("/language", data={"language": "hu", "next": "//evil.hu"}).location == "/"
    assert client.get("/language").location == "/"


def test_health_touches_the_database(client: FlaskClient, queries: Any) -> None:
    with queries() as seen:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "ok\n", "text/plain")
    assert seen == ["SELECT 1"]


def test_nobody_is_left_without_a_page_after_closing_a_membership(client: FlaskClient, anna: User, page: Any) -> None:
    """A tier that a market dropped still has members: their home page names it by its key."""
    membership_of(anna.account, tier="red")
    assert "red" in page(client.get("/")).select_one("main").text
    assert Membership.get().tier == "red"
