"""The guard and the delivery: who may post, what every answer carries, how it is cached and packed."""

from __future__ import annotations

import gzip
from typing import Any

import brotli
import pytest
from flask import Blueprint, Flask, Response, flash, get_flashed_messages, request
from flask import session as flask_session
from werkzeug.routing import IntegerConverter
from werkzeug.test import TestResponse

from tests.conftest import Browser, MakeApp, MakeSettings
from views import delivery, guard

HOME = "https://portal.example.hu"
LONG = "Ez egy oldal. " * 40
WRITES = ("POST", "PUT", "PATCH", "DELETE")


def small(settings: Any) -> Flask:
    """An app of nothing but hooks and a few plain pages."""
    app = Flask(__name__, static_folder=None)
    app.config.update(PORTAL=settings, SECRET_KEY=settings.secret_key)
    guard.install(app)
    delivery.install(app)
    private = Blueprint("private", __name__)
    private.after_request(delivery.never_stored)

    @app.route("/", methods=["GET", *WRITES])
    def index() -> str:
        return f"<p>{LONG}{request.form.get('text', '')}</p>"

    @app.get("/small")
    def little() -> str:
        return "<p>kicsi</p>"

    @app.get("/looks")
    def looks() -> str:
        return f"<p>{LONG}{flask_session.get('user')}{get_flashed_messages()}</p>"

    @app.post("/says")
    def says() -> str:
        flash("kész")
        return ""

    @app.get("/account")
    @delivery.no_store
    def account() -> str:
        return f"<p>{LONG}</p>"

    @private.get("/invoices")
    def invoices() -> tuple[str, int]:
        return f"<p>{LONG}</p>", 404 if "no" in request.args else 200

    @app.get("/bad")
    def bad() -> tuple[str, int]:
        return f"<p>{LONG}</p>", 422

    @app.get("/broken")
    def broken() -> str:
        raise ZeroDivisionError

    @app.get("/stream")
    def stream() -> Response:
        return Response((LONG for _ in range(3)), mimetype="text/html")

    @app.get("/pdf")
    def pdf() -> Response:
        return Response(b"%PDF" + bytes(999), mimetype="application/pdf")

    app.register_blueprint(private)
    app.test_client_class = Browser
    return app


@pytest.fixture
def site(settings: MakeSettings) -> Flask:
    """The small app under production settings."""
    return small(settings())


@pytest.fixture
def visitor(site: Flask) -> Browser:
    """A browser that says nothing about itself by itself."""
    browser: Any = site.test_client()
    browser.tells = False
    return browser  # type: ignore[no-any-return]


# --- who may write ---------------------------------------------------------------------------------------------------

OURS = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    {"Origin": HOME},
    {"Origin": HOME + ":443"},
    {"Referer": HOME + "/products?x=1"},
]
THEIRS = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "Same-Origin"},
    {"Sec-Fetch-Site": "cross-site", "Origin": HOME},
    {"Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Origin": "https://evil.example", "Referer": HOME},
    {"Origin": "http://portal.example.hu"},
    {"Origin": HOME + ":8443"},
    {"Origin": HOME + ":99999"},
    {"Origin": HOME + ".evil.example"},
    {"Origin": "https://evil.example/" + HOME},
    {"Origin": "https://[evil"},
    {"Referer": "https://evil.example/?" + HOME},
    {"Referer": "about:blank"},
]


@pytest.mark.parametrize("headers", OURS, ids=str)
@pytest.mark.parametrize("method", WRITES)
def test_our_own_pages_may_write(visitor: Browser, method: str, headers: dict[str, str]) -> None:
    assert visitor.open("/", method=method, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", THEIRS, ids=str)
@pytest.mark.parametrize("method", WRITES)
def test_nobody_else_may(visitor: Browser, method: str, headers: dict[str, str]) -> None:
    assert visitor.open("/", method=method, headers=headers).status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_anybody_may_read(visitor: Browser, method: str) -> None:
    assert visitor.open("/", method=method, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_in_a_demo_both_names_of_this_machine_are_ours(settings: MakeSettings) -> None:
    browser = small(settings(demo=True)).test_client()
    browser.tells = False  # type: ignore[attr-defined]
    for home in ("http://127.0.0.1:5000", "http://localhost:5000"):
        assert browser.post("/", base_url=home, headers={"Origin": home}).status_code == 200
        assert browser.post("/", base_url=home, headers={"Origin": "http://localhost:6000"}).status_code == 403


# --- what may come in ------------------------------------------------------------------------------------------------

SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    "host", ["evil.example", "portal.example.hu.evil.example", "127.0.0.1", "localhost", "a b", "[::1"]
)
def test_a_foreign_host_is_refused(visitor: Browser, host: str) -> None:
    for answer in (visitor.get("/", headers={"Host": host}), visitor.post("/", headers={"Host": host, **SAME})):
        assert answer.status_code == 400
        assert answer.mimetype == "text/plain"
        assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize("path", ["/?q=a%00b", "/?a%00b=1", "/a%00b"])
def test_nul_in_an_address_is_refused(visitor: Browser, path: str) -> None:
    assert visitor.get(path).status_code == 400


@pytest.mark.parametrize("data", [{"text": "a\0b"}, {"a\0b": "x"}, {"text": ["fine", "a\0b"]}])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_nul_in_a_form_is_refused(visitor: Browser, data: Any, kind: str) -> None:
    assert visitor.post("/", data=data, content_type=kind, headers=SAME).status_code == 400


@pytest.mark.parametrize("body", [b"text=%ED%A0%80", b"text=\xed\xa0\x80", b"text=%FF%FE", b"%ED%A0%80=1"])
def test_half_a_character_never_reaches_a_view_as_such(visitor: Browser, body: bytes) -> None:
    """werkzeug decodes it harmlessly today; either way no lone surrogate comes through, and nothing breaks."""
    answer = visitor.post("/", data=body, content_type="application/x-www-form-urlencoded", headers=SAME)
    assert answer.status_code in (200, 400)
    assert answer.data.decode("utf-8")


def test_lone_surrogates_are_told_from_letters() -> None:
    assert guard.is_encodable("árvíztűrő 😀")
    assert not guard.is_encodable("a\ud800")


def test_too_large_a_body_is_refused(visitor: Browser) -> None:
    assert visitor.post("/", data={"text": "x" * 65_000}, headers=SAME).status_code == 200
    assert visitor.post("/", data={"text": "x" * 66_000}, headers=SAME).status_code == 413


def test_too_many_fields_are_refused(visitor: Browser) -> None:
    fields = {f"f{n}": "x" for n in range(201)}
    assert visitor.post("/", data=fields, content_type="multipart/form-data", headers=SAME).status_code == 413


# --- what goes out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/small", "/bad", "/broken", "/none", "/stream", "/pdf", "/account", "/?q=%00"])
def test_every_answer_carries_the_headers(visitor: Browser, path: str) -> None:
    headers = visitor.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    for rule in ("default-src 'self'", "frame-ancestors 'none'", "form-action 'self';", "trusted-types htmx"):
        assert rule in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_no_promise_of_https_on_http_and_the_card_provider_once_there_is_one(settings: MakeSettings) -> None:
    headers = small(settings(demo=True, stripe_key="sk_test_x")).test_client().get("/").headers
    assert "Strict-Transport-Security" not in headers
    assert "form-action 'self' https://checkout.stripe.com;" in headers["Content-Security-Policy"]


# --- caching ---------------------------------------------------------------------------------------------------------


def test_a_page_is_kept_but_asked_for_again(visitor: Browser) -> None:
    first = visitor.get("/")
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert set(first.vary.as_set()) == {"hx-request", "hx-target", "accept-encoding", "accept-language"}
    again = visitor.get("/", headers={"If-None-Match": first.headers["ETag"], "Accept-Encoding": "br"})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.vary.as_set() == first.vary.as_set()
    assert "Content-Encoding" not in again.headers
    assert visitor.head("/", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert visitor.get("/looks", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


@pytest.mark.parametrize("path", ["/account", "/invoices", "/invoices?no"])
def test_what_must_not_be_kept_is_not(visitor: Browser, path: str) -> None:
    answer = visitor.get(path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


@pytest.mark.parametrize("path", ["/bad", "/none", "/broken", "/stream"])
def test_only_a_good_page_has_an_etag(visitor: Browser, path: str) -> None:
    assert "ETag" not in visitor.get(path).headers


def test_the_answer_to_a_post_has_no_etag(visitor: Browser) -> None:
    assert "ETag" not in visitor.post("/", headers=SAME).headers


def test_a_visitor_gets_no_cookie_and_no_vary_cookie(visitor: Browser) -> None:
    answer = visitor.get("/looks")
    assert "Set-Cookie" not in answer.headers
    assert "cookie" not in answer.vary.as_set()


def test_a_session_is_still_kept_and_varied_by(visitor: Browser) -> None:
    assert "Set-Cookie" in visitor.post("/says", headers=SAME).headers
    shown = visitor.get("/looks")
    assert "kész" in shown.text
    assert "cookie" in shown.vary.as_set()
    assert "kész" not in visitor.get("/looks").text


# --- bytes -----------------------------------------------------------------------------------------------------------


def unpacked(answer: TestResponse) -> bytes:
    unpack: Any = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
    return bytes(unpack[answer.headers.get("Content-Encoding")](answer.data))


@pytest.mark.parametrize(
    ("accepts", "encoding"), [("gzip, br", "br"), ("gzip", "gzip"), ("br;q=0", None), ("zstd", None), ("", None)]
)
@pytest.mark.parametrize("path", ["/", "/bad", "/account"])
def test_packed_whatever_the_status(visitor: Browser, path: str, accepts: str, encoding: str | None) -> None:
    plain = visitor.get(path)
    answer = visitor.get(path, headers={"Accept-Encoding": accepts})
    assert answer.headers.get("Content-Encoding") == encoding
    assert unpacked(answer) == plain.data
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert "accept-encoding" in answer.vary.as_set()
    if encoding:
        assert len(answer.data) < len(plain.data) / 3


@pytest.mark.parametrize("path", ["/small", "/stream", "/pdf"])
def test_not_worth_packing(visitor: Browser, path: str) -> None:
    assert "Content-Encoding" not in visitor.get(path, headers={"Accept-Encoding": "br"}).headers


# --- the real app: every route it has --------------------------------------------------------------------------------


def addresses(app: Flask) -> list[tuple[str, str]]:
    """(method, an address) for each state-changing route, read from the app's own map."""
    adapter = app.url_map.bind("portal.example.hu")
    found = []
    for rule in app.url_map.iter_rules():
        whole = {name for name in rule.arguments if isinstance(rule._converters[name], IntegerConverter)}
        values = {name: 1 if name in whole else "x" for name in rule.arguments}
        for method in sorted((rule.methods or set()) & set(WRITES)):
            found.append((method, adapter.build(rule.endpoint, values, method=method)))
    return found


@pytest.mark.parametrize("demo", [False, True])
def test_every_writing_route_refuses_other_sites(make_app: MakeApp, demo: bool) -> None:
    app = make_app(demo=demo)
    browser: Any = app.test_client()
    browser.tells = False
    routes = addresses(app)
    assert len(routes) > 5
    for method, address in routes:
        for headers in THEIRS:
            answer = browser.open(address, method=method, headers=headers)
            assert answer.status_code == 403, (method, address, headers)
        assert browser.open(address, method=method, headers=SAME).status_code != 403, (method, address)


def test_the_real_app_answers_a_foreign_host_and_an_unknown_page(app: Flask) -> None:
    browser = app.test_client()
    assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400
    unknown = browser.get("/no/such/page")
    assert unknown.status_code == 404
    assert "Content-Security-Policy" in unknown.headers
