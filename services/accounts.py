"""Accounts: sign-up, mailed links, log-in, profile, export and closing. The verbs behind /account, /login and `/`.

No answer given to a visitor depends on whether an address is known (source document; DESIGN 2.2): the functions for
visitors return nothing either way and do the same kind of work. Links are single use, stored as hashes (server.md c6).
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_network
from typing import Any

from peewee import JOIN, Case, IntegrityError, Model, fn
from stdnum import get_cc_module
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError

from config import Settings
from models import (
    Account,
    CatalogueItem,
    Invoice,
    LegacyAccount,
    LoginSession,
    MailLink,
    Membership,
    Order,
    OutboxMail,
    Payment,
    PointEvent,
    Product,
    SavedCard,
    User,
    db,
)
from services import audit, invoices, limits, mail, passwords, products, sessions
from services.vat import EU

LIFE = {"activate": dt.timedelta(days=7), "reset": dt.timedelta(hours=1)}  # DESIGN 2.1; issue 2, step 1
MOST_ITEMS = 60  # what a calculator's address may carry
HOUR = 3600
DAY = 24 * HOUR


class WrongLogIn(Exception):
    """Address and password do not belong together, or the log-in is switched off; which of them is never said."""


class WrongPassword(Exception):
    """The current password, asked for again, is wrong."""


class PasswordRefused(Exception):
    """A new password is refused; `why` is one of services.passwords.problem()."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class LinkDead(Exception):
    """The link is unknown, used, too old, or a newer one was asked for."""


class NotAnOperator(Exception):
    """The address is a customer's; nobody is both."""


class MembershipRuns(Exception):
    """An account with a running membership cannot be closed; `ends_on` is its last day."""

    def __init__(self, ends_on: dt.date) -> None:
        super().__init__(f"until {ends_on}")
        self.ends_on = ends_on


@dataclass(frozen=True, slots=True)
class Business:
    """The business behind an account, as typed and cleaned; `vat_id` from `normal_vat_id`."""

    company: str
    country: str
    vat_id: str
    street: str
    postcode: str
    city: str


@dataclass(frozen=True, slots=True)
class SignUp:
    """A new business account. E-mail addresses are in normal form; `items` are catalogue keys from the calculator."""

    business: Business
    name: str
    email: str
    old_email: str
    language: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an account is on the four steps of the source document; `invoice` is the open one due first."""

    points: int
    products: int
    incomplete: int
    membership: Membership | None
    invoice: Invoice | None


# --- signing up -----------------------------------------------------------------------------------------------------


def register(form: SignUp, ip: str, settings: Settings, now: dt.datetime) -> None:
    """Create a business account and mail its activation link; a known address gets a mail that says so instead.

    Raises limits.Refused beyond 20 sign-ups per `ip` and hour, or 5 mailed links per address and day.
    """
    take(f"sign-up ip {line_of(ip)}", 20, HOUR, now)
    take(f"link {form.email}", 5, DAY, now)
    try:
        with db.atomic():
            user = user_of(form.email)
            audit.record("", "account.signup", ip=ip)
            # The same work for everybody, undone for those who are known: time must not tell (server.md c7.9)
            with db.atomic() as attempt:
                made = create(replace(form, email=f"{secrets.token_hex(8)}@invalid") if user else form, settings, now)
                if user:
                    new_link(made, "activate", now)
                    attempt.rollback()
            welcome(user or made, settings, now)
    except IntegrityError:  # the same address was signed up in the same moment
        with db.atomic():
            audit.record("", "account.signup", ip=ip)
            welcome(User.get(User.email == form.email), settings, now)


def create(form: SignUp, settings: Settings, now: dt.datetime) -> User:
    """The account, its user without a password, and the calculator's items as incomplete products."""
    account = Account.create(**asdict(form.business), old_email=form.old_email, created_at=now)
    user: User = User.create(email=form.email, name=form.name, account=account, language=form.language, created_at=now)
    audit.record(user, "account.created", f"account {account.id}")
    offered = {item.key for item in CatalogueItem.offered()} if form.items else set()
    for key in [key for key in form.items if key in offered][:MOST_ITEMS]:
        products.register(account, key, products.Details(), "calculator", user, settings, now)
    return user


def welcome(user: User, settings: Settings, now: dt.datetime) -> None:
    """The one mail after a sign-up: the activation link, or, for those who have a password, that they have one."""
    if user.disabled_at:
        send_or_undo(None, settings, now)
        return
    if user.password_hash is None:
        send_link(user, "activate", settings, now)
        return
    mail.queue(
        settings, f"already-registered-{secrets.token_hex(8)}", "already-registered", user.email, user.language,
        person=user.name, login_url=f"{settings.base_url}/login", reset_url=f"{settings.base_url}/account/password",
    )  # fmt: skip


def create_operator(email: str, language: str, settings: Settings, now: dt.datetime) -> None:
    """A log-in that runs the portal, and the mail that activates it; for an operator who is there already, a new link.

    `email` is in normal form. Raises NotAnOperator if a customer has the address.
    """
    with db.atomic():
        user = User.get_or_none(User.email == email)
        if user and user.role != "operator":
            raise NotAnOperator(email)
        if user is None:
            user = User.create(email=email, role="operator", language=language, created_at=now)
            audit.record("cli", "operator.created", f"user {user.id}")
        send_link(user, "activate" if user.password_hash is None else "reset", settings, now)


# --- links by mail --------------------------------------------------------------------------------------------------


def request_reset(email: str, ip: str, settings: Settings, now: dt.datetime) -> None:
    """Mail a link to set the password: activation for those who never did, else a reset. Unknown addresses get nothing.

    Raises limits.Refused beyond 5 mailed links per address and day, or 20 requests per `ip` and hour.
    """
    take(f"reset ip {line_of(ip)}", 20, HOUR, now)
    take(f"link {email}", 5, DAY, now)
    user = user_of(email)
    with db.atomic():
        audit.record("", "link.asked", f"user {user.id}" if user else "", ip=ip)
        send_or_undo(None if user and user.disabled_at else user, settings, now)


def send_link(user: User, purpose: str, settings: Settings, now: dt.datetime) -> None:
    """A new single-use link by mail; the user's older ones die."""
    drop_links(user)
    link, token = new_link(user, purpose, now)
    queue_link(f"{purpose}-{link.token_hash[:32]}", purpose, user.email, user.language, user.name, token, settings)


def new_link(user: User, purpose: str, now: dt.datetime) -> tuple[MailLink, str]:
    """A link and its token, which is kept nowhere but in the mail."""
    token = secrets.token_urlsafe(32)
    link = MailLink.create(
        token_hash=sessions.digest(token),
        purpose=purpose,
        user=user,
        email=user.email,
        created_at=now,
        expires_at=now + LIFE[purpose],
    )
    return link, token


def user_of(email: str) -> User | None:
    """The user with an address in normal form. Not get_or_none: peewee takes longer over somebody it does not find."""
    user: User | None = User.select().where(User.email == email).first()
    return user


def send_or_undo(user: User | None, settings: Settings, now: dt.datetime) -> None:
    """Mail the link; without a user the same work is done for somebody else and undone: time must not tell."""
    stand_in = User.select().where(User.disabled_at.is_null()).first()  # a closed account's address takes no mail
    with db.atomic() as attempt:
        to = user or stand_in
        if to:
            send_link(to, "activate" if to.password_hash is None else "reset", settings, now)
        if user is None:
            attempt.rollback()


def queue_link(key: str, name: str, to: str, language: str, person: str, token: str, settings: Settings) -> None:
    mail.queue(settings, key, name, to, language, person=person, url=f"{settings.base_url}/account/password/{token}")


def drop_links(user: User) -> None:
    """The user's unused password links die."""
    MailLink.delete().where(
        MailLink.user == user, MailLink.purpose.in_(tuple(LIFE)), MailLink.used_at.is_null()
    ).execute()


def link_of(token: str, now: dt.datetime) -> MailLink | None:
    """The living password link of a token, with its user and account; looking does not use it up."""
    link: MailLink | None = (
        MailLink.select(MailLink, User, Account)
        .join(User)
        .join(Account, JOIN.LEFT_OUTER)
        .where(
            MailLink.token_hash == sessions.digest(token),
            MailLink.purpose.in_(tuple(LIFE)),
            MailLink.used_at.is_null(),
            MailLink.expires_at > now,
            User.disabled_at.is_null(),
        )
        .get_or_none()
    )
    return link


# --- passwords and log-in -------------------------------------------------------------------------------------------


def set_password(link: MailLink, password: str, settings: Settings, now: dt.datetime) -> None:
    """Use up the link and set the password; every session of the user ends, and nobody is logged in by it.

    Raises PasswordRefused (the link stays good), LinkDead if it was used up meanwhile.
    """
    user: User = link.user
    digest = digest_of_new(user, password, settings)
    with db.atomic():
        used = MailLink.update(used_at=now).where(
            MailLink.id == link.id, MailLink.used_at.is_null(), MailLink.expires_at > now
        )
        if not used.execute():
            raise LinkDead
        drop_links(user)
        store_password(user, digest, settings, now)


def change_password(user: User, current: str, new: str, settings: Settings, now: dt.datetime) -> None:
    """Set a new password; every session ends, this one too: the caller logs the user in anew.

    Raises WrongPassword, PasswordRefused, limits.Refused.
    """
    confirm(user, current, now)
    digest = digest_of_new(user, new, settings)
    with db.atomic():
        drop_links(user)
        store_password(user, digest, settings, now)


def digest_of_new(user: User, password: str, settings: Settings) -> str:
    """The hash of an acceptable new password. Raises PasswordRefused."""
    known = [user.email, user.email.partition("@")[0], user.name, settings.market.programme]
    if user.account:
        known.append(user.account.company)
    known += [item.name for item in CatalogueItem.select(CatalogueItem.name)]
    why = passwords.problem(password, known)
    if why:
        raise PasswordRefused(why)
    return passwords.digest(password)


def store_password(user: User, digest: str, settings: Settings, now: dt.datetime) -> None:
    """Write the hash, end all sessions, and tell the user by mail if there was another password before."""
    replaced = user.password_hash is not None
    user.password_hash = digest
    user.save()
    sessions.end_all(user)
    audit.record(user, "password.changed" if replaced else "account.activated", f"user {user.id}")
    if replaced:
        mail.queue(
            settings, f"password-changed-{secrets.token_hex(8)}", "password-changed", user.email, user.language,
            person=user.name, at=now, reset_url=f"{settings.base_url}/account/password",
        )  # fmt: skip


def log_in(email: str, password: str, ip: str, now: dt.datetime) -> User:
    """The user whose address and password these are.

    Raises WrongLogIn; limits.Refused after 10 wrong tries per address in 15 minutes or 20 per `ip` and hour, before
    anything is hashed (server.md c7.10). Right ones are not counted.
    """
    keys = take_tries(email, ip, now)
    user = user_of(email)
    right = passwords.matches(user.password_hash if user else None, password)
    if not user or not right or user.disabled_at:
        audit.record("", "login.refused", f"user {user.id}" if user else "", ip=ip)
        raise WrongLogIn
    for key in keys:
        limits.give_back(key)
    if passwords.is_outdated(str(user.password_hash)):
        user.password_hash = passwords.digest(password)
        user.save()
    audit.record(user, "login.ok", f"user {user.id}", ip=ip)
    return user


def take_tries(email: str, ip: str, now: dt.datetime) -> list[str]:
    """Count a try before it is made; returns the keys to give back if it was right."""
    keys = [f"log-in {email}"]
    if ip:
        take(f"log-in ip {line_of(ip)}", 20, HOUR, now)
        keys.append(f"log-in ip {line_of(ip)}")
    take(keys[0], 10, 15 * 60, now)
    return keys


def line_of(ip: str) -> str:
    """What one customer's line is known by: the IPv4 address, or the /64 that every IPv6 line has to itself."""
    if ":" not in ip:
        return ip
    return str(ip_network(f"{ip.partition('%')[0]}/64", strict=False))


def confirm(user: User, password: str, now: dt.datetime) -> None:
    """Ask for the password again. Raises WrongPassword; limits.Refused as at the log-in."""
    keys = take_tries(user.email, "", now)
    if not passwords.matches(user.password_hash, password):
        audit.record(user, "password.refused", f"user {user.id}")
        raise WrongPassword
    for key in keys:
        limits.give_back(key)


def take(key: str, capacity: int, seconds: int, now: dt.datetime) -> None:
    """One token of a bucket. Raises limits.Refused."""
    wait = limits.take(key, capacity, seconds, now.replace(tzinfo=dt.UTC).timestamp())
    if wait:
        raise limits.Refused(wait)


# --- the profile ----------------------------------------------------------------------------------------------------


def normal_vat_id(typed: str, country: str) -> str:
    """A VAT id in normal form with its country's prefix (`HU12345676`, `EL094259216`); `country` is ISO 3166.

    Checks the digits by python-stdnum. Hungarian tax numbers (`12345676-2-41`) are taken too. Raises ValueError.
    """
    text = re.sub(r"[\s.\-/]", "", typed).upper()
    prefix = "EL" if country == "GR" else country
    if country == "HU" and re.fullmatch(r"\d{11}", text):
        text = text[:8]
    bare = text.removeprefix(prefix).removeprefix("GR" if country == "GR" else prefix)
    module = eu_vat if country in EU else get_cc_module(country, "vat")
    if module is None:
        raise ValueError(f"no VAT ids are known for {country}")
    try:
        number: str = module.validate(prefix + bare if country in EU else text)
    except ValidationError as error:
        raise ValueError(str(error)) from error
    return prefix + number.removeprefix(prefix)


def change_profile(user: User, name: str, language: str, business: Business | None) -> None:
    """Change the contact's name and language and the business; issued invoices keep what they say."""
    with db.atomic():
        changed = assign(user, {"name": name, "language": language})
        if business and user.account:
            changed += assign(user.account, asdict(business))
        audit.record(user, "profile.changed", f"user {user.id}", fields=changed)


def assign(row: Model, values: dict[str, Any]) -> list[str]:
    """Write what differs; returns the names of it."""
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save()
    return changed


def account_of(user: User) -> Account:
    """The customer's account. Raises TypeError for an operator, who has none."""
    if user.account is None:
        raise TypeError(f"user {user.id} has no account")
    return user.account


def set_language(user: User, language: str) -> None:
    """The language of the user's pages and mails: `hu` or `en`."""
    user.language = language
    user.save()


def set_old_email(user: User, email: str) -> None:
    """The address of the account at the old programme; a different one must be proved anew (DESIGN 2.4)."""
    account = account_of(user)
    if account.old_email == email:
        return
    with db.atomic():
        account.old_email = email
        account.old_email_proved_at = None
        account.save()
        MailLink.delete().where(MailLink.user == user, MailLink.purpose == "old_email").execute()
        audit.record(user, "account.old_email", f"account {account.id}")


def sessions_of(user: User, now: dt.datetime) -> list[LoginSession]:
    """The user's living log-ins, the latest used first."""
    query = LoginSession.select().where(
        LoginSession.user == user,
        LoginSession.seen_at > now - sessions.IDLE,
        LoginSession.created_at > now - sessions.ABSOLUTE,
    )
    return list(query.order_by(LoginSession.seen_at.desc(), LoginSession.id.desc()))


def progress(account: Account) -> Progress:
    """Where the account stands on the four steps, in three queries."""
    ledger = PointEvent.select(fn.COALESCE(fn.SUM(PointEvent.delta), 0)).where(PointEvent.account == account)
    present, incomplete, points = (
        Product.select(fn.COUNT(Product.id), fn.COUNT(Case(None, [(Product.completed_at.is_null(), 1)], None)), ledger)
        .where(Product.account == account, Product.removed_at.is_null())
        .scalar(as_tuple=True)
    )
    due_first = Invoice.select().where(Invoice.account == account, Invoice.status == "open")
    invoice = due_first.order_by(Invoice.due_on, Invoice.id).first()
    return Progress(points, present, incomplete, account.membership(), invoice)


def next_step(progress: Progress, invited_at: int, waiting: bool) -> str:
    """The one next thing to do on the way of the source document; an empty text when there is none.

    `migrate` (an old account is `waiting`, nothing is registered yet), `register`, `join`, `complete`, `collect` more
    points, `pay`.
    """
    if progress.membership:
        invoice = progress.invoice
        return "pay" if invoice and invoice.method == "transfer" else ""
    if not progress.products:
        return "migrate" if waiting else "register"
    if progress.points >= invited_at:
        return "join"
    return "complete" if progress.incomplete else "collect"


# --- taking one's data along, and leaving ---------------------------------------------------------------------------


def export(user: User) -> dict[str, Any]:
    """Everything the portal keeps about the user and the account, without secrets; plain values for JSON."""
    account = user.account
    data: dict[str, Any] = {"user": plain(user), "sessions": [plain(row) for row in user.sessions]}
    if account:
        data["account"] = plain(account)
        data["products"] = [
            plain(row) | {"name": row.item.name}
            for row in Product.select(Product, CatalogueItem).join(CatalogueItem).where(Product.account == account)
        ]
        for model in (PointEvent, Membership, Order, Invoice, SavedCard):
            rows = model.select().where(model.account == account).order_by(model.id)
            data[model._meta.table_name] = [plain(row) for row in rows]
        data["payment"] = [
            plain(row) for row in Payment.select().join(Invoice).where(Invoice.account == account).order_by(Payment.id)
        ]
        data["old_account"] = [plain(row) for row in LegacyAccount.select().where(LegacyAccount.claimed_by == account)]
    return data


def plain(row: Model) -> dict[str, Any]:
    """A row's own columns as JSON values; hashes and tokens stay here."""
    kept = {name: value for name, value in row.__data__.items() if name not in ("password_hash", "token_hash", "token")}
    return {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in kept.items()}


def close(user: User, password: str, now: dt.datetime) -> None:
    """Close the account for good: nobody can log in, contact data is blanked, products are free for their next owner.

    Memberships, orders and invoices stay as the law of bookkeeping demands, with what they say of the buyer.
    Raises WrongPassword, limits.Refused, MembershipRuns, invoices.InvoiceOpen.
    """
    account = account_of(user)
    confirm(user, password, now)
    with db.atomic():
        products.lock(account)
        state = progress(account)
        if state.membership:
            raise MembershipRuns(state.membership.ends_on)
        if state.invoice:
            raise invoices.InvoiceOpen(state.invoice.number)
        audit.record(user, "account.closed", f"account {account.id}")
        for product in Product.of(account):
            product.account = account
            products.remove(product, "mistake", user, now)
        for person in User.select().where(User.account == account):
            proofs = [f"old-email-proof:{link.token_hash}" for link in MailLink.select().where(MailLink.user == person)]
            OutboxMail.delete().where(
                (OutboxMail.recipient == person.email) | OutboxMail.key.in_(proofs)  # not all mail to a typed address
            ).execute()
            MailLink.delete().where(MailLink.user == person).execute()
            sessions.end_all(person)
            person.email, person.name, person.password_hash = f"closed-{person.id}@invalid", "", None
            person.disabled_at = now
            person.save()
        for field in ("company", "vat_id", "street", "postcode", "city", "old_email"):
            setattr(account, field, "")
        account.closed_at = now
        account.save()
