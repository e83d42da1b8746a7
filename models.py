"""The nouns: tables, constraints, one-row predicates and named queries.

No flask, no request, and no write that touches more than one row (those are verbs: services/). Instants are naive UTC
(`*_at`), business days are dates in the market's time zone (`*_on`), money is integer minor units beside its currency.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from peewee import (
    SQL,
    AutoField,
    BigIntegerField,
    BooleanField,
    Check,
    DatabaseProxy,
    DateField,
    DateTimeField,
    DoubleField,
    Field,
    ForeignKeyField,
    IntegerField,
    Model,
    ModelSelect,
    NodeList,
    TextField,
    Value,
    fn,
)

db = DatabaseProxy()


def one_of(column: str, *allowed: str) -> SQL | NodeList:
    """A CHECK that keeps `column` to the listed words (an enum both databases understand)."""
    words = ", ".join(f"'{word}'" for word in allowed)
    return Check(f"{column} IN ({words})")


def whole(column: str, at_least: int | None = 0) -> SQL | NodeList:
    """A CHECK against text or fractions in a number column: SQLite would store either without a word."""
    least = "" if at_least is None else f" AND {column} >= {at_least}"
    return Check(f"{column} = CAST({column} AS INTEGER){least}")


def day(column: str) -> SQL | NodeList:
    """A CHECK that a date column holds `YYYY-MM-DD`: SQLite would store any text."""
    return Check(f"{column} IS NULL OR CAST({column} AS TEXT) LIKE '____-__-__'")


class JSONText(TextField):
    """JSON in a text column, the same on both databases."""

    def db_value(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)

    def python_value(self, value: Any) -> Any:
        return json.loads(value)


class Compiled:
    """A hot read: its SQL is built once, then run with new values.

    Peewee builds the text anew at every run, which costs ten times what SQLite needs to answer (server.md a4). `build`
    takes one argument per value and returns the query; use it for the reads of every request, nothing else.
    """

    def __init__(self, build: Callable[..., Any]) -> None:
        self.build = build
        self.database: Any = None
        self.sql = ""
        self.order: list[Any] = []

    def rows(self, *values: Any) -> list[tuple[Any, ...]]:
        """The raw rows for these values."""
        if self.database is not db.obj:  # another database than before, perhaps of the other kind: tests change it
            slots = [Slot(position) for position in range(len(values))]
            self.sql, self.order = self.build(*(Value(slot, converter=False) for slot in slots)).sql()
            self.database = db.obj
        params = [values[part.position] if isinstance(part, Slot) else part for part in self.order]
        return list(db.execute_sql(self.sql, params).fetchall())


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a compiled query that is filled at each run."""

    position: int


def columns(*models: type[Model]) -> list[Field]:
    """Every column of these models, for the select of a compiled query."""
    return [field for model in models for field in model._meta.sorted_fields]


def made_of(row: tuple[Any, ...], *models: type[Model]) -> list[Any]:
    """Instances of these models from a row that selected `columns` of them; None where an outer join found nothing."""
    made, start = [], 0
    for model in models:
        fields = model._meta.sorted_fields
        values = row[start : start + len(fields)]
        start += len(fields)
        instance = model(__no_default__=1) if values[0] is not None else None
        if instance:
            instance.__data__ = {
                field.name: field.python_value(value) for field, value in zip(fields, values, strict=True)
            }
        made.append(instance)
    return made


class Base(Model):
    """What every table has: a typed id, and writes of changed columns only."""

    id: Field = AutoField()

    class Meta:
        database = db
        legacy_table_names = False
        only_save_dirty = True


# --- people ---------------------------------------------------------------------------------------------------------


class Account(Base):
    """A business (domain.md rules 2-3): the owner of products, memberships and invoices."""

    company = TextField()
    country = TextField(constraints=[Check("length(country) = 2")])
    vat_id = TextField(default="")
    street = TextField()
    postcode = TextField()
    city = TextField()
    old_email = TextField(default="", index=True)
    old_email_proved_at = DateTimeField(null=True)
    invited_at = DateTimeField(null=True)
    created_at = DateTimeField()
    closed_at = DateTimeField(null=True)

    def points(self) -> int:
        """The sum of the ledger: only complete products count (domain.md rule 20)."""
        return int(POINTS.rows(self.id)[0][0])

    def product_count(self) -> int:
        """How many products are present, complete or not."""
        return int(PRODUCT_COUNT.rows(self.id)[0][0])

    def membership(self) -> Membership | None:
        """The running membership, active or suspended; there is at most one."""
        rows = MEMBERSHIP.rows(self.id)
        return made_of(rows[0], Membership)[0] if rows else None


class User(Base):
    """A log-in. Customers belong to one account; operators to none. flask-login's id is the log-in session's token."""

    is_authenticated = is_active = True  # whoever was loaded is logged in and not disabled (services.sessions.load)
    is_anonymous = False

    email = TextField(unique=True)
    name = TextField(default="")
    role = TextField(default="customer", constraints=[one_of("role", "customer", "operator")])
    account = ForeignKeyField(Account, backref="users", null=True)
    password_hash = TextField(null=True)
    language = TextField(default="hu", constraints=[one_of("language", "hu", "en")])
    created_at = DateTimeField()
    disabled_at = DateTimeField(null=True)

    account_id: int | None
    session: LoginSession
    sessions: Any  # the backref of LoginSession

    def get_id(self) -> str:
        return self.session.token  # set by services.sessions: a raw token exists only in the cookie and in memory


class LoginSession(Base):
    """One log-in on one device; gone from here means logged out (server.md c6)."""

    token_hash = TextField(unique=True)
    user = ForeignKeyField(User, backref="sessions", on_delete="CASCADE")
    user_agent = TextField(default="")
    created_at = DateTimeField()
    seen_at = DateTimeField()

    token: str = ""


class MailLink(Base):
    """A single-use link that was mailed: set a password, reset it, or prove an old address. Only the hash is stored."""

    token_hash = TextField(unique=True)
    purpose = TextField(constraints=[one_of("purpose", "activate", "reset", "old_email")])
    user = ForeignKeyField(User, backref="mail_links", on_delete="CASCADE")
    email = TextField()
    created_at = DateTimeField()
    expires_at = DateTimeField()
    used_at = DateTimeField(null=True)


# --- equipment and points -------------------------------------------------------------------------------------------


class CatalogueItem(Base):
    """What can be registered, and the points it brings today (domain.md 2)."""

    key = TextField(unique=True)
    name = TextField()
    kind = TextField(
        constraints=[
            one_of("kind", "body", "cinema", "lens", "flash", "printer", "binoculars", "accessory", "consumable")
        ]
    )
    points = IntegerField(constraints=[whole("points")])
    registrable = BooleanField(default=True)
    retired = BooleanField(default=False)

    @classmethod
    def offered(cls) -> ModelSelect[CatalogueItem]:
        """Items a customer can pick, in the order of the picker."""
        return cls.select().where(cls.registrable, ~cls.retired).order_by(cls.kind, cls.name)


MANDATORY = ("serial", "purchased", "country", "dealer")  # source document 2: data a product needs for its points


class Product(Base):
    """A customer's registered unit. `points` is a snapshot taken at registration (domain.md rule 24)."""

    account = ForeignKeyField(Account, backref="products")
    item = ForeignKeyField(CatalogueItem, backref="products")
    points = IntegerField(constraints=[whole("points")])
    serial = TextField(null=True)
    purchased = TextField(null=True)  # YYYY, YYYY-MM or YYYY-MM-DD
    approximate = BooleanField(default=False)
    country = TextField(null=True)
    dealer = TextField(null=True)
    source = TextField(constraints=[one_of("source", "manual", "migrated", "calculator")])
    registered_at = DateTimeField()
    completed_at = DateTimeField(null=True)
    removed_at = DateTimeField(null=True)
    removal_reason = TextField(
        null=True, constraints=[Check("removal_reason IN ('sold', 'lost', 'scrapped', 'mistake')")]
    )

    class Meta:
        constraints = [Check("(removed_at IS NULL) = (removal_reason IS NULL)")]

    @property
    def missing(self) -> list[str]:
        """Mandatory data still missing, as field names in form order (source document 2)."""
        return [name for name in MANDATORY if not getattr(self, name)]

    @property
    def is_complete(self) -> bool:
        return self.completed_at is not None

    @classmethod
    def of(cls, account: Account | int) -> ModelSelect[Product]:
        """The account's present products with their items, newest first."""
        return (
            cls.select(cls, CatalogueItem)
            .join(CatalogueItem)
            .where(cls.account == account, cls.removed_at.is_null())
            .order_by(cls.id.desc())
        )


# One living registration per item and serial: serials repeat across models; a sold unit is free again (domain 30-31)
Product.add_index(
    SQL(
        "CREATE UNIQUE INDEX IF NOT EXISTS product_serial ON product (item_id, serial)"
        " WHERE removed_at IS NULL AND serial IS NOT NULL"
    )
)


class PointEvent(Base):
    """The ledger: when, what, how many, why. An account's points are the sum of its lines."""

    account = ForeignKeyField(Account, backref="point_events")
    product = ForeignKeyField(Product, backref="point_events", null=True)
    delta = IntegerField(constraints=[whole("delta", None)])
    reason = TextField(constraints=[one_of("reason", "completed", "removed", "adjusted")])
    created_at = DateTimeField()


PointEvent.add_index(
    SQL(
        "CREATE UNIQUE INDEX IF NOT EXISTS point_event_once ON point_event (product_id, reason)"
        " WHERE reason <> 'adjusted'"
    )
)


class LegacyAccount(Base):
    """An account of the old programme, known by its e-mail address."""

    email = TextField(unique=True)
    number = TextField(default="")
    claimed_by = ForeignKeyField(Account, backref="legacy_accounts", null=True)
    claimed_at = DateTimeField(null=True)


class LegacyProduct(Base):
    """A product of the old programme. `outcome` is set once it was moved, or found registered already."""

    legacy_account = ForeignKeyField(LegacyAccount, backref="products")
    line = TextField()  # the old system's own key, so that a repeated import changes nothing
    item = ForeignKeyField(CatalogueItem)
    serial = TextField(null=True)
    purchased = TextField(null=True)
    country = TextField(null=True)
    dealer = TextField(null=True)
    outcome = TextField(null=True, constraints=[Check("outcome IN ('moved', 'taken', 'owned')")])
    product = ForeignKeyField(Product, null=True, unique=True)

    class Meta:
        indexes = ((("legacy_account", "line"), True),)


# --- membership and money -------------------------------------------------------------------------------------------


class Membership(Base):
    """One term of one tier. The number is new with each joining; the old one stays searchable (source document 4)."""

    account = ForeignKeyField(Account, backref="memberships")
    number = TextField(unique=True)
    old_number = TextField(default="", index=True)
    tier = TextField()
    status = TextField(default="active", constraints=[one_of("status", "active", "suspended", "cancelled", "expired")])
    starts_on = DateField(constraints=[day("starts_on")])
    ends_on = DateField(constraints=[day("ends_on")])
    created_at = DateTimeField()

    account_id: int

    @classmethod
    def running(cls) -> ModelSelect[Membership]:
        return cls.select().where(cls.status.in_(("active", "suspended")))


Membership.add_index(
    SQL(
        "CREATE UNIQUE INDEX IF NOT EXISTS membership_running ON membership (account_id)"
        " WHERE status IN ('active', 'suspended')"
    )
)


class SavedCard(Base):
    """A card kept by the gateway; we hold its token, brand, last four digits and expiry, never a number."""

    account = ForeignKeyField(Account, backref="saved_cards")
    gateway = TextField()
    token = TextField(unique=True)
    brand = TextField()
    last4 = TextField(constraints=[Check("length(last4) = 4")])
    expires = TextField(constraints=[Check("expires LIKE '____-__'")])
    consented_at = DateTimeField()


class Order(Base):
    """A chosen tier on its way to a membership. `key` is in the address: one order, however often it is sent."""

    key = TextField(unique=True)
    account = ForeignKeyField(Account, backref="orders")
    tier = TextField()
    method = TextField(constraints=[one_of("method", "card", "transfer")])
    payment_country = TextField(constraints=[Check("length(payment_country) = 2")])
    billing = JSONText()  # company, vat_id, country, street, postcode, city, purchase_order
    membership = ForeignKeyField(Membership, null=True, unique=True)
    created_at = DateTimeField()

    membership_id: int | None

    class Meta:
        table_name = "customer_order"  # ORDER is a word of SQL


class Invoice(Base):
    """Frozen once issued: triggers refuse changes to anything but what was paid (payments.md 2 and 6)."""

    number = TextField(unique=True)
    kind = TextField(default="invoice", constraints=[one_of("kind", "invoice", "credit_note")])
    account = ForeignKeyField(Account, backref="invoices")
    membership = ForeignKeyField(Membership, backref="invoices")
    refers = ForeignKeyField("self", null=True)
    method = TextField(constraints=[one_of("method", "card", "transfer")])
    card = ForeignKeyField(SavedCard, null=True)
    currency = TextField(constraints=[Check("length(currency) = 3")])
    net = BigIntegerField(constraints=[whole("net", None)])
    vat = BigIntegerField(constraints=[whole("vat", None)])
    gross = BigIntegerField(constraints=[whole("gross", None), Check("gross = net + vat")])
    vat_category = TextField(constraints=[one_of("vat_category", "S", "AE", "O")])
    vat_rate = IntegerField(constraints=[whole("vat_rate")])  # percent
    issued_on = DateField(constraints=[day("issued_on")])
    due_on = DateField(constraints=[day("due_on")])
    dunned_from = DateField(constraints=[day("dunned_from")])  # the due date, or the day a card was given up
    period_from = DateField(constraints=[day("period_from")])
    period_to = DateField(constraints=[day("period_to")])
    reference = TextField(unique=True)  # ISO 11649
    seller = JSONText()
    buyer = JSONText()
    lines = JSONText()  # [{"text": {"hu": …, "en": …}, "quantity": 1, "unit_net": minor, "net": minor}]
    demo = BooleanField(default=False)
    status = TextField(default="open", constraints=[one_of("status", "open", "paid", "void")])
    paid = BigIntegerField(default=0, constraints=[whole("paid", None)])
    paid_on = DateField(null=True, constraints=[day("paid_on")])

    account_id: int
    membership_id: int

    @property
    def rest(self) -> int:
        """What is still to be paid, minor units."""
        return self.gross - self.paid

    def is_overdue(self, today: dt.date) -> bool:
        return self.status == "open" and self.due_on < today

    @classmethod
    def of(cls, account: Account | int) -> ModelSelect[Invoice]:
        return cls.select().where(cls.account == account).order_by(cls.id.desc())


# What may change on an issued invoice; everything else is frozen by the triggers of migration 0001
INVOICE_MUTABLE = ("status", "paid", "paid_on", "method", "card_id", "dunned_from")


class Payment(Base):
    """Money asked for or received. A card row is written as `sent` before the gateway is called (payments.md 4)."""

    invoice = ForeignKeyField(Invoice, backref="payments")
    method = TextField(constraints=[one_of("method", "card", "transfer")])
    key = TextField(unique=True)
    amount = BigIntegerField(constraints=[whole("amount", 1)])
    state = TextField(constraints=[one_of("state", "sent", "paid", "pending", "action", "declined")])
    gateway_ref = TextField(default="")
    code = TextField(default="")
    created_at = DateTimeField()
    on = DateField(constraints=[Check("CAST(\"on\" AS TEXT) LIKE '____-__-__'")])

    invoice_id: int


Payment.add_index(
    SQL(
        "CREATE UNIQUE INDEX IF NOT EXISTS payment_in_flight ON payment (invoice_id) WHERE state IN ('sent', 'pending')"
    )
)


class BankEntry(Base):
    """A credit seen on the seller's bank account, and what became of it."""

    key = TextField(unique=True)
    received_on = DateField(constraints=[day("received_on")])
    amount = BigIntegerField(constraints=[whole("amount", 1)])
    currency = TextField()
    text = TextField()
    verdict = TextField(constraints=[one_of("verdict", "paid", "partial", "over", "duplicate", "review")])
    invoice = ForeignKeyField(Invoice, backref="bank_entries", null=True)
    created_at = DateTimeField()


POINTS = Compiled(
    lambda account: PointEvent.select(fn.COALESCE(fn.SUM(PointEvent.delta), 0)).where(PointEvent.account == account)
)
PRODUCT_COUNT = Compiled(
    lambda account: Product.select(fn.COUNT(Product.id)).where(Product.account == account, Product.removed_at.is_null())
)
MEMBERSHIP = Compiled(
    lambda account: Membership.select(*columns(Membership)).where(
        Membership.account == account, Membership.status.in_(("active", "suspended"))
    )
)


# --- machinery ------------------------------------------------------------------------------------------------------


class Counter(Base):
    """The last number given out in a series; taken inside the transaction that uses it, so that none is ever lost."""

    name = TextField(unique=True)
    last = IntegerField(constraints=[whole("last")])


class OutboxMail(Base):
    """A mail to be sent: written with the fact it tells of, sent after (server.md d1)."""

    key = TextField(unique=True)
    name = TextField()
    recipient = TextField()
    language = TextField(constraints=[one_of("language", "hu", "en")])
    subject = TextField()
    text = TextField()
    html = TextField()
    message_id = TextField(unique=True)
    created_at = DateTimeField()
    due_at = DateTimeField(index=True)
    leased_until = DateTimeField(null=True)
    attempts = IntegerField(default=0, constraints=[whole("attempts")])
    sent_at = DateTimeField(null=True)
    dead_at = DateTimeField(null=True)
    error = TextField(default="")


class AuditEvent(Base):
    """Who did what to which row, and when. Append-only: triggers refuse UPDATE and DELETE."""

    at = DateTimeField()
    actor = TextField(default="")  # a user's id, "cli", "due" or "" for a visitor
    action = TextField(index=True)
    object = TextField(default="")
    detail = JSONText(default=dict)


class TokenBucket(Base):
    """How many tries a key has left (limits); times are epoch seconds."""

    key = TextField(unique=True)
    tokens = DoubleField()
    updated = DoubleField(index=True)


class Lease(Base):
    """Who runs a job that must run alone, and until when."""

    name = TextField(unique=True)
    holder = TextField()
    until = DateTimeField()


class Setting(Base):
    """A small fact of the running portal (the demo's day, the last run)."""

    key = TextField(unique=True)
    value = TextField()


ALL = [
    Account, User, LoginSession, MailLink,
    CatalogueItem, Product, PointEvent, LegacyAccount, LegacyProduct,
    Membership, SavedCard, Order, Invoice, Payment, BankEntry,
    Counter, OutboxMail, AuditEvent, TokenBucket, Lease, Setting,
]  # fmt: skip
