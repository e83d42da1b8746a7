"""Eligibility at every boundary, and the tiers page: locked, available, switched, refreshed, and its refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from market import load_market
from models import Order
from services import tiers
from tests.money_kit import account_of, customer, log_in
from views.tiers import grid_context

Page = Callable[[TestResponse], BeautifulSoup]
MARKET = load_market("hu")
INDIVIDUAL = ["silver", "gold", "platinum"]
CORPORATE = ["corporate-a", "corporate-b", "corporate-c"]


@pytest.mark.parametrize(
    ("points", "open_tiers"),
    [
        (0, []),
        (499, []),
        (500, INDIVIDUAL[:1]),
        (999, INDIVIDUAL[:1]),
        (1000, INDIVIDUAL[:2]),
        (1599, INDIVIDUAL[:2]),
        (1600, INDIVIDUAL),
        (2000, INDIVIDUAL),
        (2500, INDIVIDUAL),
        (2501, INDIVIDUAL + CORPORATE),
    ],
)
def test_tiers_open_at_their_points(points: int, open_tiers: list[str]) -> None:
    assert [offer.tier.key for offer in tiers.offers(points, 1, MARKET) if offer.unlocked] == open_tiers


@pytest.mark.parametrize(
    ("products", "open_tiers"),
    [(25, CORPORATE), (26, CORPORATE[1:]), (100, CORPORATE[1:]), (101, CORPORATE[2:]), (250, CORPORATE[2:]), (251, [])],
)
def test_corporate_tiers_cover_so_many_products(products: int, open_tiers: list[str]) -> None:
    offers = tiers.offers(9999, products, MARKET)
    assert [offer.tier.key for offer in offers if offer.unlocked] == INDIVIDUAL + open_tiers


def test_missing_points_count_to_the_tier() -> None:
    missing = {offer.tier.key: offer.missing_points for offer in tiers.offers(495, 1, MARKET)}
    assert missing == {"silver": 5, "gold": 505, "platinum": 1105} | dict.fromkeys(CORPORATE, 2006)


@pytest.mark.parametrize(("points", "switch"), [(2500, False), (2501, True)])
def test_switch_only_above_the_threshold(client: FlaskClient, page: Page, points: int, switch: bool) -> None:
    soup = page(log_in(client, customer(points)).get("/tiers?corporate=on"))
    assert bool(soup.select_one("#corporate-switch")) is switch
    shown = [tier["id"] for tier in soup.select("#tier-grid .tier")]
    assert shown == [f"tier-{key}" for key in (CORPORATE if switch else INDIVIDUAL)]


def test_below_the_invitation_the_page_says_what_is_missing(client: FlaskClient, page: Page) -> None:
    soup = page(log_in(client, customer(495)).get("/tiers", headers={"Accept-Language": "en"}))
    main = soup.main
    assert main
    assert not main.select("a[href*=join]")
    assert main.select_one("a[href='/products']")
    assert main.select_one("a[href='/points']")


def test_member_sees_the_own_tier_and_no_way_to_join_twice(
    client: FlaskClient, page: Page, settings: Any, connected: Any
) -> None:
    from tests.money_kit import join

    user = customer(2000)
    join(settings(), user, "gold")
    soup = page(log_in(client, user).get("/tiers"))
    assert not soup.select("a[href*=join]")
    assert soup.select_one("#tier-gold .state.good")


def test_switch_answers_grid_and_status_only(client: FlaskClient, page: Page, htmx: Any) -> None:
    log_in(client, customer(2505))
    answer = htmx(client, "get", "/tiers?corporate=on", "tier-grid")
    soup = page(answer)
    assert soup.find(id="tier-grid")
    assert soup.select_one("hx-partial #status").get_text(strip=True)  # type: ignore[union-attr]
    assert "<html" not in answer.text


def test_coming_back_to_the_tab_is_304(client: FlaskClient, htmx: Any) -> None:
    log_in(client, customer(2505))
    first = htmx(client, "get", "/tiers?corporate=on", "tier-grid")
    again = htmx(client, "get", "/tiers?corporate=on", "tier-grid", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)


def test_grid_takes_three_queries(app: Flask, queries: Any) -> None:
    account = account_of(customer(2505, products=12))
    with app.test_request_context(base_url=app.config["PORTAL"].base_url), queries() as seen:
        grid_context(account, corporate=True)
    assert len(seen) <= 3, seen


def test_visitors_and_strangers_to_tiers(client: FlaskClient) -> None:
    assert client.get("/tiers").status_code == 303
    log_in(client, customer(2000))
    assert client.get("/tiers/bronze/join").status_code == 404
    assert client.post("/tiers/bronze/join").status_code == 404


@pytest.mark.parametrize(
    ("points", "products", "tier"), [(999, 0, "gold"), (2500, 0, "corporate-a"), (2505, 26, "corporate-a")]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_locked_tier_by_hand_is_refused(
    client: FlaskClient, page: Page, points: int, products: int, tier: str, method: str
) -> None:
    log_in(client, customer(points, products))
    answer = client.open(
        f"/tiers/{tier}/join", method=method.upper(), data={"method": "transfer"} if method == "post" else None
    )
    assert answer.status_code == 422
    assert page(answer).main.select_one("a.button")  # type: ignore[union-attr]
    assert not Order.select().exists()
