"""The commands: parse, call a service, print. `flask setup` first; `flask worker` beside the server.

They speak English to whoever runs the portal, and end with 1 when a person must look at something.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import signal
import threading
from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import Any

import click
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from email_validator import EmailNotValidError, validate_email
from flask import Flask, current_app
from flask.cli import with_appcontext
from peewee import Database

import database
import i18n
from config import Settings
from models import BankEntry, CatalogueItem, db
from services import accounts, banking, catalogue, clock, demo, due, mail, migration
from services.catalogue import ImportReport
from services.money import decimals

EVERY = 1.0  # seconds between two looks into the outbox
DUE_EVERY = 60  # seconds between two runs of what is due
AFTER_TROUBLE = 10.0  # seconds the worker waits when the database does not answer

log = logging.getLogger("portal.worker")
a_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
a_day = click.DateTime(["%Y-%m-%d"])


def register(app: Flask) -> None:
    """Give `app` the portal's commands."""
    for command in (setup, seed_demo, create_operator, import_catalogue, import_legacy):
        app.cli.add_command(command)
    for command in (run_due, send_mail, worker, receive_transfer):
        app.cli.add_command(command)


def settings() -> Settings:
    """The settings the app was made with."""
    made: Settings = current_app.config["PORTAL"]
    return made


def today() -> dt.date:
    return clock.today(settings().market.timezone, settings().demo)


def on_the_database(command: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a command inside the app, with a connection to a database that is set up."""

    @with_appcontext
    @wraps(command)
    def connected(*args: Any, **kwargs: Any) -> Any:
        if database.pending(the_database()):
            raise click.ClickException("The database is not up to date; run first: flask setup")
        opened = db.connect(reuse_if_open=True)
        try:
            return command(*args, **kwargs)
        finally:
            if opened:
                db.close()

    return connected


def the_database() -> Database:
    """The database behind the models."""
    made: Database = db.obj
    return made


# --- setting up -----------------------------------------------------------------------------------------------------


@click.command("setup")
@with_appcontext
def setup() -> None:
    """Bring database, translations and an empty catalogue up to date. Safe to repeat; run it after each update."""
    applied = database.migrate(the_database())
    click.echo(f"Database: {', '.join(applied) + ' applied' if applied else 'up to date'}.")
    compiled = compile_translations(i18n.FOLDER)
    click.echo(f"Translations: {', '.join(compiled) + ' compiled' if compiled else 'up to date'}.")
    fill_catalogue()


@on_the_database
def fill_catalogue() -> None:
    """Load the sample catalogue, unless there is one."""
    if not CatalogueItem.select().exists():
        catalogue.import_catalogue((demo.DATA / "catalogue.csv").read_text("utf-8"))
    click.echo(f"Catalogue: {CatalogueItem.select().count()} items.")


def compile_translations(folder: Path) -> list[str]:
    """Make `messages.mo` of each newer `messages.po` under `folder`; returns the languages. Safe in parallel."""
    compiled = []
    for source in sorted(folder.glob("*/LC_MESSAGES/messages.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        language = source.parent.parent.name
        with source.open("rb") as file:
            messages = read_po(file, locale=language)
        partial = target.with_name(f".{target.name}.{threading.get_native_id()}")
        with partial.open("wb") as file:
            write_mo(file, messages)
        partial.replace(target)  # nobody ever reads half a file
        compiled.append(language)
    return compiled


@click.command("demo")
@on_the_database
def seed_demo() -> None:
    """Fill an empty demo with people at every stage (PORTAL_DEMO=1)."""
    try:
        count = demo.seed(settings(), clock.now(), today())
    except demo.NotADemo:
        raise click.ClickException(
            "This is not a demo: nobody fictional may enter it. PORTAL_DEMO=1 makes one."
        ) from None
    click.echo(f"{count} people moved in." if count else "The demo has its people already; nothing was changed.")


@click.command("create-operator")
@click.argument("email")
@on_the_database
def create_operator(email: str) -> None:
    """Let EMAIL run the portal; a mail brings the link that sets the password. Again: a new link."""
    try:
        address = validate_email(email, check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        raise click.ClickException(f"{email} is not an e-mail address: {error}") from None
    try:
        accounts.create_operator(address, i18n.language(), settings(), clock.now())
    except accounts.NotAnOperator:
        raise click.ClickException(f"{address} is the address of a customer; an operator needs another one.") from None
    click.echo(f"A link that sets the password goes to {address}; it works for {accounts.LIFE['activate'].days} days.")


# --- loading files --------------------------------------------------------------------------------------------------


@click.command("import-catalogue")
@a_file
@on_the_database
def import_catalogue(file: Path) -> None:
    """Load the catalogue from a CSV FILE: key,name,kind,points,registrable. Registered products keep their points."""
    report(catalogue.import_catalogue(read_text(file)))


@click.command("import-legacy")
@a_file
@on_the_database
def import_legacy(file: Path) -> None:
    """Load old accounts from a CSV FILE: email,number,line,item,serial,purchased,country,dealer."""
    report(migration.import_legacy(read_text(file), today()))


def read_text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} cannot be read as UTF-8 text: {error}") from None


def report(done: ImportReport) -> None:
    """A line for each row that is new, changed or refused, and a summary; ends with 1 if a row was refused."""
    for row in done.rows:
        if row.verdict != "same":
            click.echo(f"line {row.line}: {row.key or '?'}: {row.verdict}{': ' + row.why if row.why else ''}")
    click.echo(", ".join(f"{done.count(verdict)} {verdict}" for verdict in ("added", "changed", "same", "refused")))
    if done.refused:
        raise SystemExit(1)


# --- day by day -----------------------------------------------------------------------------------------------------


@click.command("due")
@click.option("--today", "day", type=a_day, help="The business day to act for, YYYY-MM-DD; by default the present one.")
@click.option("--dry-run", is_flag=True, help="Change nothing, count what would be taken up.")
@on_the_database
def run_due(day: dt.datetime | None, dry_run: bool) -> None:
    """Do what is due: charges, reminders, suspensions, mail. Safe to repeat, in parallel and when killed.

    A day to come is refused outside a demo, dry runs apart: a mistyped date would charge cards early.
    """
    acting = day.date() if day else today()
    if acting > today() and not dry_run and not settings().demo:
        raise click.ClickException(f"{acting} is still to come; try it with --dry-run, or in a demo.")
    summary = due.run(settings(), acting, clock.now(), dry_run)
    click.echo(json.dumps(summary))
    if needs_a_person(summary):
        raise SystemExit(1)


def needs_a_person(summary: dict[str, Any]) -> bool:
    """Whether a run left something that no later run will put right."""
    return bool(summary.get("failed") or summary.get("unclear") or summary.get("mail", {}).get("dead"))


@click.command("send-mail")
@click.option("--again", is_flag=True, help="First give those that were given up another row of tries.")
@on_the_database
def send_mail(again: bool) -> None:
    """Send the mails that wait. `flask worker` and `flask due` do it too."""
    if again:
        mail.revive(clock.now())
    total = {"sent": 0, "retried": 0, "dead": 0}
    while True:
        counts = mail.deliver(settings(), clock.now())
        total = {name: total[name] + count for name, count in counts.items()}
        if not counts["sent"]:
            break
    click.echo(json.dumps(total))
    if total["dead"]:
        raise SystemExit(1)


@click.command("worker")
@on_the_database
def worker() -> None:
    """Send mail at once and do what is due every minute, until SIGTERM or Ctrl-C."""
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    work(settings(), stop)


def work(portal: Settings, stop: threading.Event) -> None:
    """The worker's loop. Trouble with the database is logged and waited out: nobody restarts a loop at night."""
    due_at = clock.now()
    while not stop.is_set():
        now = clock.now()
        try:
            with db.connection_context():
                if now >= due_at:
                    due_at = now + dt.timedelta(seconds=DUE_EVERY)
                    summary = due.run(portal, clock.today(portal.market.timezone, portal.demo), now)
                    if needs_a_person(summary):
                        log.warning("due needs a person: %s", json.dumps(summary))
                counts = mail.deliver(portal, clock.now())
                if counts["retried"] or counts["dead"]:
                    log.warning("mail: %s", json.dumps(counts))
        except Exception:
            log.exception("the worker will try again")
            stop.wait(AFTER_TROUBLE)
        stop.wait(EVERY)


# --- the bank -------------------------------------------------------------------------------------------------------


@click.command("receive-transfer")
@click.option("--reference", required=True, help="The text that came with the transfer: reference or invoice number.")
@click.option("--amount", required=True, help="In the market's currency, such as 101473 or 100.00.")
@click.option("--on", "day", type=a_day, help="The day it arrived, YYYY-MM-DD; by default today.")
@click.option("--key", help="The bank's own id of the entry; the same one is booked once.")
@on_the_database
def receive_transfer(reference: str, amount: str, day: dt.datetime | None, key: str | None) -> None:
    """Book a bank transfer that arrived. The same command twice books once; tell apart equal transfers by --key."""
    currency = settings().market.currency
    received_on = day.date() if day else today()
    if received_on > today():
        raise click.ClickException(f"{received_on} is still to come.")
    minor = to_minor(amount, currency)
    key = key or f"cli {received_on} {minor} {reference}"
    if BankEntry.select().where(BankEntry.key == key).exists():
        click.echo("This entry was booked before; nothing was changed.")
        return
    try:
        entry = banking.receive(settings(), key, received_on, minor, currency, reference, clock.now())
    except banking.NotACredit as error:
        raise click.ClickException(f"{error}.") from None
    click.echo(f"{entry.verdict}: {entry.invoice.number if entry.invoice else 'no invoice'}")
    if entry.verdict != "paid" and entry.verdict != "partial":
        raise SystemExit(1)  # money that has no invoice to go to


def to_minor(amount: str, currency: str) -> int:
    """`101473` or `100.00` as minor units. Raises BadParameter for anything else."""
    places = decimals(currency)
    digits = rf"\d{{1,12}}(\.\d{{1,{places}}})?" if places else r"\d{1,12}"
    if not re.fullmatch(digits, amount, re.ASCII):
        raise click.BadParameter(f"{amount} is not an amount in {currency}", param_hint="--amount")
    return int(Decimal(amount).scaleb(places))
