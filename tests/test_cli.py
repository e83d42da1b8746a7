"""The commands, as whoever runs the portal meets them."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click import BadParameter
from click.testing import Result
from flask import Flask

import cli
from models import AuditEvent, CatalogueItem, Invoice, LegacyProduct, MailLink, OutboxMail, User, db
from services import due, mail
from tests.conftest import MakeApp

ROOT = Path(__file__).parent.parent


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=list(words))


@pytest.fixture
def demo(make_app: MakeApp) -> Flask:
    """A demo with its people."""
    app = make_app(demo=True)
    assert run(app, "demo").exit_code == 0
    return app


# --- setting up ----------------------------------------------------------------------------------------------------


@pytest.fixture
def empty_disk(make_app: MakeApp, tmp_path: Path) -> Flask:
    """The app as it is on a machine where nothing was set up, not even the folder of its database."""
    return make_app(database=f"sqlite:///{tmp_path}/instance/portal.db")


def test_setup_brings_an_empty_disk_up_to_date(empty_disk: Flask, tmp_path: Path) -> None:
    done = run(empty_disk, "setup")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == "Database: 0001_initial applied."
    assert done.output.splitlines()[-1] == "Catalogue: 47 items."
    assert stat.S_IMODE((tmp_path / "instance").stat().st_mode) == 0o700
    again = run(empty_disk, "setup")
    assert again.output.splitlines() == [
        "Database: up to date.",
        "Translations: up to date.",
        "Catalogue: 47 items.",
    ]


def test_setup_leaves_a_catalogue_alone(app: Flask) -> None:
    CatalogueItem.create(key="own", name="Own", kind="lens", points=1)
    assert run(app, "setup").output.endswith("Catalogue: 1 items.\n")


@pytest.mark.parametrize(
    "words", [["due"], ["demo"], ["worker"], ["send-mail"], ["create-operator", "olga@example.com"]]
)
def test_before_setup_a_command_says_what_to_do(empty_disk: Flask, words: list[str]) -> None:
    Path(empty_disk.config["PORTAL"].database.removeprefix("sqlite:///")).parent.mkdir()
    done = run(empty_disk, *words)
    assert done.exit_code == 1
    assert done.output == "Error: The database is not up to date; run first: flask setup\n"


def test_translations_are_compiled_when_they_are_newer(tmp_path: Path) -> None:
    folder = tmp_path / "hu" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    source = folder / "messages.po"
    source.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Log in"\nmsgstr "Belépés"\n'
    )
    assert cli.compile_translations(tmp_path) == ["hu"]
    assert "Belépés".encode() in (folder / "messages.mo").read_bytes()
    assert cli.compile_translations(tmp_path) == []
    os.utime(source, (time.time() + 5, time.time() + 5))
    assert cli.compile_translations(tmp_path) == ["hu"]
    assert sorted(path.name for path in folder.iterdir()) == ["messages.mo", "messages.po"]


# --- the demo ------------------------------------------------------------------------------------------------------


def test_the_demo_is_filled_once(make_app: MakeApp) -> None:
    app = make_app(demo=True)
    assert run(app, "demo").output == "8 people moved in.\n"
    assert run(app, "demo").output == "The demo has its people already; nothing was changed.\n"


def test_a_real_portal_takes_no_demo_people(app: Flask) -> None:
    done = run(app, "demo")
    assert done.exit_code == 1
    assert done.output == "Error: This is not a demo: nobody fictional may enter it. PORTAL_DEMO=1 makes one.\n"
    assert User.select().count() == 0


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_catalogue_is_loaded_and_reported_row_by_row(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.csv"
    file.write_text("key,name,kind,points,registrable\nx1,EOS X1,body,100,yes\nx2,EOS X2,body,many,yes\n")
    done = run(app, "import-catalogue", str(file))
    assert done.exit_code == 1
    first, second, summary = done.output.splitlines()
    assert first == "line 2: x1: added"
    assert second.startswith("line 3: x2: refused: points must be a whole number")
    assert summary == "1 added, 0 changed, 0 same, 1 refused"
    assert [item.key for item in CatalogueItem.select()] == ["x1"]
    file.write_text("key,name,kind,points,registrable\nx1,EOS X1,body,100,yes\n")
    again = run(app, "import-catalogue", str(file))
    assert (again.exit_code, again.output) == (0, "0 added, 0 changed, 1 same, 0 refused\n")


def test_old_accounts_are_loaded(app: Flask) -> None:
    run(app, "setup")
    done = run(app, "import-legacy", str(ROOT / "data" / "legacy-demo.csv"))
    assert done.exit_code == 0, done.output
    assert done.output.endswith("9 added, 0 changed, 0 same, 0 refused\n")
    assert LegacyProduct.select().count() == 9


def test_a_file_in_another_encoding_is_refused_with_a_sentence(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "latin2.csv"
    file.write_bytes("key,name\nárvíztűrő,x\n".encode("iso-8859-2"))
    done = run(app, "import-catalogue", str(file))
    assert done.exit_code == 1
    assert "cannot be read as UTF-8 text" in done.output


# --- operators -----------------------------------------------------------------------------------------------------


def test_an_operator_is_created_and_gets_a_link(app: Flask) -> None:
    done = run(app, "create-operator", "Olga@Example.com")
    assert done.exit_code == 0, done.output
    assert done.output == "A link that sets the password goes to olga@example.com; it works for 7 days.\n"
    user = User.get(User.email == "olga@example.com")
    assert (user.role, user.account_id, user.password_hash) == ("operator", None, None)
    assert OutboxMail.get().name == "activate"
    assert AuditEvent.select().where(AuditEvent.action == "operator.created").count() == 1
    assert run(app, "create-operator", "olga@example.com").exit_code == 0
    assert User.select().count() == 1
    assert MailLink.select().count() == 1  # the older link died
    assert OutboxMail.select().count() == 2


def test_a_customer_is_no_operator(demo: Flask) -> None:
    done = run(demo, "create-operator", "anna@example.com")
    assert done.exit_code == 1
    assert "is the address of a customer" in done.output
    assert User.get(User.email == "anna@example.com").role == "customer"


def test_an_operator_needs_an_address(app: Flask) -> None:
    assert run(app, "create-operator", "olga").exit_code == 1
    assert User.select().count() == 0


# --- day by day ----------------------------------------------------------------------------------------------------


def test_due_prints_one_line_of_json(demo: Flask) -> None:
    day = Invoice.get(Invoice.method == "card").due_on
    looked = run(demo, "due", "--today", day.isoformat(), "--dry-run")
    assert json.loads(looked.output) | {"charge": 1, "dry_run": True, "today": day.isoformat()} == json.loads(
        looked.output
    )
    assert Invoice.select().where(Invoice.status == "paid").count() == 0
    done = run(demo, "due", "--today", day.isoformat())
    assert done.exit_code == 0, done.output
    assert done.output.count("\n") == 1
    assert json.loads(done.output)["charged"] == 1
    assert "charged" not in json.loads(run(demo, "due", "--today", day.isoformat()).output)


def test_due_ends_with_1_when_a_person_must_look(demo: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(demo, "due").exit_code == 0
    for summary in ({"failed": 1}, {"unclear": 1}, {"mail": {"dead": 1}}):
        monkeypatch.setattr(due, "run", lambda *_args, told=summary: told)
        assert run(demo, "due").exit_code == 1, summary


@pytest.mark.parametrize("day", ["tomorrow", "2026-13-01", "20261201"])
def test_due_wants_a_day(app: Flask, day: str) -> None:
    assert run(app, "due", "--today", day).exit_code == 2


def test_send_mail_empties_the_outbox(demo: Flask) -> None:
    run(demo, "send-mail")
    with db.atomic():
        for number in range(120):
            mail.queue(demo.config["PORTAL"], f"k{number}", "reset", "anna@example.com", "hu", person="Anna", url="u")
    done = run(demo, "send-mail")
    assert (done.exit_code, json.loads(done.output)) == (0, {"sent": 120, "retried": 0, "dead": 0})


def test_the_worker_sends_at_once_and_stops_cleanly(demo: Flask, tmp_path: Path) -> None:
    settings = demo.config["PORTAL"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_", "COVERAGE"))}
    environment |= {
        "PORTAL_DEMO": "1",
        "PORTAL_DATABASE": settings.database,
        "PORTAL_SECRET_KEY": settings.secret_key,
        "FLASK_APP": "app",
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "flask", "worker"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert wait_until(lambda: AuditEvent.select().count() > 0)
        with db.atomic():
            mail.queue(settings, "k1", "reset", "anna@example.com", "hu", person="Anna", url="u")
        assert wait_until(lambda: OutboxMail.get(OutboxMail.key == "k1").sent_at is not None)
    finally:
        worker.send_signal(signal.SIGTERM)
        _out, complaints = worker.communicate(timeout=15)
    assert worker.returncode == 0
    assert "Traceback" not in complaints


def wait_until(condition: Any) -> bool:
    for _attempt in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_the_worker_outlives_trouble(demo: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "EVERY", 0)
    monkeypatch.setattr(cli, "AFTER_TROUBLE", 0)
    stop = threading.Event()
    calls = []

    def deliver(*_: object) -> dict[str, int]:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the database is away")
        stop.set()
        return {"sent": 0, "retried": 0, "dead": 0}

    monkeypatch.setattr(mail, "deliver", deliver)
    monkeypatch.setattr(due, "run", lambda *_: {})
    cli.work(demo.config["PORTAL"], stop)
    assert len(calls) == 2


# --- the bank ------------------------------------------------------------------------------------------------------


def test_a_transfer_is_booked_once(demo: Flask) -> None:
    invoice = Invoice.get(Invoice.method == "transfer")
    words = ["receive-transfer", "--reference", f"  {invoice.reference} ", "--amount", str(invoice.gross)]
    done = run(demo, *words)
    assert (done.exit_code, done.output) == (0, f"paid: {invoice.number}\n")
    assert Invoice.get_by_id(invoice.id).status == "paid"
    again = run(demo, *words)
    assert (again.exit_code, again.output) == (0, "This entry was booked before; nothing was changed.\n")
    other = run(demo, *words, "--key", "bank-2")
    assert (other.exit_code, other.output) == (1, f"duplicate: {invoice.number}\n")


def test_a_part_of_it_on_a_day(demo: Flask) -> None:
    invoice = Invoice.get(Invoice.method == "transfer")
    done = run(demo, "receive-transfer", "--reference", invoice.number, "--amount", "1000", "--on", "2026-11-20")
    assert done.output == f"partial: {invoice.number}\n"
    assert Invoice.get_by_id(invoice.id).paid == 1000


def test_money_that_names_no_invoice_needs_a_person(demo: Flask) -> None:
    done = run(demo, "receive-transfer", "--reference", "thank you", "--amount", "1000")
    assert (done.exit_code, done.output) == (1, "review: no invoice\n")


@pytest.mark.parametrize("amount", ["0", "-5", "100.00", "1e3", "١٠٠", "a lot", "9" * 13])
def test_forints_are_whole_and_positive(demo: Flask, amount: str) -> None:
    done = run(demo, "receive-transfer", "--reference", "x", f"--amount={amount}")
    assert done.exit_code in (1, 2)
    assert "Traceback" not in done.output


def test_euros_have_cents() -> None:
    assert cli.to_minor("100.00", "EUR") == 10_000
    assert cli.to_minor("100", "EUR") == 10_000
    assert cli.to_minor("0.5", "EUR") == 50
    for wrong in ("100,00", "1.234", "."):
        with pytest.raises(BadParameter):
            cli.to_minor(wrong, "EUR")
