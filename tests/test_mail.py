"""Mail: the outbox, delivery to a real SMTP server that misbehaves in every usual way, and the mails themselves."""

from __future__ import annotations

import asyncio
import datetime as dt
import email
import email.policy
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from bs4 import BeautifulSoup
from jinja2 import UndefinedError

import i18n
from config import Settings, Smtp
from market import load_market
from models import AuditEvent, Invoice, Membership, OutboxMail, SavedCard, db
from services import accounts, invoices, mail
from services import clock as portal_clock
from tests.conftest import FrozenClock, MakeSettings
from tests.page import syntax

pytestmark = pytest.mark.usefixtures("connected")

TEMPLATES = sorted(path.name for path in mail.FOLDER.iterdir() if path.is_dir())


# --- a mail server -------------------------------------------------------------------------------------------------


class Post:
    """What the server got, and how it behaves: each word of `script` is for one message, then it accepts."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.script: list[str] = []
        self.unknown: set[str] = set()
        self.log_ins: list[bytes] = []
        self.unfriendly = False

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, answers: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return ["554 we do not talk to you"] if self.unfriendly else answers

    async def handle_HELO(self, server: SMTP, session: Session, envelope: Envelope, hostname: str) -> str:  # noqa: N802
        session.host_name = hostname
        return "554 we do not talk to you" if self.unfriendly else "250 hello"

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.script and self.script[0] == "sender refused":
            self.script.pop(0)
            return "550 not allowed to send as this"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.unknown:
            return "550 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        behaviour = self.script.pop(0) if self.script else "accept"
        if behaviour in ("accept", "cut"):
            content = envelope.content if isinstance(envelope.content, bytes) else b""
            self.got.append(email.message_from_bytes(content, policy=email.policy.default))
        if behaviour == "cut":
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        if behaviour == "hang":
            await asyncio.sleep(5)
        return "250 OK" if behaviour in ("accept", "cut", "hang") else behaviour

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, how: str, given: object) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.log_ins.append(given.login)
        return AuthResult(success=given.password == b"right", handled=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def serve(post: Post) -> Iterator[Callable[..., Smtp]]:
    """serve(**aiosmtpd's options): starts the server, returns how to reach it."""
    running: list[Controller] = []

    def start(security: str = "none", user: str = "", password: str = "", **options: Any) -> Smtp:
        controller = Controller(post, hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        running.append(controller)
        return Smtp("127.0.0.1", controller.port, security, user, password)

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def portal(settings: MakeSettings, serve: Callable[..., Smtp]) -> Settings:
    """Settings whose mail goes to the test's server."""
    return settings(smtp=serve())


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that this process trusts, as a server's context."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


def queue(settings: Settings, to: str = "anna@example.com", key: str = "k1", person: str = "Anna") -> None:
    with db.atomic():
        mail.queue(settings, key, "activate", to, "en", person=person, url=f"{settings.base_url}/account/password/x")


def now() -> dt.datetime:
    return portal_clock.now()


def only() -> OutboxMail:
    return OutboxMail.select().get()


# --- queueing ------------------------------------------------------------------------------------------------------


def test_outside_a_transaction_no_mail_can_be_queued(settings: MakeSettings) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        mail.queue(settings(), "k1", "activate", "anna@example.com", "en", person="Anna", url="u")
    assert OutboxMail.select().count() == 0


def test_a_rolled_back_transaction_takes_its_mail_along(settings: MakeSettings) -> None:
    with db.atomic() as transaction:
        queue(settings())
        transaction.rollback()
    assert OutboxMail.select().count() == 0


def test_the_same_key_is_queued_once(settings: MakeSettings) -> None:
    queue(settings(), to="anna@example.com")
    queue(settings(), to="bela@example.com")
    assert only().recipient == "anna@example.com"


def test_a_lacking_value_is_an_error_not_a_gap_in_the_mail(settings: MakeSettings) -> None:
    with pytest.raises(UndefinedError), db.atomic():
        mail.queue(settings(), "k1", "activate", "anna@example.com", "en", person="Anna")


@pytest.mark.parametrize(
    "to", ["", "anna", "anna@", "a@example.com\r\nBcc: x@example.com", "a@example.com, b@example.com"]
)
def test_what_is_no_address_is_refused(settings: MakeSettings, to: str) -> None:
    with pytest.raises(ValueError, match="not an e-mail address"):
        queue(settings(), to=to)


# --- delivering ----------------------------------------------------------------------------------------------------


def test_a_mail_arrives_with_text_and_html(portal: Settings, post: Post, clock: FrozenClock) -> None:
    queue(portal)
    assert mail.deliver(portal, now()) == {"sent": 1, "retried": 0, "dead": 0}
    (got,) = post.got
    assert got["To"] == "anna@example.com"
    assert got["From"] == "CPS portál <donotreply@cps.example>"
    assert got["Subject"] == "Set your CPS password"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["Message-ID"] == only().message_id
    assert got["Message-ID"].endswith("@portal.example.hu>")
    assert got["Date"].datetime == clock.at
    assert [part.get_content_type() for part in got.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    for part in got.iter_parts():
        assert "https://portal.example.hu/account/password/x" in part.get_content()
    assert max(map(len, got.as_bytes().splitlines())) < 998  # RFC 5322
    assert mail.deliver(portal, now()) == {"sent": 0, "retried": 0, "dead": 0}
    assert len(post.got) == 1


def test_letters_beyond_ascii_survive_the_journey(settings: MakeSettings, portal: Settings, post: Post) -> None:
    queue(portal, to="anna@árvíztűrő.example", person="Őrült Ágnes")
    mail.deliver(portal, now())
    (got,) = post.got
    assert str(got["To"]).startswith("anna@xn--")  # the domain as servers know it
    body = got.get_body(("plain",))
    assert body is not None
    assert "Dear Őrült Ágnes," in body.get_content()


@pytest.mark.parametrize("breaking", ["\r\n", "\n", "\r", "\x85", "\u2028", "\x0b"])
def test_no_field_can_break_out_of_a_header(
    portal: Settings, post: Post, breaking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = replace(portal.market, programme=f"CPS{breaking}Bcc: everybody@example.com{breaking}{breaking}Hi")
    queue(replace(portal, market=evil))
    mail.deliver(portal, now())
    (got,) = post.got
    assert got["Bcc"] is None
    assert got["Subject"] == "Set your CPS Bcc: everybody@example.com Hi password"


def test_html_in_a_field_stays_text(settings: MakeSettings) -> None:
    queue(settings(), person='<script>alert("x")</script>&')
    assert "<script" not in only().html
    assert "&lt;script&gt;" in only().html
    assert '<script>alert("x")</script>&' in only().text


def test_a_server_that_is_down_is_tried_again_with_growing_pauses(
    settings: MakeSettings, clock: FrozenClock, serve: Callable[..., Smtp], post: Post
) -> None:
    down = settings(smtp=Smtp("127.0.0.1", free_port(), "none", "", ""))
    queue(down)
    queue(down, to="bela@example.com", key="k2")
    pauses = []
    for _attempt in range(5):
        assert mail.deliver(down, now()) == {"sent": 0, "retried": 2, "dead": 0}
        row = OutboxMail.select().order_by(OutboxMail.due_at.desc()).first()
        pauses.append((row.due_at - now()).total_seconds())
        assert mail.deliver(down, now()) == {"sent": 0, "retried": 0, "dead": 0}
        clock.set(row.due_at)
    for tries, pause in enumerate(pauses):
        assert 0.8 * 30 * 2**tries <= pause <= 30 * 2**tries
    assert "refused" in only_of("k1").error.lower()
    up = settings(smtp=serve())
    assert mail.deliver(up, now()) == {"sent": 2, "retried": 0, "dead": 0}
    assert only_of("k1").error == ""


def only_of(key: str) -> OutboxMail:
    return OutboxMail.get(OutboxMail.key == key)


def test_the_pause_is_never_longer_than_six_hours() -> None:
    assert all(0 < mail.pause(tries) <= 6 * 3600 for tries in range(1, mail.TRIES))


def test_after_twelve_tries_a_mail_is_dead_and_audited(settings: MakeSettings, clock: FrozenClock) -> None:
    down = settings(smtp=Smtp("127.0.0.1", free_port(), "none", "", ""))
    queue(down)
    for attempt in range(1, 13):
        counts = mail.deliver(down, now())
        assert counts == {"sent": 0, "retried": int(attempt < 12), "dead": int(attempt == 12)}
        clock.forward(hours=6)
    assert only().dead_at
    assert only().attempts == 12
    event = AuditEvent.get(AuditEvent.action == "mail.dead")
    assert event.object == f"mail {only().id}"
    assert event.detail == {"name": "activate", "tries": 12}
    assert mail.deliver(down, now()) == {"sent": 0, "retried": 0, "dead": 0}


def test_dead_mails_get_another_row_of_tries_when_asked(portal: Settings, post: Post) -> None:
    post.unknown.add("anna@example.com")
    queue(portal)
    assert mail.deliver(portal, now())["dead"] == 1
    assert [dead.recipient for dead in mail.dead()] == ["anna@example.com"]
    post.unknown.clear()
    assert mail.revive(now()) == 1
    assert mail.deliver(portal, now()) == {"sent": 1, "retried": 0, "dead": 0}
    assert mail.dead() == []


def test_what_was_sent_is_forgotten_but_not_that_it_was(portal: Settings, post: Post) -> None:
    queue(portal)
    mail.deliver(portal, now())
    assert (only().text, only().html, bool(only().sent_at)) == ("", "", True)
    queue(portal)  # the same key: once means once
    assert OutboxMail.select().count() == 1


def test_a_refused_recipient_is_dead_at_once_and_the_others_get_theirs(portal: Settings, post: Post) -> None:
    post.unknown.add("anna@example.com")
    queue(portal)
    queue(portal, to="bela@example.com", key="k2")
    assert mail.deliver(portal, now()) == {"sent": 1, "retried": 0, "dead": 1}
    assert [got["To"] for got in post.got] == ["bela@example.com"]
    assert only_of("k1").error == "550 no such mailbox here"
    assert AuditEvent.select().where(AuditEvent.action == "mail.dead").count() == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("451 greylisted, try later", "retried"), ("554 looks like spam", "dead"), ("sender refused", "retried")],
)
def test_a_refusal_counts_for_that_mail_only(portal: Settings, post: Post, answer: str, outcome: str) -> None:
    post.script = [answer]
    queue(portal)
    queue(portal, to="bela@example.com", key="k2")
    assert mail.deliver(portal, now()) == {"sent": 1, "retried": 0, "dead": 0, outcome: 1}
    assert only_of("k2").sent_at


def test_a_server_that_hangs_holds_nobody_up_for_long(
    portal: Settings, post: Post, monkeypatch: pytest.MonkeyPatch, clock: FrozenClock
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT", 0.3)
    post.script = ["hang"]
    queue(portal)
    queue(portal, to="bela@example.com", key="k2")
    assert mail.deliver(portal, now()) == {"sent": 0, "retried": 1, "dead": 0}
    assert only_of("k2").leased_until is None  # given back untouched
    assert only_of("k2").attempts == 0
    assert mail.deliver(portal, now()) == {"sent": 1, "retried": 0, "dead": 0}


def test_a_cut_connection_may_bring_a_mail_twice_under_the_same_id(
    portal: Settings, post: Post, clock: FrozenClock
) -> None:
    post.script = ["cut"]
    queue(portal)
    assert mail.deliver(portal, now()) == {"sent": 0, "retried": 1, "dead": 0}
    clock.forward(minutes=1)
    assert mail.deliver(portal, now()) == {"sent": 1, "retried": 0, "dead": 0}
    first, second = post.got
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


def test_a_mail_no_server_could_take_does_not_stop_the_others(portal: Settings, post: Post) -> None:
    queue(portal)
    queue(portal, to="bela@example.com", key="k2")
    OutboxMail.update(recipient="not an address").where(OutboxMail.key == "k1").execute()
    assert mail.deliver(portal, now()) == {"sent": 1, "retried": 0, "dead": 1}


def test_claimed_mails_are_free_again_a_minute_after_a_kill(portal: Settings, clock: FrozenClock) -> None:
    queue(portal)
    assert len(mail.claim(now(), 10)) == 1  # and then the worker was killed
    clock.forward(seconds=59)
    assert mail.deliver(portal, now())["sent"] == 0
    clock.forward(seconds=1)
    assert mail.deliver(portal, now())["sent"] == 1


def test_workers_in_parallel_send_each_mail_once(portal: Settings, post: Post, clock: FrozenClock) -> None:
    for number in range(40):
        queue(portal, key=f"k{number}", to=f"p{number}@example.com")
    counts: list[dict[str, int]] = []

    def work() -> None:
        with db.connection_context():
            for _round in range(4):
                counts.append(mail.deliver(portal, now(), limit=7))

    workers = [threading.Thread(target=work) for _worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(count["sent"] for count in counts) == 40
    assert sorted(got["To"] for got in post.got) == sorted(f"p{number}@example.com" for number in range(40))


def test_a_slow_batch_ends_before_its_lease(portal: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "STARTS_WITHIN", 0.0)
    queue(portal)
    assert mail.deliver(portal, now()) == {"sent": 0, "retried": 0, "dead": 0}
    assert only().leased_until is None
    assert mail.LEASE.total_seconds() >= mail.STARTS_WITHIN + 4 * 10


def test_starttls_and_a_log_in(
    settings: MakeSettings, serve: Callable[..., Smtp], post: Post, certificate: ssl.SSLContext
) -> None:
    smtp = serve("starttls", "portal", "right", tls_context=certificate, require_starttls=True,
                 authenticator=post.authenticate, auth_required=True)  # fmt: skip
    queue(settings())
    assert mail.deliver(settings(smtp=smtp), now())["sent"] == 1
    assert post.log_ins == [b"portal"]


def test_tls_from_the_first_byte(
    settings: MakeSettings, serve: Callable[..., Smtp], post: Post, certificate: ssl.SSLContext
) -> None:
    smtp = serve("tls", ssl_context=certificate)
    queue(settings())
    assert mail.deliver(settings(smtp=smtp), now())["sent"] == 1


def test_never_in_the_clear_when_encryption_was_asked_for(
    settings: MakeSettings, serve: Callable[..., Smtp], post: Post
) -> None:
    queue(settings())
    assert mail.deliver(settings(smtp=serve("starttls", "portal", "right")), now())["retried"] == 1
    assert post.got == []
    assert post.log_ins == []


def test_a_certificate_nobody_vouches_for_is_refused(
    settings: MakeSettings, serve: Callable[..., Smtp], post: Post, certificate: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.delenv("SSL_CERT_FILE")
    queue(settings())
    assert mail.deliver(settings(smtp=serve("starttls", tls_context=certificate)), now())["retried"] == 1
    assert post.got == []


def test_a_wrong_smtp_password_kills_no_mail(
    settings: MakeSettings, serve: Callable[..., Smtp], post: Post, certificate: ssl.SSLContext
) -> None:
    smtp = serve("starttls", "portal", "wrong", tls_context=certificate, authenticator=post.authenticate)
    queue(settings())
    assert mail.deliver(settings(smtp=smtp), now()) == {"sent": 0, "retried": 1, "dead": 0}
    assert only().error.startswith("(535")


def test_a_server_that_refuses_our_greeting_kills_no_mail(portal: Settings, post: Post) -> None:
    post.unfriendly = True
    queue(portal)
    queue(portal, to="bela@example.com", key="k2")
    assert mail.deliver(portal, now()) == {"sent": 0, "retried": 2, "dead": 0}


def test_in_a_demo_without_a_server_every_mail_counts_as_sent(settings: MakeSettings) -> None:
    demo = settings(demo=True)
    queue(demo)
    assert mail.deliver(demo, now()) == {"sent": 1, "retried": 0, "dead": 0}
    assert only().sent_at


# --- the mails -----------------------------------------------------------------------------------------------------


def samples(market: str) -> dict[str, list[dict[str, Any]]]:
    """What each mail is written with, as its callers do; several where it says different things."""
    made = load_market(market)
    day = dt.date(2026, 12, 24)
    membership = Membership(
        number="CPS-HU-000123-0", old_number="CPS-900417", tier="gold", status="active", starts_on=day, ends_on=day
    )
    seller = {"name": made.seller.name, "iban": made.seller.iban, "bic": made.seller.bic, "bank": made.seller.bank}
    invoice = Invoice(
        number="CPS-2026-000123", method="transfer", currency=made.currency, gross=101473, paid=0, status="open",
        issued_on=day, due_on=day, reference="RF94CPS2026000123", seller=seller, demo=False,
    )  # fmt: skip
    by_card = Invoice(**{**invoice.__data__, "method": "card", "demo": True})
    money: dict[str, Any] = {
        "invoice": invoice,
        "membership": membership,
        "tier": made.tiers[1],
        "contact": "Minta Anna",
        "card": SavedCard(brand="Demo", last4="4242", expires="2029-12"),
        "transfer": invoices.transfer(invoice),
    }
    late = {"days": 7, "suspend_on": day, "cancel_on": day}
    suspended = Membership(**{**membership.__data__, "status": "suspended", "old_number": ""})
    return {
        "activate": [{"person": "Minta Anna", "url": "https://portal.example.hu/a"}],
        "reset": [{"person": "", "url": "https://portal.example.hu/a"}],
        "already-registered": [
            {
                "person": "Minta Anna",
                "login_url": "https://portal.example.hu/l",
                "reset_url": "https://portal.example.hu/r",
            }
        ],
        "password-changed": [
            {"person": "Minta Anna", "at": dt.datetime(2026, 11, 24, 9), "reset_url": "https://portal.example.hu/r"}
        ],
        "invitation": [{"person": "Minta Anna", "company": "Minta Kft.", "points": 1600}],
        "old-email-proof": [
            {"company": "Minta Kft.", "link": "https://portal.example.hu/p", "days": days} for days in (1, 7)
        ],
        "member-welcome": [money, money | {"membership": suspended}],
        "invoice-issued": [money, money | {"card": None}, money | {"invoice": by_card}],
        "card-charged": [money | {"amount": 101473}],
        "card-declined": [
            money | {"retry_on": day, "code": "insufficient_funds"},
            money | {"retry_on": None, "code": "authentication_required"},
            money | {"retry_on": None, "code": "stolen_card"},
        ],
        "reminder": [money | late, money | late | {"days": 1, "membership": suspended}],
        "suspended": [money | {"cancel_on": day}],
        "cancelled": [money],
        "transfer-received": [
            money | {"amount": 100, "rest": 50, "verdict": verdict}
            for verdict in ("paid", "partial", "over", "duplicate")
        ],
    }


MAILS = [
    pytest.param(name, market, language, number, id=f"{name}-{number}-{market}-{language}")
    for market in ("hu", "at")
    for name, contexts in samples(market).items()
    for number in range(len(contexts))
    for language in ("hu", "en")
]


def test_every_mail_has_a_sample() -> None:
    assert sorted(samples("hu")) == TEMPLATES


@pytest.mark.parametrize(("name", "market", "language", "number"), MAILS)
def test_every_mail_says_what_it_must(
    settings: MakeSettings, name: str, market: str, language: str, number: int
) -> None:
    portal = settings(market)
    subject, text, html = mail.render(portal, name, language, **samples(market)[name][number])
    soup = BeautifulSoup(html, "html.parser")
    seen = " ".join(soup.body.get_text(" ").split()) if soup.body else ""
    assert syntax(html, whole=True) == []
    assert soup.html
    assert soup.html["lang"] == language
    assert len(html.encode()) <= 4096
    assert not soup.find(["script", "img", "link"])
    links = {str(link["href"]) for link in soup.find_all("a") if not str(link["href"]).startswith("mailto:")}
    assert links
    for link in links:
        assert link.startswith("https://portal.example.hu/")
        assert link in text
    for part in (subject, text, seen):
        assert not re.search(r"%\(|\{\{|\{%|\bNone\b|\.\.|!| ,", part), part
    for part in (text, seen):
        assert portal.market.contacts.helpdesk_email in part
        assert portal.market.contacts.helpdesk_hours[language] in part
    assert not re.search(r"\n\n\n|[ \t]\n(?<!-- \n)", text)
    words = " ".join(text.partition("\n-- \n")[0].split())
    for paragraph in soup.body.find_all("p")[:2] if soup.body else []:
        assert " ".join(paragraph.get_text().split()) in words  # both parts say the same


@pytest.mark.parametrize(("name", "market", "language", "number"), [one for one in MAILS if "-en" not in str(one.id)])
def test_every_mail_is_translated(settings: MakeSettings, name: str, market: str, language: str, number: int) -> None:
    """No line of a Hungarian mail is an English one, but for data and addresses."""
    sample = samples(market)[name][number]
    _subject, english, _html = mail.render(settings(market), name, "en", **sample)
    subject, hungarian, _html = mail.render(settings(market), name, "hu", **sample)
    same = {line for line in hungarian.splitlines() if line.strip()} & set(english.splitlines())
    assert all(re.match(r"https?://|IBAN|BIC|-- |CPS · ", line) for line in same), same
    assert subject != _subject


def test_the_links_live_as_long_as_the_mails_say() -> None:
    assert {"activate": dt.timedelta(days=7), "reset": dt.timedelta(hours=1)} == accounts.LIFE


def test_a_mail_speaks_its_readers_language_whoever_caused_it(settings: MakeSettings) -> None:
    with i18n.speaking("hu"):
        queue(settings())
        assert i18n.language() == "hu"
    assert "please do not reply" in only().text


def test_amounts_stand_in_the_invoices_own_currency(settings: MakeSettings) -> None:
    sample = samples("at")["invoice-issued"][0]
    subject, text, _html = mail.render(settings("at"), "invoice-issued", "en", **sample)
    assert "1,014.73\u00a0EUR" in text
    assert subject == "Invoice CPS-2026-000123: 1,014.73 EUR, due on 24 December 2026"
    assert "RF94 CPS2 0260 0012 3\n" in text
