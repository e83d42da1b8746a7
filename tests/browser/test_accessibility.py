"""Every page and every swapped state for axe-core, in both themes, as wide as a small phone; no sideways scroll."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from models import Invoice, Order, Product, User, db
from tests.browser.test_journey import log_in_as

Visit = Callable[..., Page]
VISITOR = """
/ /points /points?item=eos-r1&item=eos-r5&item=eos-1dx-mk3&item=eos-c80&item=eos-c400 /faq /account/new
/account/password /account/password/unknown /login /nowhere /demo/mail /demo/mail/1 /demo/clock
""".split()
PEOPLE = {
    "anna": [
        "/",
        "/products",
        "/products/points",
        "/products/migration",
        "/tiers",
        "/membership",
        "/invoices",
        "/account",
    ],
    "bela": ["/", "/products", "PRODUCT", "REMOVE", "/products/points", "/tiers", "/tiers/silver/join"],
    "cili": ["/products", "/products/migration"],
    "erika": ["/", "/tiers", "/tiers?corporate=on", "/tiers/gold/join", "/account/delete"],
    "ferenc": ["/", "/membership", "/invoices", "INVOICE", "ORDER", "/tiers"],
    "gabi": ["/", "/membership", "INVOICE"],
    "olga": ["/", "/account", "/products"],
}


def path_of(person: str, path: str) -> str:
    """Addresses that depend on what the demo made."""
    with db.connection_context():
        account = User.get(User.email == f"{person}@example.com").account
        if path == "INVOICE":
            return f"/invoices/{Invoice.of(account).get().number}"
        if path == "ORDER":
            order = Order.get(Order.account == account)
            return f"/tiers/{order.tier}/join/{order.key}"
        if path in ("PRODUCT", "REMOVE"):
            return f"/products/{Product.of(account).get().id}" + ("/remove" if path == "REMOVE" else "")
    return path


def look(page: Page, axe: Callable[[Page], None]) -> None:
    axe(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} scrolls sideways"


@pytest.mark.parametrize("dress", [("hu", "light"), ("en", "dark")], ids=lambda dress: "-".join(dress))
def test_every_page_is_accessible(visit: Visit, axe: Callable[[Page], None], dress: tuple[str, str]) -> None:
    language, scheme = dress
    page = visit(language=language, scheme=scheme, width=320)
    for path in VISITOR:
        page.goto(path)
        look(page, axe)
    for person, paths in PEOPLE.items():
        page.context.clear_cookies()
        log_in_as(page, person)
        if language == "en":
            page.locator("button[name=language][value=en]").click()
        for path in paths:
            page.goto(path_of(person, path))
            assert page.locator("html").get_attribute("lang") == language
            look(page, axe)


def test_what_is_swapped_in_is_accessible_and_keeps_the_focus(visit: Visit, axe: Callable[[Page], None]) -> None:
    page = visit(width=320)
    log_in_as(page, "bela")
    page.goto("/products")
    page.locator("#register").click()  # nothing chosen: refused in place
    expect(page.locator(".summary")).to_be_focused()
    look(page, axe)
    page.locator("#item").select_option("eos-r1")  # what it would bring
    expect(page.locator("#points-meter")).to_contain_text("1 050")
    look(page, axe)
    row = page.locator("#product-list .row").first
    row.locator("summary").click()
    row.locator("[name=serial]").fill("7654321")
    row.locator("[name=purchased]").fill("2023")
    row.locator("[name=country]").select_option("HU")
    row.locator("[name=dealer]").fill("Fotó Sarok")
    row.locator("form button").first.click()
    expect(page.locator("#points-meter")).to_contain_text("510")
    expect(page.locator("#status")).to_contain_text("510")
    assert page.evaluate("document.activeElement !== document.body")
    look(page, axe)


def test_the_switch_keeps_the_focus_and_says_what_it_did(visit: Visit, axe: Callable[[Page], None]) -> None:
    page = visit(width=320)
    log_in_as(page, "erika")
    page.goto("/tiers")
    page.locator("[role=switch]").focus()
    page.keyboard.press("Space")
    expect(page.locator("[role=switch]")).to_have_attribute("aria-checked", "true")
    expect(page.locator("[role=switch]")).to_be_focused()
    expect(page.locator("#status")).to_contain_text("Vállalati szintek")
    look(page, axe)
    page.reload()
    expect(page.locator("[role=switch]")).to_have_attribute("aria-checked", "true")
