"""Errors: each a page in the house style, in the visitor's language, with a way onward and no internals."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from peewee import DataError, OperationalError

from services import limits
from views.errors import in_words, problem_of

RAISED: dict[str, tuple[Any, int]] = {
    "huge": (OverflowError("Python int too large to convert to SQLite INTEGER"), 404),
    "wait": (limits.Refused(89.2), 429),
    "locked": (OperationalError("database is locked"), 503),
    "full": (OperationalError("database or disk is full"), 503),
    "unstorable": (DataError("integer out of range"), 400),
    "bug": (ZeroDivisionError("secret detail"), 500),
    "raw": (sqlite3.IntegrityError("UNIQUE constraint failed: user.email"), 500),
}


@pytest.fixture
def broken(app: Flask) -> Flask:
    """The app with pages that fail in every way."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.route("/fail/<what>", methods=["GET", "POST"])
    def fail(what: str) -> str:
        if what.isdigit():
            abort(int(what))
        raise RAISED[what][0]

    return app


@pytest.mark.parametrize("language", ["hu", "en"])
@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 406, 410, 413, 414, 415, 422, 429, 431, 500, 501, 503])
def test_every_error_is_a_page_with_a_way_onward(broken: Flask, page: Any, code: int, language: str) -> None:
    answer = broken.test_client().get(f"/fail/{code}", headers={"Accept-Language": language})
    assert answer.status_code == code
    soup = page(answer)
    assert soup.html["lang"] == language
    assert str(code) not in soup.h1.text
    assert soup.select("main a.button")[0]["href"].startswith("/")
    assert "Content-Security-Policy" in answer.headers
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("what", RAISED)
def test_what_the_code_raises_becomes_a_status(broken: Flask, page: Any, what: str) -> None:
    error, code = RAISED[what]
    answer = broken.test_client().get(f"/fail/{what}")
    assert answer.status_code == code
    page(answer)
    for internal in (str(error), type(error).__name__, "Traceback", "peewee", ".py"):
        assert internal not in answer.text


def test_the_time_to_wait_is_said_and_sent(broken: Flask) -> None:
    answer = broken.test_client().get("/fail/wait", headers={"Accept-Language": "en"})
    assert answer.headers["Retry-After"] == "90"
    assert "2 minutes" in answer.text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (60, "60 seconds"),
        (61, "2 minutes"),
        (3600, "60 minutes"),
        (17280, "5 hours"),
        (86400, "24 hours"),
    ],
)
def test_times_in_words(seconds: int, words: str) -> None:
    import i18n

    with i18n.speaking("en"):
        assert in_words(seconds) == words


def test_a_busy_database_says_when_to_come_back(broken: Flask) -> None:
    assert broken.test_client().get("/fail/locked").headers["Retry-After"] == "30"


@pytest.mark.parametrize("what", ["403", "404", "429", "500", "503", "wait", "locked", "bug"])
def test_for_htmx_the_sentences_go_into_the_failure_box(broken: Flask, page: Any, htmx: Any, what: str) -> None:
    answer = htmx(broken.test_client(), "post", f"/fail/{what}", "product-1")
    assert answer.status_code >= 400
    soup = page(answer)
    (part,) = soup.find_all("hx-partial")
    assert part["hx-target"] == "#failed"
    assert part.find(id="failed")["role"] == "alert"
    assert not soup.find("h1")


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    answer = client.delete("/login")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_too_much_is_413(client: FlaskClient, page: Any) -> None:
    answer = client.post("/login", data={"email": "x" * 70_000})
    assert answer.status_code == 413
    page(answer)


def test_no_database_at_all(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the frame of a page can be made for somebody with a cookie; there is an answer all the same."""
    from models import db

    def refuse(*_a: Any, **_k: Any) -> None:
        raise OperationalError("unable to open database file")

    browser = app.test_client()
    browser.set_cookie("__Host-session", "x.y.z", domain="portal.example.hu", secure=True)
    monkeypatch.setattr(db.obj, "connect", refuse)
    monkeypatch.setattr(db.obj, "execute_sql", refuse)
    for path in ("/", "/healthz", "/products"):
        answer = browser.get(path, headers={"Accept-Language": "en"})
        assert answer.status_code == 503
        assert '<html lang="en">' in answer.text
        assert "unable" not in answer.text


def test_even_a_broken_frame_gives_an_answer(broken: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    import views.errors

    def refuse(*_a: Any, **_k: Any) -> str:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(views.errors, "render_template", refuse)
    answer = broken.test_client().get("/fail/bug", headers={"Accept-Language": "en"})
    assert answer.status_code == 500
    assert re.search(r"<h1>.+</h1>", answer.text) and "secret" not in answer.text


def test_every_status_has_its_own_words(app: Flask) -> None:
    with app.test_request_context("/", base_url=app.config["PORTAL"].base_url):
        spoken = {code: problem_of(code).what for code in (400, 401, 403, 404, 405, 413, 429, 500, 503)}
    assert len(set(spoken.values())) == len(spoken)
