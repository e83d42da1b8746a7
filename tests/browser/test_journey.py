"""The how-to from end to end, in Chromium: from "create a business account" to a printed invoice.

Twice in Hungarian, with JavaScript and without, and once in English. The promises are DESIGN.md section 2's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]
PASSWORD = "négy barna medve vár"


def mailed_link(page: Page, subject: str, address: str) -> str:
    """The path of the link in the newest mail with that subject, read in the demo's mailbox."""
    page.goto("/demo/mail")
    page.get_by_role("link", name=re.compile(subject)).first.click()
    href = page.locator(f"main a[href*='{address}']").first.get_attribute("href")
    assert href
    return re.sub(r"^https?://[^/]+", "", href)


def log_in_as(page: Page, person: str) -> None:
    page.goto("/login")
    page.locator(f"form[action='/demo/people/{person}'] button").click()
    expect(page.locator("header")).not_to_contain_text(re.compile("Bejelentkezés|Log in"))


def add_product(page: Page, item: str, serial: str, **other: str) -> None:
    """Through the form of /products, as it stands on the page."""
    form = page.locator("form[action='/products'][method=post]")
    form.locator("[name=item]").select_option(item)
    form.locator("[name=serial]").fill(serial)
    form.locator("[name=purchased]").fill(other.get("purchased", "2024"))
    form.locator("[name=country]").select_option("HU")
    form.locator("[name=dealer]").fill(other.get("dealer", "Fotó Sarok"))
    form.locator("#register").click()
    expect(page.locator("#product-list")).to_contain_text(serial)
    expect(form.locator("[name=serial]")).to_have_value("")  # the form is ready for the next one


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_a_business_becomes_a_member(visit: Visit, javascript: bool) -> None:
    page = visit(javascript=javascript)

    # 1. business account → automatic mail → password → log-in
    page.goto("/")
    page.get_by_role("link", name="Üzleti fiók létrehozása").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Üzleti fiók létrehozása")
    page.locator("main form [type=submit], main form button").last.click()
    expect(page.locator(".summary")).to_be_visible()  # empty: refused, with a list of what is missing
    for name, value in {
        "company": "Tavasz Fotó Bt.", "street": "Tölgy utca 3.", "postcode": "6720", "city": "Szeged",
        "name": "Tavaszi Vera", "email": "vera@tavasz.example", "old_email": "regi@tavasz.example",
    }.items():  # fmt: skip
        page.locator(f"main [name={name}]").fill(value)
    page.locator("main form button").last.click()
    expect(page.locator("h1")).not_to_have_text("Üzleti fiók létrehozása")
    page.goto(mailed_link(page, "CPS-jelszavad", "/account/password/"))
    page.locator("[name=password]").fill("rövid")
    page.locator("main form button").click()
    expect(page.locator(".summary")).to_be_visible()
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main form button").click()
    page.goto("/login")
    page.locator("main [name=email]").fill("vera@tavasz.example")
    page.locator("main [name=password]").fill(PASSWORD)
    page.locator("form[action='/login'] button").click()

    # 2. my products: 445 + 40 + 15 = 500, the last one incomplete at first
    page.get_by_role("link", name="Saját termékek").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Saját termékek")
    add_product(page, "eos-r3", "012345678901")
    add_product(page, "ext-rf-14", "0123456789")
    add_product(page, "ef-40-28", "7654321", dealer="")
    row = page.locator("#product-list .row").filter(has_text="7654321")
    expect(row).to_contain_text("márkakereskedő")
    expect(page.locator("#points-meter")).to_contain_text("485")
    expect(page.locator("#tier-silver")).to_contain_text("még 15 pont")
    row.locator("summary").click()
    row.locator("[name=dealer]").fill("Fotó Sarok")
    row.locator("form button").first.click()
    expect(page.locator("#points-meter")).to_contain_text("500")
    expect(page.locator("#tier-silver")).to_contain_text("Elérhető")
    expect(page.locator("#product-list .row").filter(has_text="7654321")).to_contain_text("15 pont")

    # 3. invited → tiers → payment by transfer → check → order
    page.goto("/demo/mail")
    expect(page.get_by_role("link", name=re.compile("Meghívunk, hogy legyél CPS-tag")).first).to_be_visible()
    page.goto("/tiers")
    expect(page.get_by_role("heading", level=1)).to_have_text("Elérhető CPS-szintek")
    expect(page.locator("[role=switch]")).to_have_count(0)
    page.locator("#tier-silver a").click()
    page.get_by_text("Banki átutalás", exact=True).click()
    page.locator("main form[method=post] button").last.click()
    expect(page.locator("main")).to_contain_text("50 673 Ft")
    page.get_by_role("button", name=re.compile("Megrendelés · 50.673.Ft")).click()

    # 4. member at once: number, invoice
    expect(page.locator(".number")).to_contain_text(re.compile(r"CPS-HU-\d{6}-\d"))
    number = page.locator(".number").inner_text()
    page.go_back()
    page.goto("/membership")
    expect(page.locator("main")).to_contain_text(re.search(r"CPS-HU-\d{6}-\d", number)[0])  # type: ignore[index]
    page.goto("/invoices")
    expect(page.locator("main a[href^='/invoices/']")).to_have_count(1)
    page.locator("main a[href^='/invoices/']").click()
    expect(page.locator("main")).to_contain_text("RF")
    expect(page.locator("main")).to_contain_text("nem számviteli bizonylat")
    page.get_by_role("button", name=re.compile("beérk|érkez", re.I)).click()
    expect(page.locator("main")).to_contain_text("Kifizetve")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_a_card_is_saved_now_and_charged_on_the_due_date(visit: Visit, javascript: bool) -> None:
    page = visit(javascript=javascript)
    log_in_as(page, "erika")
    page.goto("/tiers")
    page.locator("[role=switch]").click()
    expect(page.locator("[role=switch]")).to_have_attribute("aria-checked", "true")
    expect(page).to_have_url(re.compile("corporate=on"))
    expect(page.locator("#tier-corporate-a")).to_be_visible()
    page.locator("[role=switch]").click()
    expect(page.locator("[role=switch]")).to_have_attribute("aria-checked", "false")
    page.locator("#tier-gold a").click()
    page.get_by_text("Kártya", exact=True).click()
    page.locator("main form[method=post] button").last.click()
    page.locator("button[value=refused]").click()
    expect(
        page.locator("main .notice.amber")
    ).to_be_visible()  # refused: nothing ordered, another card or a transfer offered
    page.locator("button[value=card]").click()
    page.locator("button[value=confirm]").click()
    page.locator("button[value=confirmed]").click()
    page.get_by_role("button", name=re.compile("Megrendelés · 101.473.Ft")).click()
    expect(page.locator(".number")).to_contain_text("CPS-HU-")
    page.locator("a[href^='/invoices/']").first.click()
    invoice = page.url
    expect(page.locator("main")).not_to_contain_text("Kifizetve")
    page.goto("/demo/clock")
    page.locator("button[name=to]").nth(1).click()  # the next due date of anybody: Ferenc's, not Erika's
    page.goto(invoice)
    expect(page.locator("main")).not_to_contain_text("Kifizetve")
    page.goto("/demo/clock")
    page.locator("input[name=to]").fill("2027-02-28")
    page.get_by_role("button", name="Óra léptetése").click()
    page.goto(invoice)
    expect(page.locator("main")).to_contain_text("Kifizetve")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_products_move_over_from_the_old_account(visit: Visit, javascript: bool) -> None:
    page = visit(javascript=javascript)
    log_in_as(page, "cili")
    page.goto("/products")
    expect(page.locator("#points-meter")).to_contain_text(re.compile("1.995"))
    page.get_by_role("link", name=re.compile("TERMÉKEK ÁTTELEPÍTÉSE.*6")).click()
    page.locator("form[action='/products/migration/proof'] button").click()
    page.goto(mailed_link(page, "régi CPS-címed", "/products/migration/proof/"))
    page.locator("main form button").click()
    page.goto("/products/migration")
    page.locator("form[action='/products/migration'] button").click()
    expect(page.locator("main")).to_contain_text("Hiányzik")
    page.goto("/products")
    expect(page.get_by_role("link", name=re.compile("TERMÉKEK ÁTTELEPÍTÉSE"))).to_have_count(0)
    expect(page.locator("#points-meter")).not_to_contain_text(re.compile("1.995"))


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_the_calculator_carries_its_list_into_a_new_account(visit: Visit, javascript: bool) -> None:
    page = visit(javascript=javascript, language="en")
    page.goto("/points")
    for item in ("eos-r3", "ext-rf-14"):
        page.locator("[name=add], [name=item]:not([type=hidden])").first.select_option(item)
        page.get_by_role("button", name="Add to the list").click()
        expect(page.locator("#points-meter")).to_contain_text({"eos-r3": "445", "ext-rf-14": "485"}[item])
    page.get_by_role("link", name=re.compile("account with this list")).click()
    expect(page.locator("form input[type=hidden][name=item]")).to_have_count(2)


def test_the_invoice_prints_on_one_page(visit: Visit) -> None:
    page = visit()
    log_in_as(page, "gabi")
    page.goto("/invoices")
    page.locator("main a[href^='/invoices/']").first.click()
    printed = page.pdf(format="A4", print_background=False)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
