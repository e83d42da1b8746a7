"""Accounts: sign-up, links, log-in, the profile; who gets in, who does not, and that nobody learns who is known."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models import (
    Account,
    AuditEvent,
    CatalogueItem,
    Invoice,
    LoginSession,
    MailLink,
    Membership,
    OutboxMail,
    PointEvent,
    Product,
    User,
    db,
)
from services import accounts, limits, mail, passwords, products, sessions
from services import clock as portal_clock

GOOD = "négy szürke ló fut"
OTHER = "öt barna kutya ugat"
ANNA = {
    "company": "Kovács Fotó Bt.",
    "name": "Kovács Anna",
    "email": "anna@kovacsfoto.hu",
    "country": "HU",
    "vat_id": "12345676-2-41",
    "street": "Fő utca 1.",
    "postcode": "1011",
    "city": "Budapest",
    "old_email": "",
    "language": "hu",
}


# --- helpers, also for tests/test_security.py ------------------------------------------------------------------------


def sign_up(client: FlaskClient, **fields: Any) -> TestResponse:
    return client.post("/account/new", data={**ANNA, **fields})


def mails(name: str = "") -> list[OutboxMail]:
    query = OutboxMail.select().order_by(OutboxMail.id)
    return [mail for mail in query if not name or mail.name == name]


def newest_link() -> str:
    """The path of the newest password link that was mailed."""
    found = re.search(r"https?://[^\s/]+(/account/password/\S+)", mails()[-1].text)
    assert found, mails()[-1].text
    return found[1]


def member(app: Flask, email: str = "anna@kovacsfoto.hu", password: str = GOOD, **fields: Any) -> User:
    """A customer who signed up and set a password, at the limits' expense of nobody."""
    settings, now = app.config["PORTAL"], portal_clock.now()
    business = accounts.Business(
        **{name: ANNA[name] for name in ("company", "country", "street", "postcode", "city")}, vat_id=""
    )
    with db.atomic():
        user = accounts.create(accounts.SignUp(business, "Kovács Anna", email, "", "hu"), settings, now)
    user.password_hash = passwords.digest(password)
    user.save()
    for name, value in fields.items():
        setattr(user.account, name, value)
    user.account.save()
    return user


def log_in(client: FlaskClient, email: str = "anna@kovacsfoto.hu", password: str = GOOD, **more: str) -> TestResponse:
    return client.post("/login", data={"email": email, "password": password, **more})


def item(key: str = "eos-r5", points: int = 300) -> CatalogueItem:
    return CatalogueItem.create(key=key, name=key.upper(), kind="body", points=points)


def cookie(client: FlaskClient) -> str:
    found = client.get_cookie("__Host-session", "portal.example.hu")
    return found.value if found else ""


def is_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


# --- signing up ------------------------------------------------------------------------------------------------------


def test_from_the_form_to_the_first_log_in(client: FlaskClient, page: Any) -> None:
    """Source document, step 0: account, one mail, password, log-in."""
    page(client.get("/account/new"))
    answer = sign_up(client)
    assert (answer.status_code, answer.location) == (303, "/account/check-mail")
    assert "Set-Cookie" not in answer.headers
    page(client.get(answer.location))
    (mail,) = mails()
    assert (mail.name, mail.recipient, mail.language) == ("activate", "anna@kovacsfoto.hu", "hu")
    account = Account.get()
    assert (account.company, account.country, account.vat_id) == ("Kovács Fotó Bt.", "HU", "HU12345676")
    assert User.get().password_hash is None

    link = newest_link()
    soup = page(client.get(link))
    assert soup.find("input", id="username")["value"] == "anna@kovacsfoto.hu"
    answer = client.post(link, data={"password": GOOD})
    assert (answer.status_code, answer.location) == (303, "/login")
    assert not is_in(client), "setting the password logs nobody in"
    assert len(mails()) == 1, "the first password is no change that needs a warning"

    answer = log_in(client)
    assert (answer.status_code, answer.location) == (303, "/")
    page(client.get("/account"))
    page(client.get("/"))


def test_the_form_comes_back_with_what_was_typed(client: FlaskClient, page: Any) -> None:
    answer = sign_up(
        client, company="", email="anna@", country="XX", vat_id="HU1", city="x" * 200, old_email="nonsense"
    )
    assert answer.status_code == 422
    soup = page(answer)
    linked = [a["href"] for a in soup.select(".summary a")]
    assert linked == ["#company", "#country", "#city", "#email", "#old_email"]
    assert soup.find(id="city")["value"] == "x" * 200
    assert not User.select().count() and not mails()


def test_a_wrong_vat_id_is_named(client: FlaskClient, page: Any) -> None:
    soup = page(sign_up(client, vat_id="12345677-2-41"))
    assert [a["href"] for a in soup.select(".summary a")] == ["#vat_id"]
    assert soup.find(id="vat_id")["value"] == "12345677-2-41"


@pytest.mark.parametrize(
    ("typed", "country", "normal"),
    [
        ("12345676-2-41", "HU", "HU12345676"),
        ("12345676241", "HU", "HU12345676"),
        ("hu 1234 5676", "HU", "HU12345676"),
        ("12345676", "HU", "HU12345676"),
        ("ATU13585627", "AT", "ATU13585627"),
        ("u13585627", "AT", "ATU13585627"),
        ("EL 094259216", "GR", "EL094259216"),
        ("GR094259216", "GR", "EL094259216"),
        ("094259216", "GR", "EL094259216"),
        ("DE 136 695 976", "DE", "DE136695976"),
        ("GB980780684", "GB", "GB980780684"),
        ("CHE-107.787.577 MWST", "CH", "CHE107787577MWST"),
        ("NO 995 525 828 MVA", "NO", "NO995525828MVA"),
    ],
)
def test_vat_ids_in_normal_form(typed: str, country: str, normal: str) -> None:
    assert accounts.normal_vat_id(typed, country) == normal


@pytest.mark.parametrize(
    ("typed", "country"),
    [("12345677-2-41", "HU"), ("HU12345676", "AT"), ("DE136695977", "DE"), ("x", "HU"), ("²" * 8, "HU"), ("1", "XX")],
)
def test_vat_ids_that_are_none(typed: str, country: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        accounts.normal_vat_id(typed, country)


def test_the_calculators_list_comes_along(client: FlaskClient) -> None:
    item("eos-r5"), item("rf-50")
    soup_page = client.get("/account/new?item=eos-r5&item=rf-50&item=eos-r5&item=none")
    assert soup_page.text.count('name="item"') == 3
    sign_up(client, item=["eos-r5", "rf-50", "eos-r5", "none"])
    kept = list(Product.select().order_by(Product.id))
    assert [(one.item.key, one.source, one.is_complete) for one in kept] == [
        ("eos-r5", "calculator", False),
        ("rf-50", "calculator", False),
        ("eos-r5", "calculator", False),
    ]
    assert Account.get().points() == 0


def test_a_known_address_gets_a_mail_that_says_so_and_nothing_changes(app: Flask, client: FlaskClient) -> None:
    member(app)
    sign_up(client, company="Mallory Kft.", old_email="x@old.hu", item=["eos-r5"])
    assert [mail.name for mail in mails()] == ["already-registered"]
    assert "/account/password/" not in mails()[0].text
    assert [account.company for account in Account.select()] == ["Kovács Fotó Bt."]
    assert Account.get().old_email == ""


def test_who_never_set_a_password_gets_the_link_again(client: FlaskClient) -> None:
    sign_up(client)
    first = newest_link()
    sign_up(client, email="ANNA@kovacsfoto.hu ", company="Mallory Kft.")
    assert [mail.name for mail in mails()] == ["activate", "activate"]
    assert Account.select().count() == 1
    assert client.get(first).status_code == 410
    assert client.get(newest_link()).status_code == 200


def test_two_sign_ups_in_the_same_moment(app: Flask, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one commits between our look and our write: one account, and a mail all the same."""
    settings = app.config["PORTAL"]
    form = accounts.SignUp(
        accounts.Business("A", "HU", "", "Fő utca 1.", "1011", "Budapest"), "Anna", "anna@kovacsfoto.hu", "", "hu"
    )
    accounts.register(form, "10.0.0.1", settings, portal_clock.now())
    monkeypatch.setattr(accounts, "user_of", lambda _email: None)
    accounts.register(form, "10.0.0.1", settings, portal_clock.now())
    assert (User.select().count(), Account.select().count(), len(mails())) == (1, 1, 2)


# --- nobody learns who is known --------------------------------------------------------------------------------------


def bare(answer: TestResponse, email: str) -> tuple[int, str, list[tuple[str, str]]]:
    kept = [(name, value) for name, value in answer.headers if name != "Date"]
    return answer.status_code, answer.text.replace(email, "ADDRESS"), kept


@pytest.mark.parametrize("path", ["/account/new", "/account/password", "/login"])
def test_the_answer_is_the_same_for_everybody(app: Flask, path: str) -> None:
    """Known, never activated, disabled, unknown: byte for byte (server.md c7.9); addresses of one length."""
    member(app, "known@example.com")
    sign_up(app.test_client(), email="fresh@example.com")
    disabled = member(app, "ended@example.com")
    disabled.disabled_at = portal_clock.now()
    disabled.save()
    answers = []
    for email in ("known@example.com", "fresh@example.com", "ended@example.com", "nobod@example.com"):
        data = {**ANNA, "email": email, "password": "a wrong but long one"}
        answers.append(bare(app.test_client().post(path, data=data), email))
    assert answers[0][0] in (303, 422)
    assert all(answer == answers[0] for answer in answers)


def test_an_unknown_address_costs_a_hash_too(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    member(app)
    verified = []
    real = passwords.encoded
    monkeypatch.setattr(passwords, "encoded", lambda password: verified.append(password) or real(password))
    for email in ("anna@kovacsfoto.hu", "nobody@example.com"):
        log_in(client, email, "a wrong but long one")
    assert len(verified) == 2


def test_an_unknown_address_gets_no_mail_but_the_same_work(app: Flask, client: FlaskClient, queries: Any) -> None:
    member(app)
    with queries() as known:
        client.post("/account/password", data={"email": "anna@kovacsfoto.hu"})
    with queries() as unknown:
        client.post("/account/password", data={"email": "nobody@example.com"})
    assert [mail.recipient for mail in mails()] == ["anna@kovacsfoto.hu"]
    assert sum("outbox_mail" in sql for sql in known) == sum("outbox_mail" in sql for sql in unknown)
    assert abs(len(known) - len(unknown)) <= 1


def test_an_unknown_address_is_answered_the_same_after_the_first_user_left(app: Flask, client: FlaskClient) -> None:
    gone = member(app)
    User.update(email="closed-1@invalid", disabled_at=portal_clock.now()).where(User.id == gone.id).execute()
    for address in ("nobody@example.com", "closed-1@invalid"):
        assert client.post("/account/password", data={"email": address}).status_code in (303, 422)
    assert client.post("/account/password", data={"email": "nobody@example.com"}).status_code == 303


# --- links -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def reset(app: Flask, client: FlaskClient, clock: Any) -> str:
    """Anna's reset link, fresh."""
    member(app)
    answer = client.post("/account/password", data={"email": "anna@kovacsfoto.hu"})
    assert (answer.status_code, answer.location) == (303, "/account/check-mail")
    assert mails()[-1].name == "reset"
    return newest_link()


def test_looking_does_not_use_a_link_up(client: FlaskClient, reset: str) -> None:
    for _n in range(3):
        assert client.get(reset).status_code == 200
        assert client.head(reset).status_code == 200
    assert client.post(reset, data={"password": OTHER}).status_code == 303


def test_a_link_works_once(client: FlaskClient, reset: str, page: Any) -> None:
    assert client.post(reset, data={"password": OTHER}).status_code == 303
    before = User.get().password_hash
    for answer in (client.get(reset), client.post(reset, data={"password": GOOD})):
        assert answer.status_code == 410
        soup = page(answer)
        assert soup.find("form", action="/account/password").find("input", id="email")
    assert User.get().password_hash == before
    assert [mail.name for mail in mails()] == ["reset", "password-changed"]


def test_an_older_link_dies_when_a_newer_one_is_asked_for(client: FlaskClient, reset: str) -> None:
    client.post("/account/password", data={"email": "anna@kovacsfoto.hu"})
    assert client.post(reset, data={"password": OTHER}).status_code == 410
    assert client.post(newest_link(), data={"password": OTHER}).status_code == 303


@pytest.mark.parametrize(("minutes", "status"), [(59, 303), (60, 410), (61, 410)])
def test_a_reset_link_lives_an_hour(client: FlaskClient, reset: str, clock: Any, minutes: int, status: int) -> None:
    clock.forward(minutes=minutes)
    assert client.get(reset).status_code == {303: 200, 410: 410}[status]
    assert client.post(reset, data={"password": OTHER}).status_code == status


@pytest.mark.parametrize(("hours", "status"), [(7 * 24 - 1, 303), (7 * 24, 410)])
def test_an_activation_link_lives_seven_days(client: FlaskClient, clock: Any, hours: int, status: int) -> None:
    sign_up(client)
    clock.forward(hours=hours)
    assert client.post(newest_link(), data={"password": OTHER}).status_code == status


def test_every_changed_character_kills_a_link(client: FlaskClient, reset: str) -> None:
    """Flipped at every position, cut, longer, empty-ish: one page, nothing changed (server.md c7.11)."""
    path, _, token = reset.rpartition("/")
    wrong = [token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in range(len(token))]
    wrong += [token[:-1], token + "A", token.swapcase(), "zz", sessions.digest(token), token + "%00"]
    shown = client.get(f"{path}/wrong").text.replace("/wrong", "/TOKEN")
    for bad in wrong:
        answer = client.post(f"{path}/{bad}", data={"password": OTHER})
        assert answer.status_code in (400, 410), bad
        if answer.status_code == 410:
            assert client.get(f"{path}/{bad}").text.replace(f"/{bad}", "/TOKEN") == shown
    assert passwords.matches(User.get().password_hash, GOOD)
    assert client.get(reset).status_code == 200


def test_a_link_for_another_purpose_sets_no_password(app: Flask, client: FlaskClient, clock: Any) -> None:
    user = member(app)
    MailLink.create(
        token_hash=sessions.digest("proof"), purpose="old_email", user=user, email="old@example.com",
        created_at=portal_clock.now(), expires_at=portal_clock.now() + dt.timedelta(days=1),
    )  # fmt: skip
    assert client.get("/account/password/proof").status_code == 410


def test_a_refused_password_leaves_the_link_alive(client: FlaskClient, reset: str, page: Any) -> None:
    for bad in ("", "x" * 14, "kovacs anna kovacs", "passwordpassword", "x" * 129):
        answer = client.post(reset, data={"password": bad})
        assert answer.status_code == 422, bad
        soup = page(answer)
        assert soup.select(".summary a")[0]["href"] == "#password"
        assert bad == "" or bad not in answer.text
    assert client.post(reset, data={"password": "x" * 5 + "nine long hares"}).status_code == 303


def test_a_link_of_a_disabled_user_is_dead(client: FlaskClient, reset: str) -> None:
    User.update(disabled_at=portal_clock.now()).execute()
    assert client.get(reset).status_code == 410


def test_two_hands_on_one_link(app: Flask, reset: str, clock: Any) -> None:
    """Both have looked; the second to send finds it used."""
    token = reset.rpartition("/")[2]
    one, two = (accounts.link_of(token, portal_clock.now()) for _n in range(2))
    assert one and two
    accounts.set_password(one, OTHER, app.config["PORTAL"], portal_clock.now())
    with pytest.raises(accounts.LinkDead):
        accounts.set_password(two, GOOD, app.config["PORTAL"], portal_clock.now())


def test_only_hashes_of_links_and_sessions_are_stored(client: FlaskClient, reset: str) -> None:
    token = reset.rpartition("/")[2]
    assert MailLink.get().token_hash == sessions.digest(token)
    client.post(reset, data={"password": OTHER})
    log_in(client, password=OTHER)
    stored = [row.token_hash for row in LoginSession.select()]
    assert len(stored) == 1 and stored[0] not in cookie(client)


# --- in and out ------------------------------------------------------------------------------------------------------


def test_the_wrong_password_and_the_right_one(app: Flask, client: FlaskClient, page: Any) -> None:
    member(app)
    answer = log_in(client, password="a wrong but long one")
    assert answer.status_code == 422
    soup = page(answer)
    assert soup.find(id="email")["value"] == "anna@kovacsfoto.hu"
    assert "a wrong but long one" not in answer.text
    assert not is_in(client)
    assert log_in(client, email=" Anna@KovacsFoto.hu ").status_code == 303
    assert is_in(client)
    assert client.get("/login").location == "/"


def test_who_has_no_password_or_is_disabled_stays_out(app: Flask, client: FlaskClient) -> None:
    sign_up(client)
    assert log_in(client, password="").status_code == 422
    assert log_in(client).status_code == 422
    user = member(app, "olga@example.com")
    User.update(disabled_at=portal_clock.now()).where(User.id == user.id).execute()
    assert log_in(client, "olga@example.com").status_code == 422


def test_logging_in_goes_on_to_where_one_wanted(app: Flask, client: FlaskClient) -> None:
    member(app)
    sent = client.get("/account?x=1")
    assert (sent.status_code, sent.location) == (303, "/login?next=/account%3Fx%3D1")
    assert log_in(client, next="/account?x=1").location == "/account?x=1"


@pytest.mark.parametrize(
    "target", ["//evil.hu", "https://evil.hu", "/\\evil.hu", "\\\\evil.hu", "javascript:x", " //evil", ""]
)
def test_never_on_to_another_site(app: Flask, client: FlaskClient, target: str) -> None:
    member(app)
    assert log_in(client, next=target).location == "/"


def test_logging_out_ends_the_session_on_the_server(app: Flask, client: FlaskClient) -> None:
    member(app)
    log_in(client)
    stolen = cookie(client)
    answer = client.post("/logout")
    assert (answer.status_code, answer.location) == (303, "/")
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    assert not cookie(client)
    client.set_cookie("__Host-session", stolen, domain="portal.example.hu", secure=True)
    assert not is_in(client)
    assert client.post("/logout").status_code == 303


def test_a_get_logs_nobody_out(app: Flask, client: FlaskClient) -> None:
    member(app)
    log_in(client)
    assert client.get("/logout").location == "/"
    assert is_in(client)


@pytest.mark.parametrize(("hours", "inside"), [(11.9, True), (12.1, False)])
def test_idle_sessions_end(app: Flask, client: FlaskClient, clock: Any, hours: float, inside: bool) -> None:
    member(app)
    log_in(client)
    clock.forward(hours=hours)
    assert is_in(client) is inside


def test_a_session_lasts_fourteen_days_at_most(app: Flask, client: FlaskClient, clock: Any) -> None:
    member(app)
    log_in(client)
    for _n in range(14 * 2 + 1):
        clock.forward(hours=11.5)
        assert is_in(client)  # in use, so that it does not time out
    clock.forward(hours=11.5)
    assert not is_in(client)


def test_a_disabled_user_is_out_at_once(app: Flask, client: FlaskClient) -> None:
    member(app)
    log_in(client)
    User.update(disabled_at=portal_clock.now()).execute()
    assert not is_in(client)


def test_every_log_in_has_its_own_token(app: Flask, client: FlaskClient) -> None:
    member(app)
    log_in(client)
    first = cookie(client)
    log_in(client)
    assert cookie(client) != first
    assert LoginSession.select().count() == 1, "logging in again on the same browser ends what was"
    other = app.test_client()
    log_in(other)
    assert cookie(other) not in (first, cookie(client))


# --- limits ----------------------------------------------------------------------------------------------------------


def test_the_eleventh_wrong_password_waits(app: Flask, client: FlaskClient, clock: Any, monkeypatch: Any) -> None:
    member(app)
    for n in range(10):
        assert log_in(client, password="a wrong but long one").status_code == 422, n
    hashed: list[str] = []
    monkeypatch.setattr(passwords, "matches", lambda *_a: hashed.append("!") or False)
    answer = log_in(client)
    assert answer.status_code == 429, "the right one waits too"
    assert int(answer.headers["Retry-After"]) == 90
    assert not hashed
    monkeypatch.undo()


def test_buckets_fill_again(app: Flask, client: FlaskClient, clock: Any) -> None:
    member(app)
    for _n in range(10):
        log_in(client, password="a wrong but long one")
    clock.forward(seconds=89)
    assert log_in(client).status_code == 429
    clock.forward(seconds=1)
    assert log_in(client).status_code == 303


def test_an_ipv6_line_is_counted_once_whatever_address_it_takes() -> None:
    assert accounts.line_of("2001:db8:1:2::1") == accounts.line_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert accounts.line_of("2001:db8:1:3::1") != accounts.line_of("2001:db8:1:2::1")
    assert accounts.line_of("fe80::1%eth0") == "fe80::/64"
    assert accounts.line_of("192.0.2.1") == "192.0.2.1"


def test_right_passwords_cost_nothing(app: Flask, clock: Any) -> None:
    member(app)
    for _n in range(25):
        assert log_in(app.test_client()).status_code == 303


def test_twenty_wrong_ones_per_machine_and_hour(app: Flask, client: FlaskClient, clock: Any) -> None:
    for n in range(20):
        assert log_in(client, f"nobody{n}@example.com").status_code == 422
    assert log_in(client, "nobody@example.com").status_code == 429
    assert (
        log_in(
            client,
            "x@example.com",
        ).headers["Retry-After"]
        == "180"
    )


def test_five_links_per_address_and_day(app: Flask, client: FlaskClient, clock: Any) -> None:
    member(app)
    for email in ("anna@kovacsfoto.hu", "nobody@example.com"):
        for _n in range(5):
            assert client.post("/account/password", data={"email": email}).status_code == 303
        assert client.post("/account/password", data={"email": email}).status_code == 429
    assert len(mails()) == 5


def test_twenty_sign_ups_per_machine_and_hour(client: FlaskClient, clock: Any) -> None:
    for n in range(20):
        assert sign_up(client, email=f"anna{n}@example.com").status_code == 303
    answer = sign_up(client, email="one-more@example.com")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "180")
    assert User.select().count() == 20


def test_a_refused_try_is_not_counted_inside_a_transaction(app: Flask, clock: Any) -> None:
    with pytest.raises(RuntimeError), db.atomic():
        limits.take("x", 1, 1, 0.0)


# --- the profile -----------------------------------------------------------------------------------------------------


@pytest.fixture
def anna(app: Flask, client: FlaskClient) -> User:
    """Anna, logged in."""
    user = member(app)
    log_in(client)
    return user


def test_the_profile_is_changed_and_checked(client: FlaskClient, anna: User, page: Any) -> None:
    page(client.get("/account"))
    data = {**ANNA, "company": "Új Kft.", "name": "Új Anna", "country": "AT", "vat_id": "U13585627", "language": "en"}
    answer = client.post("/account/profile", data=data)
    assert (answer.status_code, answer.location) == (303, "/account")
    account = Account.get()
    assert (account.company, account.country, account.vat_id) == ("Új Kft.", "AT", "ATU13585627")
    assert page(client.get("/account")).html["lang"] == "en"
    bad = client.post("/account/profile", data={**data, "company": "", "vat_id": "HU12345676"})
    assert bad.status_code == 422
    assert [a["href"] for a in page(bad).select(".summary a")] == ["#profile-company", "#profile-vat_id"]
    assert Account.get().company == "Új Kft."


def test_an_old_address_is_added_changed_and_taken_away(client: FlaskClient, anna: User, page: Any) -> None:
    assert page(client.get("/account")).find(id="old-email")
    client.post("/account/old-email", data={"old_email": "Old@Example.com"})
    assert Account.get().old_email == "old@example.com"
    now = portal_clock.now()
    Account.update(old_email_proved_at=now).execute()
    MailLink.create(
        token_hash="x", purpose="old_email", user=anna, email="old@example.com", created_at=now, expires_at=now
    )
    client.post("/account/old-email", data={"old_email": "old@example.com"})
    assert Account.get().old_email_proved_at == now, "the same address stays proved"
    assert client.post("/account/old-email", data={"old_email": "nonsense"}).status_code == 422
    client.post("/account/old-email", data={"old_email": "else@example.com"})
    assert (Account.get().old_email, Account.get().old_email_proved_at) == ("else@example.com", None)
    assert not MailLink.select().count()
    client.post("/account/old-email", data={"old_email": ""})
    assert Account.get().old_email == ""


def test_the_password_is_changed_with_the_current_one(app: Flask, client: FlaskClient, anna: User, page: Any) -> None:
    elsewhere, before = app.test_client(), cookie(client)
    log_in(elsewhere)
    wrong = client.post("/account/change-password", data={"current": "a wrong but long one", "password": OTHER})
    assert wrong.status_code == 422
    assert page(wrong).select(".summary a")[0]["href"] == "#password-current"
    short = client.post("/account/change-password", data={"current": GOOD, "password": "short"})
    assert (short.status_code, page(short).select(".summary a")[0]["href"]) == (422, "#password-password")
    assert is_in(elsewhere) and not mails()

    answer = client.post("/account/change-password", data={"current": GOOD, "password": OTHER})
    assert (answer.status_code, answer.location) == (303, "/account")
    assert [mail.name for mail in mails()] == ["password-changed"]
    assert is_in(client) and cookie(client) != before
    assert not is_in(elsewhere)
    elsewhere.set_cookie("__Host-session", before, domain="portal.example.hu", secure=True)
    assert not is_in(elsewhere), "the old cookie is worth nothing"
    assert log_in(elsewhere).status_code == 422
    assert log_in(elsewhere, password=OTHER).status_code == 303


def test_guessing_the_current_password_is_limited(client: FlaskClient, anna: User, clock: Any) -> None:
    for _n in range(10):
        client.post("/account/change-password", data={"current": "a wrong but long one", "password": OTHER})
    assert client.post("/account/change-password", data={"current": GOOD, "password": OTHER}).status_code == 429


def test_log_ins_elsewhere_are_listed_and_ended(app: Flask, client: FlaskClient, anna: User, page: Any) -> None:
    one, two = app.test_client(), app.test_client()
    for browser in (one, two):
        log_in(browser)
    soup = page(client.get("/account"))
    shown = soup.select('input[name="session"]')
    assert len(shown) == 2
    first = LoginSession.select().order_by(LoginSession.id)[1]
    client.post("/account/sessions/end", data={"session": str(first.id)})
    assert (is_in(client), is_in(one), is_in(two)) == (True, False, True)
    client.post("/account/sessions/end")
    assert (is_in(client), is_in(two)) == (True, False)


def test_nobody_ends_anothers_session(app: Flask, client: FlaskClient, anna: User) -> None:
    member(app, "bela@example.com")
    bela = app.test_client()
    log_in(bela, "bela@example.com")
    his = LoginSession.select().order_by(LoginSession.id.desc()).get()
    for chosen in (str(his.id), "99999999999999999999", "-1", "²", "x"):
        assert client.post("/account/sessions/end", data={"session": chosen}).status_code == 404
    assert is_in(bela)


def test_the_export_holds_everything_but_secrets(app: Flask, client: FlaskClient, anna: User) -> None:
    item()
    now = portal_clock.now()
    products.register(
        anna.account, "eos-r5", products.Details("012345", "2024", False, "HU", "Fotó"), "manual", anna,
        app.config["PORTAL"], now,
    )  # fmt: skip
    answer = client.get("/account/export")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    data = json.loads(answer.text)
    assert data["account"]["company"] == "Kovács Fotó Bt."
    assert data["products"][0]["serial"] == "012345"
    assert data["point_event"][0]["delta"] == 300
    assert "argon2" not in answer.text
    assert LoginSession.get().token_hash not in answer.text


def membership_of(account: Account, **fields: Any) -> Membership:
    today = portal_clock.now().date()
    return Membership.create(
        **{"account": account, "number": "CPS-HU-000001-8", "tier": "silver", "starts_on": today,
           "ends_on": today + dt.timedelta(days=364), "created_at": portal_clock.now(), **fields},
    )  # fmt: skip


def invoice_of(membership: Membership, **fields: Any) -> Invoice:
    today = portal_clock.now().date()
    fields.setdefault("due_on", today + dt.timedelta(days=30))
    return Invoice.create(
        **{"number": "CPS-2026-000001", "account": membership.account, "membership": membership, "method": "transfer",
           "currency": "HUF", "net": 39900, "vat": 10773, "gross": 50673, "vat_category": "S", "vat_rate": 27,
           "issued_on": today, "dunned_from": fields["due_on"], "period_from": today,
           "period_to": today + dt.timedelta(days=364), "reference": "RF18000000001", "seller": {},
           "buyer": {"company": "Kovács Fotó Bt."},
           "lines": [], **fields},
    )  # fmt: skip


def test_an_account_is_closed_with_the_password_only(client: FlaskClient, anna: User, page: Any) -> None:
    page(client.get("/account/delete"))
    wrong = client.post("/account/delete", data={"password": "a wrong but long one"})
    assert wrong.status_code == 422
    page(wrong)
    assert is_in(client)


def test_closing_frees_the_products_and_keeps_the_invoices(app: Flask, client: FlaskClient, anna: User) -> None:
    item()
    settings, now = app.config["PORTAL"], portal_clock.now()
    details = products.Details("012345", "2024", False, "HU", "Fotó")
    products.register(anna.account, "eos-r5", details, "manual", anna, settings, now)
    invoice_of(membership_of(anna.account, status="expired"), status="paid")
    elsewhere = app.test_client()
    log_in(elsewhere)
    answer = client.post("/account/delete", data={"password": GOOD})
    assert (answer.status_code, answer.location) == (303, "/")
    assert "Clear-Site-Data" in answer.headers
    assert not is_in(client) and not is_in(elsewhere)
    user, account = User.get(), Account.get()
    assert user.disabled_at and account.closed_at
    kept = json.dumps({**user.__data__, **account.__data__}, default=str)
    assert not re.search("anna|Kovács|Fő utca|argon2", kept, re.IGNORECASE), kept
    assert sum(event.delta for event in PointEvent.select()) == 0
    assert Invoice.get().buyer == {"company": "Kovács Fotó Bt."}
    assert log_in(client).status_code == 422
    sign_up(client)
    assert User.select().count() == 2, "the address is free again"
    products.register(
        Account.select().order_by(Account.id.desc()).get(), "eos-r5", details, "manual", "", settings, now
    )


def test_closing_takes_no_mail_of_others_along(app: Flask, client: FlaskClient, anna: User) -> None:
    settings = app.config["PORTAL"]
    Account.update(old_email="bela@example.com").execute()  # typed, and not hers
    with db.atomic():
        for key, to in (("anna-1", anna.email), ("bela-1", "bela@example.com")):
            mail.queue(settings, key, "reset", to, "hu", person="", url="https://portal.example.hu/")
    client.post("/account/delete", data={"password": GOOD})
    kept = [row.key for row in OutboxMail.select().where(OutboxMail.key.in_(["anna-1", "bela-1"]))]
    assert kept == ["bela-1"]


def test_a_running_membership_or_an_open_invoice_keeps_an_account_open(client: FlaskClient, anna: User) -> None:
    membership = membership_of(anna.account)
    answer = client.post("/account/delete", data={"password": GOOD})
    assert answer.status_code == 422 and str(membership.ends_on.year) in answer.text
    Membership.update(status="cancelled").execute()
    invoice_of(membership)
    answer = client.post("/account/delete", data={"password": GOOD})
    assert answer.status_code == 422 and "CPS-2026-000001" in answer.text
    assert is_in(client) and Account.get().closed_at is None


def test_an_operator_has_a_profile_but_no_business(app: Flask, client: FlaskClient, page: Any) -> None:
    User.create(
        email="olga@example.com", name="Olga", role="operator", password_hash=passwords.digest(GOOD),
        created_at=portal_clock.now(),
    )  # fmt: skip
    log_in(client, "olga@example.com")
    soup = page(client.get("/account"))
    assert not soup.find(id="profile-company") and not soup.find(id="old-email")
    assert client.post("/account/profile", data={"name": "Olga O.", "language": "en"}).status_code == 303
    assert client.post("/account/old-email", data={"old_email": "x@example.com"}).status_code == 404
    assert client.get("/account/delete").status_code == 404
    page(client.get("/"))
    assert json.loads(client.get("/account/export").text)["user"]["name"] == "Olga O."


def test_form_addresses_opened_by_hand_lead_back(client: FlaskClient, anna: User) -> None:
    for path in ("profile", "old-email", "change-password", "sessions/end"):
        answer = client.get(f"/account/{path}")
        assert (answer.status_code, answer.location) == (303, "/account")


def test_what_happened_is_on_record(app: Flask, client: FlaskClient, reset: str) -> None:
    client.post(reset, data={"password": OTHER})
    log_in(client, password="a wrong but long one")
    log_in(client, password=OTHER)
    client.post("/logout")
    actions = [event.action for event in AuditEvent.select().order_by(AuditEvent.id)]
    assert actions == ["account.created", "link.asked", "password.changed", "login.refused", "login.ok", "logout"]
    everything = json.dumps([event.__data__ for event in AuditEvent.select()], default=str)
    assert not re.search("szürke|barna|wrong", everything)


def test_pages_of_the_account_are_kept_nowhere(client: FlaskClient, anna: User) -> None:
    for path in ("/account", "/account/delete", "/account/export", "/account/new", "/login", "/account/password"):
        assert client.get(path).headers["Cache-Control"] == "no-store", path
