"""The security checklist of server.md c7, over every route of the app's own map, so that new routes are covered.

Statements 7 to 12 (sessions, enumeration, limits, links, passwords) are in test_accounts.py and test_passwords.py, the
races of 15 in test_orders.py and test_products.py; what is here is about all routes alike.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

import config
import models
from models import Account, Invoice, Membership, Order, PointEvent, Product, User
from services import accounts, demo, sessions
from services.payments.demo import Demo
from tests.conftest import SECRET_KEY
from tests.test_accounts import GOOD, cookie, log_in, mails, member, sign_up
from views.access import own_path

TODAY = dt.date(2026, 11, 24)
PEOPLE = ("anna", "bela", "cili", "denes", "erika", "ferenc", "gabi", "olga")
NOBODY = ""


@pytest.fixture
def world(make_app: Any, settings: Any, clock: Any) -> Flask:
    """The demo with its people: somebody at every stage, and something of every kind."""
    app: Flask = make_app(demo=True)
    demo.seed(settings(demo=True), clock.at.replace(tzinfo=None), TODAY)
    cili = demo.find("cili")
    assert cili
    models.MailLink.create(
        token_hash=sessions.digest("t" * 43), purpose="old_email", user=cili, email="cili.regi@example.com",
        created_at=clock.at.replace(tzinfo=None), expires_at=clock.at.replace(tzinfo=None) + dt.timedelta(hours=1),
    )  # fmt: skip
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


def browser_of(app: Flask, key: str) -> FlaskClient:
    """A browser logged in as a demo person; of a visitor for an empty key."""
    browser = app.test_client()
    if key:
        assert browser.post(f"/demo/people/{key}").status_code == 303
    return browser


def account_of(key: str) -> Account:
    user = demo.find(key)
    assert user
    return accounts.account_of(user)


# --- a small table: something for every argument of a route -----------------------------------------------------------


def things_of(key: str) -> dict[str, str]:
    """A value for each kind of argument, as far as the person has one: of their own."""
    found = {"tier": "silver", "key": key or "anna", "name": "app.css", "token": "t" * 43, "n": "1", "ref": "none"}
    user = demo.find(key) if key else None
    if user and user.account:
        product = Product.of(user.account).first()
        invoice = Invoice.of(user.account).first()
        order = Order.get_or_none(Order.account == user.account)
        found |= {"product": str(product.id)} if product else {}
        found |= {"invoice": invoice.number} if invoice else {}
        found |= {"order": order.key, "tier": order.tier, "ref": card_ref(order)} if order else {}
    return found


def card_ref(order: Order) -> str:
    """The demo card page of an order."""
    here = f"/tiers/{order.tier}/join/{order.key}"
    return Demo(SECRET_KEY).start_setup(owner=order.key, email="", back=here, cancel=here).rpartition("/")[2]


def kind_of(rule: Rule, argument: str) -> str:
    """What an argument stands for: a product's number is an integer, an invoice's a text, an order's key has a tier."""
    if argument == "number":
        return "product" if "int" in rule.rule else "invoice"
    return "order" if argument == "key" and "tier" in rule.arguments else argument


def addresses(app: Flask, method: str, things: dict[str, str]) -> Iterator[tuple[Rule, str]]:
    """Every route that takes `method`, filled from the table; KeyError for an argument the table does not know."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if method in (rule.methods or ()):
            path = rule.rule
            kinds = {argument: kind_of(rule, argument) for argument in rule.arguments}
            assert set(kinds.values()) <= KINDS, f"{rule.rule}: say in things_of() what {kinds} is"
            for argument, kind in kinds.items():
                path = re.sub(rf"<(?:[^<>:]+:)?{argument}>", things.get(kind, "0"), path)
            yield rule, path


KINDS = {"product", "invoice", "order", "tier", "key", "name", "token", "n", "ref"}
OWNED = {"product", "invoice", "order"}


def dump() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    return {m._meta.table_name: list(m.select().order_by(m.id).tuples()) for m in models.ALL}


# --- 1, 2: who may change anything, and by which method --------------------------------------------------------------

THEIRS: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Referer": "https://evil.example/form"},
]


def test_no_foreign_post_changes_anything(world: Flask) -> None:
    """1. Every state-changing route, every way a foreign page can send: 403, and not a row differs."""
    for key in ("bela", "ferenc"):
        browser: Any = browser_of(world, key)
        browser.tells = False
        before = dump()
        count = 0
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for _rule, path in addresses(world, method, things_of(key)):
                for headers in THEIRS:
                    assert browser.open(path, method=method, headers=headers).status_code == 403, (path, headers)
                    count += 1
        assert count > 50
        assert dump() == before


def test_no_get_changes_anything(world: Flask) -> None:
    """2. Every GET and HEAD, as everybody: the same rows before and after."""
    for key in (NOBODY, *PEOPLE):
        browser = browser_of(world, key)
        things = things_of(key)
        before = dump()
        for method in ("GET", "HEAD"):
            for _rule, path in addresses(world, method, things):
                for address in (path, f"{path}?corporate=on&add=eos-r5&remove=0&item=x&ref=x&order=x&q=eos"):
                    answer = browser.open(address, method=method)
                    assert answer.status_code < 500, address
        assert dump() == before, key


# --- 3, 4: what every answer carries ---------------------------------------------------------------------------------


def test_every_answer_carries_the_headers(app: Flask, htmx: Any) -> None:
    """3. Pages, redirects, refusals, static files, fragments, errors."""
    member(app)
    browser: Any = app.test_client()
    log_in(browser)
    style = re.search(r'href="(/static/[^"]+\.css)"', browser.get("/").text)
    assert style
    tag = browser.get("/products").headers["ETag"]
    answers = {
        200: [browser.get("/products"), browser.get(style[1]), browser.get("/healthz"), browser.get("/account/export")],
        303: [browser.get("/language"), app.test_client().get("/account")],
        304: [browser.get("/products", headers={"If-None-Match": tag})],
        401: [htmx(app.test_client(), "get", "/tiers", "tier-grid")],
        403: [browser.post("/products", headers={"Sec-Fetch-Site": "cross-site"})],
        404: [browser.get("/none"), browser.get("/products/1")],
        405: [browser.delete("/products")],
        413: [browser.post("/products", data={"item": "x" * 70_000})],
        422: [browser.post("/products", data={})],
    }
    answers[200].append(htmx(browser, "get", "/tiers", "tier-grid"))
    for status, group in answers.items():
        for answer in group:
            assert answer.status_code == status, answer.request.path
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer", "strict-origin")
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            hsts = answer.headers["Strict-Transport-Security"]
            assert int(re.findall(r"max-age=(\d+)", hsts)[0]) >= 31_536_000 and "includeSubDomains" in hsts


@pytest.mark.parametrize("language", ["hu", "en"])
def test_every_page_keeps_the_house_rules(world: Flask, page: Any, language: str) -> None:
    """4. No inline script, style or handler on any page, for anybody, in either language."""
    seen: set[str] = set()
    for key in (NOBODY, *PEOPLE):
        browser = browser_of(world, key)
        if key:
            browser.post("/language", data={"language": language})
        for _rule, path in addresses(world, "GET", things_of(key)):
            answer = browser.get(path, headers={"Accept-Language": language})
            is_page = answer.mimetype == "text/html" and not 300 <= answer.status_code < 400 and "/body" not in path
            if is_page and answer.text not in seen:  # the same error page for everybody need not be read again
                seen.add(answer.text)
                assert page(answer).html["lang"] == language, path
    assert len(seen) > 60


# --- 5, 6: cookies and caches ----------------------------------------------------------------------------------------


def test_the_session_cookie(app: Flask, client: FlaskClient) -> None:
    """5. `__Host-`, Secure, HttpOnly, Lax, the whole path, no Domain, small, and gone with the browser."""
    member(app)
    (sent,) = log_in(client).headers.getlist("Set-Cookie")
    name, *flags = sent.split("; ")
    assert name.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(flags)
    assert not re.search("Domain|Expires|Max-Age", sent)
    assert len(sent) < 400


def test_visitors_get_no_cookie(app: Flask) -> None:
    """6. No cookie, no Vary: Cookie, on any page a visitor can open."""
    for _rule, path in addresses(app, "GET", things_of(NOBODY)):
        answer = app.test_client().get(path)
        assert "Set-Cookie" not in answer.headers, path
        assert "cookie" not in answer.vary.as_set(), path


def test_personal_pages_are_shared_with_nobody(world: Flask) -> None:
    """6. Account, payment and invoices are kept nowhere; other pages of a customer only by the customer's browser."""
    browser = browser_of(world, "ferenc")
    for rule, path in addresses(world, "GET", things_of("ferenc")):
        if rule.endpoint == "static":
            continue
        answer = browser.get(path)
        kept = answer.headers.get("Cache-Control", "")
        if answer.status_code == 200 and re.match(r"/(account|login|invoices|membership|office|tiers/.+/join)", path):
            assert kept == "no-store", path
        elif answer.mimetype == "text/html" and answer.status_code == 200:
            assert kept in ("no-store", "private, no-cache"), path


# --- 8: fixation (7 and the rest of 8: test_accounts.py) --------------------------------------------------------------


def test_a_planted_session_does_not_survive_the_log_in(app: Flask) -> None:
    """8. The attacker's cookie, planted in the victim's browser, is replaced and shows the attacker nothing."""
    member(app, "mallory@example.com")
    member(app, "anna@kovacsfoto.hu")
    attacker, victim = app.test_client(), app.test_client()
    log_in(attacker, "mallory@example.com")
    planted = cookie(attacker)
    victim.set_cookie("__Host-session", planted, domain="portal.example.hu", secure=True)
    log_in(victim, "anna@kovacsfoto.hu")
    assert cookie(victim) != planted
    attacker.set_cookie("__Host-session", planted, domain="portal.example.hu", secure=True)
    assert "anna@kovacsfoto.hu" not in attacker.get("/account").text


# --- 13: what belongs to others --------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", ["bela", "ferenc", "gabi"])
def test_other_accounts_things_do_not_exist(world: Flask, owner: str) -> None:
    """13. Every route with an id of somebody else's: the same 404 as for an id that nobody has."""
    theirs = things_of(owner)
    nobodys = theirs | {"product": "2147483647", "invoice": "CPS-1999-000001", "order": "x" * 22}
    tried = 0
    for key in ("denes", "olga", NOBODY):
        browser = browser_of(world, key)
        before = dump()
        for method in ("GET", "HEAD", "POST"):
            pairs = zip(addresses(world, method, theirs), addresses(world, method, nobodys), strict=True)
            for (rule, path), (_rule, other) in pairs:
                kinds = {kind_of(rule, argument) for argument in rule.arguments} & OWNED
                if not kinds or not kinds <= theirs.keys():
                    continue
                answer, none = (browser.open(address, method=method) for address in (path, other))
                wanted = 404 if key else 303
                assert answer.status_code == none.status_code == wanted, (key, method, path, answer.status_code)
                assert answer.text.replace(path, "") == none.text.replace(other, ""), path
                tried += 1
        assert dump() == before
    assert tried >= 12


def test_operators_have_no_customers_pages(world: Flask) -> None:
    """13. The other way round: what is a customer's is 404 for an operator, not an error."""
    browser = browser_of(world, "olga")
    for path in ("/products", "/products/points", "/products/migration", "/tiers", "/membership", "/invoices"):
        assert browser.get(path).status_code == 404, path


# --- 14, 15: what a form may not decide -------------------------------------------------------------------------------

EXTRA = {
    "points": "9999",
    "account": "1",
    "account_id": "1",
    "id": "1",
    "role": "operator",
    "password_hash": "x",
    "completed_at": "2020-01-01",
    "invited_at": "2020-01-01",
    "old_email_proved_at": "2020-01-01",
    "disabled_at": "2020-01-01",
    "source": "migrated",
    "fee": "1",
    "net": "1",
    "gross": "1",
    "vat": "0",
    "paid": "999999",
    "status": "paid",
    "number": "CPS-HU-999999-9",
    "tier": "platinum",
    "invoice": "1",
}


def own_forms(browser: FlaskClient, pages: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every form that posts on these pages, with the values it shows."""
    for path in pages:
        soup = BeautifulSoup(browser.get(path).text, "html.parser")
        for form in soup.select('main form[method="post"]'):
            fields: dict[str, str] = {}
            for field in form.select("input[name], textarea[name]"):
                if field.get("type") not in ("radio", "checkbox") or field.has_attr("checked"):
                    fields[str(field["name"])] = str(field.get("value", field.text))
            for select in form.select("select[name]"):
                chosen = select.select_one("option[selected]")
                fields[str(select["name"])] = str(chosen["value"]) if chosen else ""
            yield str(form["action"]), fields


def test_extra_fields_change_nothing(world: Flask) -> None:
    """14. Whatever a form is sent beside its fields: points, prices, owners, roles and states stay ours."""
    browser = browser_of(world, "bela")
    account = account_of("bela")

    def facts() -> list[Any]:
        return [
            account.points(),
            list(
                Product.select(Product.id, Product.points, Product.account, Product.source)
                .order_by(Product.id)
                .tuples()
            ),
            list(User.select(User.id, User.role, User.password_hash, User.account).order_by(User.id).tuples()),
            list(Account.select(Account.invited_at, Account.old_email_proved_at).order_by(Account.id).tuples()),
            list(Invoice.select(Invoice.paid, Invoice.status).order_by(Invoice.id).tuples()),
            Membership.select().count(),
            PointEvent.select().count(),
        ]

    before = facts()
    sent = 0
    for action, fields in own_forms(browser, ["/account", "/products", "/products/migration"]):
        if "end" in action or "delete" in action:
            continue
        extra = {name: value for name, value in EXTRA.items() if name not in fields}
        assert browser.post(action, data={**fields, **extra}).status_code < 500
        sent += 1
    assert sent >= 4
    assert facts() == before


def test_a_sign_up_makes_customers_only(client: FlaskClient) -> None:
    """14. Nobody signs up as an operator, or with a password."""
    sign_up(client, **EXTRA)
    user = User.get()
    assert (user.role, user.password_hash, user.disabled_at) == ("customer", None, None)
    assert user.account.invited_at is None


def test_no_road_around_the_points(world: Flask) -> None:
    """15. Hand-made orders below the points, or beside a running membership, are refused and leave nothing."""
    before = [model.select().count() for model in (Order, Membership, Invoice)]
    billing = {"company": "X", "country": "HU", "street": "Fő u. 1.", "postcode": "1011", "city": "Budapest"}
    wanted = {"anna": "silver", "bela": "silver", "denes": "corporate-a", "ferenc": "silver", "gabi": "platinum"}
    for key, tier in wanted.items():
        browser = browser_of(world, key)
        for extra in ({}, {"corporate": "on"}, EXTRA):
            data = {**billing, "vat_id": "", "method": "transfer", "payment_country": "HU", **extra}
            answer = browser.post(f"/tiers/{tier}/join", data=data)
            assert 400 <= answer.status_code < 500 or answer.location == "/membership", (key, answer.location)
    assert [model.select().count() for model in (Order, Membership, Invoice)] == before


# --- 16: rubbish -----------------------------------------------------------------------------------------------------

RUBBISH = [
    "",
    "0",
    "-1",
    "²",
    "٣",
    "2147483648",
    "9" * 40,
    "1e999",
    "NaN",
    "%00",
    "%ED%A0%80",
    "%FF%FE",
    "%E2%80%AE%F0%9F%90%8E",
    "..%2F..%2Fetc%2Fpasswd",
    "%27%20OR%201%3D1%20--",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "%7B%7B7*7%7D%7D",
    "a%0D%0ASet-Cookie%3A%20x%3D1",
    "x" * 5000,
]
FIELDS = (
    "email password current company name country vat_id street postcode city old_email language item serial purchased"
    " approximate dealer reason method payment_country purchase_order corporate next session to ref order choice key"
    " add remove q before number tier step confirm"
).split()


@pytest.mark.parametrize("key", [NOBODY, "ferenc"])
def test_rubbish_in_the_address_is_no_server_error(world: Flask, key: str) -> None:
    """16. Every route with every kind of rubbish as its arguments and its query."""
    browser = browser_of(world, key)
    for rubbish in RUBBISH:
        filled = dict.fromkeys(KINDS, rubbish)
        query = "&".join(f"{name}={rubbish}" for name in FIELDS)
        for things, tail in ((filled, ""), (things_of(key), f"?{query}")):
            for _rule, path in addresses(world, "GET", things):
                answer = browser.get(path + tail)
                assert answer.status_code < 500, (path + tail)[:200]
                assert "<script>alert" not in answer.text
                assert "Set-Cookie" not in answer.headers or "x=1" not in answer.headers["Set-Cookie"]


def test_rubbish_in_a_header_is_no_server_error(world: Flask) -> None:
    """16. Headers that htmx and browsers send, with values that they never would."""
    browser = browser_of(world, "ferenc")
    for name in (
        "HX-Current-URL",
        "HX-Target",
        "Accept-Language",
        "Accept-Encoding",
        "If-None-Match",
        "Referer",
        "Origin",
    ):
        for rubbish in ("http://[", "#", "product-99999999999999999999", "br;q=x", '"', "x" * 4000, "../", "²"):
            headers = {"HX-Request": "true", name: rubbish}
            for path in ("/products", "/tiers", "/points"):
                assert browser.get(path, headers=headers).status_code < 500, (name, rubbish, path)


@pytest.mark.parametrize("key", [NOBODY, "ferenc"])
def test_rubbish_in_a_form_is_no_server_error(world: Flask, key: str) -> None:
    """16. Every writing route with every kind of rubbish in every field there is."""
    browser = browser_of(world, key)
    kept = browser.get_cookie("session", "127.0.0.1")
    for rubbish in RUBBISH:
        body = "&".join(f"{name}={rubbish}" for name in FIELDS).encode()
        for rule, path in addresses(world, "POST", things_of(key)):
            if rule.endpoint in ("account.logout", "demo.people"):
                continue
            answer = browser.post(path, data=body, content_type="application/x-www-form-urlencoded")
            assert answer.status_code < 500, (path, rubbish[:50])
            assert "<script>alert" not in answer.text
    if kept:
        assert browser.get_cookie("session", "127.0.0.1")


MALFORMED: list[tuple[bytes, str]] = [
    (b"x=" + b"y" * 10_000_000, "application/x-www-form-urlencoded"),
    (b"&".join(b"f%d=1" % n for n in range(2000)), "application/x-www-form-urlencoded"),
    (b"email=a@example.com&email=b@example.com&password=x&password=y", "application/x-www-form-urlencoded"),
    (b"\xff\xfe=\xed\xa0\x80", "application/x-www-form-urlencoded"),
    (b'{"email": "x"}', "application/json"),
    (b"<x/>", "application/xml"),
    (b"nothing like it", "multipart/form-data; boundary=b"),
    (b'--b\r\nContent-Disposition: form-data; name="email"; filename="x"\r\n\r\nx\r\n--b--',
     "multipart/form-data; boundary=b"),
    (b"--b\r\n" * 500, "multipart/form-data; boundary=b"),
    (b"x", "multipart/form-data"),
    (b"x", "no/such; type=\xe9"),
]  # fmt: skip


def test_malformed_bodies_are_no_server_error(world: Flask) -> None:
    """16. Too long, too many, doubled, not text, not a form."""
    browser = browser_of(world, "bela")
    for body, content_type in MALFORMED:
        for rule, path in addresses(world, "POST", things_of("bela")):
            if rule.endpoint in ("account.logout", "demo.people"):
                continue
            answer = browser.post(path, data=body, content_type=content_type)
            assert answer.status_code < 500, (path, content_type, body[:50])
            if len(body) > 100_000:
                assert answer.status_code == 413, path


def test_chunks_without_a_length(world: Flask) -> None:
    """16. A body that does not say how long it is is read up to the limit only (werkzeug cuts it there)."""
    import io

    browser = browser_of(world, "bela")
    for size, status in ((10, (200, 303, 422)), (200_000, (413, 422))):
        answer = browser.post(
            "/account/password", input_stream=io.BytesIO(b"email=" + b"x" * size),
            headers={"Transfer-Encoding": "chunked"}, content_type="application/x-www-form-urlencoded",
            environ_overrides={"wsgi.input_terminated": True},
        )  # fmt: skip
        assert answer.status_code in status


# --- 18, 19: addresses and starts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "//evil", "///evil", "https:evil", "https://evil", "/\\evil", "\\/evil", "\\\\evil", "/\tevil", "/\r\n//evil",
        " //evil", "javascript:alert(1)", "data:x", "evil", "", "/%0d%0aSet-Cookie:x=1\n", "/\u2028", "http:///evil",
        "/ok\x00", "//[::1", "/\\/evil",
    ],
)  # fmt: skip
def test_only_own_paths_are_gone_on_to(target: str) -> None:
    """18. Whatever a browser could read as another host is not taken."""
    assert own_path(target) == ""


@pytest.mark.parametrize("target", ["/", "/products", "/tiers?corporate=on", "/points?item=a&item=b", "/faq#data"])
def test_own_paths_are(target: str) -> None:
    assert own_path(target) == target


@pytest.mark.parametrize("target", ["//evil.hu", "/\\evil.hu", "//[evil", "/%2f%2fevil.hu"])
def test_every_next_stays_here(world: Flask, target: str) -> None:
    """18. Log-in, language and the demo's log-in: on to this host only."""
    for path, data in (("/language", {"language": "hu"}), ("/demo/people/anna", {}), ("/login", {})):
        browser = world.test_client()
        sent = {**data, "next": target}
        if path == "/login":
            sent |= {"email": "anna@example.com", "password": demo.PASSWORD}
        answer = browser.post(path, data=sent)
        assert answer.status_code == 303
        assert answer.location == "/", path
    form = BeautifulSoup(world.test_client().get(f"/login?next={quote(target)}").text, "html.parser").select(
        "main form"
    )[-1]
    assert not form.select('input[name="next"]')


@pytest.mark.parametrize(
    "host", ["evil.example", "portal.example.hu.evil.example", "portal.example.hu@evil.example", "127.0.0.1"]
)
def test_only_our_own_host_is_answered(app: Flask, host: str) -> None:
    """18. A foreign Host gets 400, and no mail is written with it."""
    client = app.test_client()
    for path in ("/", "/account/new", "/none"):
        assert client.get(path, headers={"Host": host}).status_code == 400
    assert client.post("/account/password", data={"email": "a@example.com"}, headers={"Host": host}).status_code == 400
    assert not mails()


def test_links_in_mails_use_the_configured_address(app: Flask, client: FlaskClient) -> None:
    """18. Whatever proxies claim, the link names the portal."""
    for headers in ({"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"}):
        client.post("/account/new", data={**ANNAS, "email": f"a{len(mails())}@example.com"}, headers=headers)
    assert len(mails()) == 2
    for mail in mails():
        assert "evil" not in mail.text + mail.html
        assert "https://portal.example.hu/account/password/" in mail.text


ANNAS = {"company": "X Bt.", "name": "X", "country": "HU", "street": "Fő u. 1.", "postcode": "1011", "city": "Budapest",
         "language": "hu"}  # fmt: skip


def test_what_people_type_is_shown_as_text(app: Flask, client: FlaskClient, page: Any) -> None:
    """17. HTML and line breaks in a name stay text, in pages and in mails."""
    evil = "<img src=x onerror=alert(1)>"
    sign_up(client, company=evil, name=f"{evil}\r\nBcc: all@example.com", street=evil, city=evil)
    (mail,) = mails()
    assert "\n" not in mail.subject and "<img" not in mail.html
    User.update(password_hash=member(app, "b@example.com").password_hash).execute()
    log_in(client)
    for path in ("/account", "/products", "/tiers", "/", "/account/delete"):
        soup = page(client.get(path))
        assert not soup.find("img", src="x"), path


def test_debug_is_off_and_secrets_are_demanded(app: Flask) -> None:
    """19. No debugger, no tracebacks; without a proper key the portal does not start."""
    assert not app.debug
    assert not app.config["TRAP_HTTP_EXCEPTIONS"]
    good = {"PORTAL_BASE_URL": "https://portal.example.hu", "PORTAL_SMTP_URL": "smtp://127.0.0.1:9"}
    for key in ("", "short", "x" * 31):
        with pytest.raises(config.ConfigError, match="PORTAL_SECRET_KEY"):
            config.load({**good, "PORTAL_SECRET_KEY": key})
    assert config.load({**good, "PORTAL_SECRET_KEY": "x" * 32}).secret_key == "x" * 32


def test_a_new_secret_key_keeps_the_sessions_of_the_old_one(make_app: Any) -> None:
    """19. PORTAL_SECRET_KEY_FALLBACKS: nobody is logged out by a change of keys; without it everybody is."""
    old, new = "o" * 40, "n" * 40
    first = make_app(secret_key=old)
    member(first)
    browser = first.test_client()
    log_in(browser, password=GOOD)
    kept = cookie(browser)
    for fallbacks, status in (((old,), 200), ((), 303)):
        later = make_app(secret_key=new, secret_key_fallbacks=fallbacks).test_client()
        later.set_cookie("__Host-session", kept, domain="portal.example.hu", secure=True)
        assert later.get("/account").status_code == status
