"""The demo: its people are where they are said to be, and its pages exist only in a demo."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from stdnum.eu import vat
from werkzeug.test import TestResponse

import models
from models import Account, CatalogueItem, Invoice, LegacyAccount, Membership, OutboxMail, Product, User, db
from services import accounts, demo, mail, migration, passwords, tiers
from services import clock as portal_clock
from tests.conftest import FrozenClock, MakeApp

Page = Callable[[TestResponse], BeautifulSoup]
TODAY = dt.date(2026, 11, 24)


@pytest.fixture
def demo_app(make_app: MakeApp, clock: FrozenClock) -> Flask:
    """A demo with its people, on 24 November 2026."""
    app = make_app(demo=True)
    assert demo.seed(app.config["PORTAL"], portal_clock.now(), TODAY) == 8
    return app


@pytest.fixture
def browser(demo_app: Flask) -> FlaskClient:
    client = demo_app.test_client()
    client.set_cookie("language", "en", domain="127.0.0.1")
    return client


def account(key: str) -> Account:
    return accounts.account_of(User.get(User.email == f"{key}@example.com"))


# --- people --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", demo.PEOPLE, ids=lambda person: person.key)
def test_everybody_has_the_points_they_are_said_to_have(demo_app: Flask, person: demo.Person) -> None:
    if person.key == "olga":
        user = User.get(User.email == person.email)
        assert (user.role, user.account) == ("operator", None)
        return
    assert account(person.key).points() == person.points
    assert vat.is_valid(person.vat_id)
    assert {product.points for product in Product.of(account(person.key)) if not product.is_complete} == (
        {15} if person.key == "bela" else set()
    )


def test_bela_is_one_product_short_of_the_invitation(demo_app: Flask) -> None:
    incomplete = [product for product in Product.of(account("bela")) if not product.is_complete]
    assert [product.missing for product in incomplete] == [["purchased", "dealer"]]
    assert account("bela").points() + incomplete[0].points >= 500
    assert account("bela").invited_at is None


def test_cili_finds_six_products_in_her_old_account_two_with_gaps(demo_app: Flask) -> None:
    rows = migration.preview(account("cili"))
    assert len(rows) == 6
    assert sum(row.verdict == "incomplete" for row in rows) == 2
    assert migration.needs_proof(account("cili"), User.get(User.email == "cili@example.com"))


def test_denes_has_no_switch_and_erika_has(demo_app: Flask) -> None:
    market = demo_app.config["PORTAL"].market
    assert not tiers.standing(account("denes").points(), 6, market).corporate_open
    assert tiers.standing(account("erika").points(), 5, market).corporate_open


def test_ferencs_card_is_due_later_and_gabis_transfer_is_late(demo_app: Flask) -> None:
    card, transfer = (Invoice.get(Invoice.account == account(key)) for key in ("ferenc", "gabi"))
    assert (card.method, card.status, card.due_on > TODAY) == ("card", "open", True)
    assert (transfer.method, transfer.status, transfer.is_overdue(TODAY)) == ("transfer", "open", True)
    assert card.demo
    assert transfer.demo
    reminders = OutboxMail.select().where(OutboxMail.name == "reminder", OutboxMail.recipient == "gabi@example.com")
    assert [re.sub(".*:", "", row.key) for row in reminders.order_by(OutboxMail.id)] == ["1", "7"]
    assert account("gabi").membership().status == "active"


@pytest.mark.parametrize("market", ["hu", "at"])
def test_both_markets_can_be_shown(make_app: MakeApp, market: str) -> None:
    app = make_app(market, demo=True)
    assert demo.seed(app.config["PORTAL"], portal_clock.now(), TODAY) == 8
    assert Invoice.select().where(Invoice.currency == app.config["PORTAL"].market.currency).count() == 2


def test_the_demo_password_keeps_the_rules(demo_app: Flask) -> None:
    for person in demo.PEOPLE:
        known = [person.email, person.name, person.company, "CPS", *(item.name for item in CatalogueItem.select())]
        assert passwords.problem(demo.PASSWORD, known) == ""


def test_the_demo_password_logs_in(browser: FlaskClient) -> None:
    done = browser.post("/login", data={"email": "anna@example.com", "password": demo.PASSWORD})
    assert done.status_code == 303


def test_seeding_is_all_or_nobody(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_app(demo=True).config["PORTAL"]
    monkeypatch.setattr(demo, "join", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        demo.seed(settings, portal_clock.now(), TODAY)
    assert User.select().count() == 0
    monkeypatch.undo()
    assert demo.seed(settings, portal_clock.now(), TODAY) == 8
    assert demo.seed(settings, portal_clock.now(), TODAY) == 0


def test_nothing_of_it_works_outside_a_demo(app: Flask) -> None:
    with pytest.raises(demo.NotADemo):
        demo.seed(app.config["PORTAL"], portal_clock.now(), TODAY)
    with pytest.raises(demo.NotADemo):
        demo.advance(app.config["PORTAL"], TODAY, portal_clock.now())
    assert not [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/demo")]
    client = app.test_client()
    for path in ("/demo/mail", "/demo/mail/1", "/demo/mail/1/body", "/demo/clock", "/demo/people/anna"):
        assert client.get(path).status_code == 404
        assert client.post(path).status_code == 404
    assert "/demo" not in client.get("/login").text


# --- logging in by one click ---------------------------------------------------------------------------------------


def test_the_log_in_page_lists_everybody(browser: FlaskClient, page: Page) -> None:
    soup = page(browser.get("/login"))
    actions = [form["action"] for form in soup.find_all("form") if str(form["action"]).startswith("/demo/people/")]
    assert actions == [f"/demo/people/{person.key}" for person in demo.PEOPLE]
    assert "Fényíró Műhely Bt. · 495\u00a0points" in soup.get_text()
    assert demo.PASSWORD in soup.get_text()
    assert "Set-Cookie" not in browser.get("/login").headers


@pytest.mark.parametrize("person", demo.PEOPLE, ids=lambda person: person.key)
def test_one_click_logs_in(browser: FlaskClient, page: Page, person: demo.Person) -> None:
    done = browser.post(f"/demo/people/{person.key}")
    assert (done.status_code, done.location) == (303, "/")
    assert person.name in page(browser.get("/account")).get_text()


def test_another_click_is_another_person(browser: FlaskClient) -> None:
    browser.post("/demo/people/anna")
    browser.post("/demo/people/erika")
    assert models.LoginSession.select().count() == 1
    assert "Minta Erika" in browser.get("/account").text


def test_after_the_click_one_is_where_one_wanted_to_go(browser: FlaskClient, page: Page) -> None:
    soup = page(browser.get("/login?next=/tiers"))
    field = soup.select_one("form[action='/demo/people/erika'] input[name=next]")
    assert field
    assert field["value"] == "/tiers"
    assert browser.post("/demo/people/erika", data={"next": "/tiers"}).location == "/tiers"
    assert browser.post("/demo/people/erika", data={"next": "//evil.example"}).location == "/"


def test_nobody_else_can_be_logged_in_as(browser: FlaskClient) -> None:
    for key in ("nobody", "anna@example.com", "ANNA", "%00", "a" * 300):
        assert browser.post(f"/demo/people/{key}").status_code in (400, 404)
    assert browser.get("/demo/people/anna").location == "/login"
    assert models.LoginSession.select().count() == 0


# --- mailbox -------------------------------------------------------------------------------------------------------


def test_the_mailbox_shows_every_mail_newest_first(browser: FlaskClient, page: Page) -> None:
    soup = page(browser.get("/demo/mail"))
    shown = [link["href"] for link in soup.select("tbody a")]
    assert shown == [f"/demo/mail/{row.id}" for row in OutboxMail.select().order_by(OutboxMail.id.desc())]
    assert {cell.get_text(strip=True) for cell in soup.select("td[data-label=State]")} == {"sent"}


def test_a_waiting_and_a_dead_mail_say_so(browser: FlaskClient, page: Page) -> None:
    first, second = OutboxMail.select().order_by(OutboxMail.id.desc()).limit(2)
    OutboxMail.update(sent_at=None).where(OutboxMail.id.in_([first.id, second.id])).execute()
    OutboxMail.update(dead_at=portal_clock.now(), error="550 no").where(OutboxMail.id == second.id).execute()
    states = page(browser.get("/demo/mail")).select("td[data-label=State]")
    assert [state.get_text(strip=True) for state in states[:3]] == ["waiting", "given up", "sent"]
    assert "550 no" in page(browser.get(f"/demo/mail/{second.id}")).get_text()


def test_an_empty_mailbox_says_how_to_get_a_mail(make_app: MakeApp, page: Page) -> None:
    soup = page(make_app(demo=True).test_client().get("/demo/mail"))
    assert soup.select_one("main a.button[href='/account/new']")


def test_a_full_mailbox_has_pages(browser: FlaskClient, page: Page, demo_app: Flask) -> None:
    with db.atomic():
        for number in range(150):
            mail.queue(demo_app.config["PORTAL"], f"k{number}", "reset", "a@example.com", "en", person="", url="u")
    seen: list[str] = []
    url = "/demo/mail"
    while url:
        soup = page(browser.get(url))
        seen += [str(link["href"]) for link in soup.select("tbody a")]
        older = soup.select_one("main p > a[href^='/demo/mail?']")
        url = str(older["href"]) if older else ""
    assert len(seen) == len(set(seen)) == OutboxMail.select().count()
    for odd in ("x", "-1", "٣", "9" * 30):
        assert browser.get(f"/demo/mail?before={odd}").status_code == 200


def test_a_mail_is_shown_as_text_and_as_html_with_links_that_work(
    browser: FlaskClient, page: Page, demo_app: Flask
) -> None:
    browser.post("/account/password", data={"email": "anna@example.com"})
    row = OutboxMail.select().order_by(OutboxMail.id.desc()).get()
    soup = page(browser.get(f"/demo/mail/{row.id}"))
    links = [str(link["href"]) for link in soup.select("main ul a")]
    reset = next(link for link in links if link.startswith("/account/password/"))
    assert page(browser.get(reset)).find("input", {"name": "password"})
    assert row.text.splitlines()[0] in soup.get_text()
    frame = soup.find("iframe")
    assert frame
    assert frame["src"] == f"/demo/mail/{row.id}/body"
    answer = browser.get(str(frame["src"]))
    assert f'href="{reset}"' in answer.text
    assert '<base target="_top">' in answer.text


def test_the_html_of_a_mail_can_do_nothing(browser: FlaskClient) -> None:
    row = OutboxMail.select().get()
    policy = browser.get(f"/demo/mail/{row.id}/body").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in browser.get(f"/demo/mail/{row.id}").headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path", ["/demo/mail/999999", "/demo/mail/0", "/demo/mail/99999999999", "/demo/mail/999999/body"]
)
def test_there_is_no_such_mail(browser: FlaskClient, path: str) -> None:
    assert browser.get(path).status_code == 404


# --- clock ---------------------------------------------------------------------------------------------------------


def move(browser: FlaskClient, to: str) -> TestResponse:
    return browser.post("/demo/clock", data={"to": to})


def test_the_clock_shows_the_day_and_where_to_go(browser: FlaskClient, page: Page) -> None:
    soup = page(browser.get("/demo/clock"))
    assert "Today is 24\u00a0November\u00a02026." in soup.get_text()
    assert [button["value"] for button in soup.select("button[name=to]")] == [
        "2026-11-25",  # the next day
        "2026-11-28",  # gabi is suspended
        "2026-12-12",  # ferenc's card
        "2027-01-13",  # gabi is cancelled
    ]


def test_on_the_due_date_the_card_is_charged(browser: FlaskClient, page: Page) -> None:
    assert move(browser, "2026-12-11").status_code == 303
    assert Invoice.get(Invoice.method == "card").status == "open"
    assert move(browser, "2026-12-12").location == "/demo/clock"
    assert Invoice.get(Invoice.method == "card").status == "paid"
    text = page(browser.get("/demo/clock")).get_text()
    assert "It is 12\u00a0December\u00a02026 now. 1 card was charged." in text


def test_one_long_step_does_everything_in_its_order(browser: FlaskClient, page: Page) -> None:
    """A transfer bought now: reminders at +1, +7 and +14, suspended at +14, cancelled at +60; gabi before."""
    erika = User.get(User.email == "erika@example.com")
    settings = browser.application.config["PORTAL"]
    demo.join(erika, "erika", settings, TODAY, portal_clock.now())
    before = OutboxMail.select().order_by(OutboxMail.id.desc()).get().id
    move(browser, "2027-03-01")
    invoice = Invoice.get(Invoice.account == erika.account)
    mails = OutboxMail.select().where(OutboxMail.recipient == erika.email, OutboxMail.id > before)
    assert [row.key.replace(invoice.number, "N") for row in mails.order_by(OutboxMail.id)] == [
        "reminder:N:1",
        "reminder:N:7",
        "reminder:N:14",
        "suspended:N",
        "cancelled:N",
    ]
    assert Membership.get(Membership.account == erika.account).status == "cancelled"
    text = page(browser.get("/demo/clock")).get_text()
    assert "4 reminders were sent. 2 memberships were suspended. 2 memberships were cancelled." in text


def test_a_quiet_day_says_so(browser: FlaskClient, page: Page) -> None:
    move(browser, "2026-11-25")
    assert "It is 25\u00a0November\u00a02026 now. Nothing fell due." in page(browser.get("/demo/clock")).get_text()
    assert portal_clock.today(browser.application.config["PORTAL"].market.timezone, demo=True) == dt.date(2026, 11, 25)


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("2026-11-23", "The clock only moves forward: choose 24\u00a0November\u00a02026 or a later day."),
        ("0001-01-01", "The clock only moves forward: choose 24\u00a0November\u00a02026 or a later day."),
        ("9999-12-31", "The clock moves at most 800 days at once."),
        ("tomorrow", "Day: write it as year-month-day, such as 2026-12-24."),
        ("2026-02-30", "Day: write it as year-month-day, such as 2026-12-24."),
        ("", "Day: this is missing."),
    ],
)
def test_a_day_that_cannot_be_is_refused_with_a_sentence(
    browser: FlaskClient, page: Page, to: str, sentence: str
) -> None:
    answer = move(browser, to)
    assert answer.status_code == 422
    soup = page(answer)
    assert sentence in soup.get_text()
    field = soup.find("input", {"name": "to"})
    assert field
    assert field["value"] == to
    assert portal_clock.today(browser.application.config["PORTAL"].market.timezone, demo=True) == TODAY


def test_while_the_worker_runs_the_clock_waits_and_then_says_so(
    browser: FlaskClient, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "PATIENCE", 0.1)
    until = portal_clock.now() + dt.timedelta(minutes=5)
    models.Lease.create(name="due", holder="worker", until=until)
    answer = move(browser, "2026-11-24")
    assert answer.status_code == 422
    assert "The day is being moved already." in page(answer).get_text()


def test_old_accounts_are_there_to_migrate(demo_app: Flask) -> None:
    assert LegacyAccount.select().count() == 2
