"""The demo: fictional people at every stage of the road, made by the real services, and a business day that can move.

Works in a demo only. It knows no rule of its own: who is invited, charged or reminded is decided where it always is.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from peewee import fn

from config import Settings
from i18n import gettext as _
from models import CatalogueItem, Invoice, LegacyAccount, User, db
from services import accounts, catalogue, clock, due, migration, orders, passwords, products
from services.payments.demo import Demo, Setup

DATA = Path(__file__).parent.parent / "data"
PASSWORD = "piros alma kerek asztal"  # noqa: S105  of fictional people; the log-in page shows it
FURTHEST = 800  # days the clock moves at once: two terms of membership
PATIENCE = 5.0  # seconds to wait for the worker's run to end
SINCE = 75  # days ago the demo people signed up
JOINED = {"gabi": 40, "ferenc": 12}  # days ago; 30 days to pay: one is overdue, one is not


class NotADemo(RuntimeError):
    """The portal does not run as a demo, so nothing fictional may enter it."""


class DayRefused(ValueError):
    """The clock cannot be set to that day: `past` or `far`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Busy(RuntimeError):
    """Another run of what is due would not end; the day stands where that one began."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to log in as. `kit` are catalogue keys of complete products; `points` is what they bring."""

    key: str
    name: str
    company: str
    vat_id: str
    street: str
    postcode: str
    city: str
    kit: tuple[str, ...]
    points: int

    @property
    def email(self) -> str:
        return f"{self.key}@example.com"

    @property
    def first_name(self) -> str:
        return self.name.rpartition(" ")[2]  # Hungarian order

    @property
    def description(self) -> str:
        """What there is to see as this person, in the language that speaks now."""
        return {
            "anna": _("no products yet: begins at the beginning"),
            "bela": _("just short of the invitation, and one product lacks data"),
            "cili": _("an old account with six products waits to be migrated"),
            "denes": _("at the limit: every individual tier, no switch yet"),
            "erika": _("above the limit: the switch brings the corporate tiers"),
            "ferenc": _("member; the card is charged on the due date"),
            "gabi": _("member; the bank transfer is overdue"),
            "olga": _("operator: runs the portal"),
        }[self.key]


PEOPLE = (
    Person("anna", "Minta Anna", "Első Kocka Fotó Kft.", "HU99000013", "Példa tér 1.", "6720", "Szeged", (), 0),
    Person(
        "bela", "Minta Béla", "Fényíró Műhely Bt.", "HU99000020", "Próba utca 5.", "7621", "Pécs",
        ("eos-r5", "ef-24-70-28-2"), 495,
    ),
    Person(
        "cili", "Minta Cili", "Régi-Új Stúdió Kft.", "HU99000037", "Minta köz 8.", "9021", "Győr",
        ("eos-r1", "eos-r3", "eos-r5-mk2", "eos-c70", "rf-24-105-28z", "rf-50-18"), 1995,
    ),
    Person(
        "denes", "Minta Dénes", "Kerek Kép Zrt.", "HU99000044", "Példa sétány 25.", "1117", "Budapest",
        ("eos-r1", "eos-r3", "eos-r5-mk2", "eos-r5", "eos-c400", "ef-24-70-28-2"), 2500,
    ),
    Person(
        "erika", "Minta Erika", "Nagytotál Produkció Kft.", "HU99000051", "Próba körút 50.", "4026", "Debrecen",
        ("eos-r1", "eos-r5", "eos-1dx-mk3", "eos-c80", "eos-c400"), 2505,
    ),
    Person(
        "ferenc", "Minta Ferenc", "Utcai Fények Kft.", "HU99000068", "Minta utca 10.", "3525", "Miskolc",
        ("eos-r1", "eos-r3"), 1000,
    ),
    Person(
        "gabi", "Minta Gabi", "Késői Expozíció Bt.", "HU99000075", "Példa sor 14.", "8000", "Székesfehérvár",
        ("eos-5d-mk3", "ef-24-70-28-2", "ef-70-200-28-3"), 585,
    ),
    Person("olga", "Minta Olga", "", "", "", "", "", (), 0),
)  # fmt: skip


def people() -> tuple[Person, ...]:
    """The people on the log-in page, in the order of the road."""
    return PEOPLE


def find(key: str) -> User | None:
    """The log-in of a demo person; None if there is no such person, or they closed the account."""
    person = next((person for person in PEOPLE if person.key == key), None)
    found: User | None = User.get_or_none(User.email == person.email) if person else None
    return found


# --- seeding --------------------------------------------------------------------------------------------------------


def seed(settings: Settings, now: dt.datetime, today: dt.date) -> int:
    """Fill an empty demo with people; returns how many, 0 if anybody is there already. Raises NotADemo."""
    if not settings.demo:
        raise NotADemo
    if User.select().exists():
        return 0
    if not CatalogueItem.select().exists():
        catalogue.import_catalogue((DATA / "catalogue.csv").read_text("utf-8"))
    if not LegacyAccount.select().exists():
        migration.import_legacy((DATA / "legacy-demo.csv").read_text("utf-8"), today)
    digest = passwords.digest(PASSWORD)
    with db.atomic():  # all or nobody
        users = {person.key: move_in(person, digest, settings, now) for person in PEOPLE}
        register_incomplete(users["bela"], settings, now)
        for key, days in JOINED.items():  # in this order: invoice numbers and dates run together
            join(users[key], key, settings, today - dt.timedelta(days=days), now - dt.timedelta(days=days))
    live_through(settings, today - dt.timedelta(days=max(JOINED.values())), today, now)
    return len(users)


def move_in(person: Person, digest: str, settings: Settings, now: dt.datetime) -> User:
    """One person with a password, and their products with all data."""
    since = now - dt.timedelta(days=SINCE)
    if not person.company:
        user: User = User.create(email=person.email, name=person.name, role="operator", created_at=since)
    else:
        business = business_of(person, settings)
        old_email = f"{person.key}.regi@example.com" if person.key == "cili" else ""
        user = accounts.create(accounts.SignUp(business, person.name, person.email, old_email, "hu"), settings, since)
    accounts.store_password(user, digest, settings, since)
    for position, item in enumerate(person.kit):
        details = products.Details(
            serial=serial(person, position),
            purchased=f"{2020 + position % 5}-{3 + position:02}",
            approximate=position % 2 == 1,
            country="HU",
            dealer=("Fotó Minta Kft.", "Optika Példa Bt.")[position % 2],
        )
        registered_at = since + dt.timedelta(days=position)
        products.register(accounts.account_of(user), item, details, "manual", user, settings, registered_at)
    return user


def business_of(person: Person, settings: Settings) -> accounts.Business:
    """The person's business; in a market abroad all but Erika's sit beside the seller: hers shows reverse charge."""
    seller = settings.market.seller
    if seller.country == "HU" or person.key == "erika":
        return accounts.Business(person.company, "HU", person.vat_id, person.street, person.postcode, person.city)
    return accounts.Business(person.company, seller.country, "", person.street, seller.postcode, seller.city)


def serial(person: Person, position: int) -> str:
    """Ten digits, as on a lens; the same at every seeding."""
    return f"{101 + PEOPLE.index(person)}{201 + position}4417"


def register_incomplete(user: User, settings: Settings, now: dt.datetime) -> None:
    """The product whose date and dealer are missing, and whose points would bring the invitation."""
    details = products.Details(serial="1022034417", country="HU")
    products.register(
        accounts.account_of(user), "ef-40-28", details, "manual", user, settings, now - dt.timedelta(days=2)
    )


def join(user: User, key: str, settings: Settings, today: dt.date, now: dt.datetime) -> None:
    """Take the highest open tier, `ferenc` with a card that pays, `gabi` by transfer."""
    account = accounts.account_of(user)
    method, tier = ("card", "gold") if key == "ferenc" else ("transfer", "silver")
    names = ("company", "vat_id", "country", "street", "postcode", "city")
    billing = {name: getattr(account, name) for name in names} | {"purchase_order": ""}
    order = orders.draft(account, tier, method, account.country, billing, now)
    ref = Demo(settings.secret_key).choose(Setup(order.key, "", ""), "4242") if method == "card" else ""
    orders.place(settings, user, order, ref, orders.price_of(order, settings.market).gross, today, now)


# --- the clock ------------------------------------------------------------------------------------------------------


def advance(settings: Settings, to: dt.date, now: dt.datetime) -> dict[str, int]:
    """Move the business day forward to `to`, and do what falls due on every day on the way; what was done, counted.

    Raises NotADemo, DayRefused, Busy.
    """
    if not settings.demo:
        raise NotADemo
    today = clock.today(settings.market.timezone, demo=True)
    if to < today:
        raise DayRefused("past")
    if (to - today).days > FURTHEST:
        raise DayRefused("far")
    return live_through(settings, today, to, now)


def live_through(settings: Settings, first: dt.date, last: dt.date, now: dt.datetime) -> dict[str, int]:
    """Day by day, so that reminders come in their order; days on which nothing falls due cost a look only."""
    zone = settings.market.timezone
    done: Counter[str] = Counter()
    for offset in range((last - first).days + 1):
        day = first + dt.timedelta(days=offset)
        if day < last and not falls_due(settings, day, now):
            continue
        if day > clock.today(zone, demo=True):
            clock.move_demo_day(day, zone)
        summary = run(settings, day, now)
        done.update({name: count for name, count in summary.items() if type(count) is int})
    return dict(done)


def falls_due(settings: Settings, day: dt.date, now: dt.datetime) -> bool:
    waiting = due.run(settings, day, now, dry_run=True)
    return any(waiting[step.name] for step in due.STEPS)


def run(settings: Settings, day: dt.date, now: dt.datetime) -> dict[str, object]:
    """`due.run`, after the worker's own run if one is under way. Raises Busy."""
    until = time.monotonic() + PATIENCE
    while True:
        summary = due.run(settings, day, now)
        if "busy" not in summary:
            return summary
        if time.monotonic() > until:
            raise Busy
        time.sleep(0.05)


def days_ahead(settings: Settings, today: dt.date) -> dict[str, dt.date]:
    """Days worth going to: `next`, and after it the next `due`, `suspend` and `cancel` of the open invoices."""
    terms = settings.market.terms
    days = {"next": today + dt.timedelta(days=1)}
    for name, late in (("due", 0), ("suspend", terms.suspend_days), ("cancel", terms.cancel_days)):
        methods = ("card", "transfer") if name == "due" else ("transfer",)  # a card is ours to collect
        first: dt.date | None = (
            Invoice.select(fn.MIN(Invoice.dunned_from))
            .where(Invoice.status == "open", Invoice.kind == "invoice", Invoice.method.in_(methods))
            .where(Invoice.dunned_from > today - dt.timedelta(days=late))
            .scalar()
        )
        if first:
            days[name] = first + dt.timedelta(days=late)
    return dict(sorted(days.items(), key=lambda named: named[1]))
