"""The market: loads markets/<code>.toml into frozen dataclasses, or says which entry of the file is wrong.

Thresholds, tiers, prices, VAT, countries, terms, seller and contacts are data of a market, never code.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from stdnum import bic, iban

FOLDER = Path(__file__).parent / "markets"
LANGUAGES = ("hu", "en")


class MarketError(Exception):
    """One sentence that names the market file, the line and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A membership tier (domain.md 1.3). Fees and allowance are minor units of the market's currency, net, per year."""

    key: str
    group: str  # individual | corporate
    name: dict[str, str]
    min_points: int
    strict: bool  # True: more than min_points; False: at least min_points
    max_products: int | None
    seats: int
    fee: int
    allowance: int
    discount_percent: int
    turnaround_days: int
    loan_unit: bool
    named_contact: bool

    def opens_at(self) -> int:
        """The lowest number of points that unlocks the tier."""
        return self.min_points + 1 if self.strict else self.min_points


@dataclass(frozen=True, slots=True)
class Seller:
    """Who issues the invoices. Frozen into each invoice."""

    name: str
    country: str
    street: str
    postcode: str
    city: str
    tax_number: str
    vat_id: str
    registration: str
    iban: str
    bic: str
    bank: str
    email: str


@dataclass(frozen=True, slots=True)
class Terms:
    """Days that rule the money (domain.md rules 48-65)."""

    due_days: int
    reminder_days: tuple[int, ...]
    suspend_days: int
    cancel_days: int
    invoice_prefix: str


@dataclass(frozen=True, slots=True)
class Contacts:
    """The same help, in the same place, on every page."""

    helpdesk_email: str
    helpdesk_phone: str
    helpdesk_hours: dict[str, str]


@dataclass(frozen=True, slots=True)
class Market:
    """One market's rules. `currency` is ISO 4217, `vat_percent` the seller's domestic rate."""

    code: str
    programme: str
    currency: str
    vat_percent: int
    vat_in_currency: str
    timezone: ZoneInfo
    invited_at: int
    corporate_above: int
    countries: tuple[str, ...]
    mail_from: str
    tiers: tuple[Tier, ...]
    seller: Seller
    terms: Terms
    contacts: Contacts

    def tier(self, key: str) -> Tier | None:
        return next((tier for tier in self.tiers if tier.key == key), None)


class Reader:
    """Reads one market file; every refusal names the line of the file it is about."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.source = path.read_text("utf-8")
            self.data = tomllib.loads(self.source)
        except OSError as error:
            known = ", ".join(sorted(other.stem for other in FOLDER.glob("*.toml")))
            raise MarketError(f"There is no market file {path.name}; there are: {known}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise MarketError(f"{path.name}: {error}") from error

    def fail(self, where: str, why: str) -> MarketError:
        return MarketError(f"{path_and_line(self.path.name, self.source, where)}: {where.replace('#', ' ')} {why}")

    def get(
        self, where: str, kind: type, check: Callable[[Any], bool] | None = None, why: str = "is out of range"
    ) -> Any:
        """The value at a dotted place (`seller.iban`, `tiers#gold.fee`), of one type, that passes the check."""
        node: Any = self.data
        for part in where.replace("#", ".").split("."):
            node = node.get(part) if isinstance(node, dict) else None
            if node is None:
                raise self.fail(where, "is missing")
        if type(node) is not kind:
            raise self.fail(where, f"must be {ENGLISH[kind]}, not {node!r}")
        if isinstance(node, str) and not node.strip():
            raise self.fail(where, "is empty")
        if check and not check(node):
            raise self.fail(where, why)
        return node

    def number(self, where: str, least: int, most: int) -> int:
        return int(self.get(where, int, lambda n: least <= n <= most, f"must be from {least} to {most}"))

    def texts(self, where: str) -> dict[str, str]:
        return {language: self.get(f"{where}.{language}", str) for language in LANGUAGES}

    def only(self, where: str, cls: type, *also: str) -> None:
        """Refuses a key that means nothing, most often a misspelt one."""
        node = self.data
        for part in where.replace("#", ".").split(".") if where else ():
            node = node[part]
        allowed = {*cls.__annotations__, *also} - {"key", "code"}
        for name in node:
            if name not in allowed:
                raise self.fail(f"{where}.{name}" if where else name, "is not an entry of a market file")


ENGLISH = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}


def path_and_line(name: str, source: str, where: str) -> str:
    """`hu.toml, line 12` for the entry at `where`, as near as the text shows it."""
    *tables, key = where.replace("#", ".").split(".")
    lines = source.splitlines()
    start = 0
    for depth in range(len(tables), 0, -1):
        header = "[" + ".".join(tables[:depth]) + "]"
        if header in (line.split("#")[0].strip() for line in lines):
            start = next(n for n, line in enumerate(lines) if line.split("#")[0].strip() == header)
            key = tables[depth] if depth < len(tables) else key
            break
    for number, line in enumerate(lines[start + 1 :] if tables else lines, start + 2 if tables else 1):
        if tables and line.startswith("["):
            break
        if re.match(rf"\s*{re.escape(key)}\s*=", line):
            return f"{name}, line {number}"
    return f"{name}, line {start + 1}"


def load_market(code: str) -> Market:
    """The market `markets/<code>.toml`. Raises MarketError with the line that is wrong."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,20}", code):
        raise MarketError(f"PORTAL_MARKET must be the name of a file in markets/, such as hu, not {code!r}.")
    return read_market(FOLDER / f"{code}.toml")


def read_market(path: Path) -> Market:
    """A market from any file. Raises MarketError with the line that is wrong."""
    r = Reader(path)
    r.only("", Market)
    country = r.get("seller.country", str, is_country, "must be two capital letters")
    countries = tuple(r.get("countries", list))
    if not countries or not all(isinstance(c, str) and is_country(c) for c in countries) or country not in countries:
        raise r.fail("countries", "must list two-letter country codes, the seller's among them")
    tiers = tuple(read_tier(r, key) for key in r.get("tiers", dict))
    thresholds = [tier.opens_at() for tier in tiers]
    if len({tier.group for tier in tiers}) != 2 or thresholds != sorted(thresholds):
        raise r.fail("tiers", "must hold individual and corporate tiers, the lowest threshold first")
    corporate_above = r.number("corporate_above", 1, 1_000_000)
    if any(tier.group == "corporate" and (not tier.strict or tier.min_points != corporate_above) for tier in tiers):
        raise r.fail("corporate_above", "must be the strict threshold of every corporate tier")
    return Market(
        code=path.stem,
        programme=r.get("programme", str),
        currency=r.get("currency", str, lambda c: bool(re.fullmatch("[A-Z]{3}", c)), "must be an ISO 4217 code"),
        vat_percent=r.number("vat_percent", 0, 40),
        vat_in_currency=r.get(
            "vat_in_currency", str, lambda c: bool(re.fullmatch("[A-Z]{3}", c)), "must be a currency"
        ),
        timezone=read_timezone(r),
        invited_at=r.number("invited_at", 1, 1_000_000),
        corporate_above=corporate_above,
        countries=countries,
        mail_from=r.get("mail_from", str, lambda m: "@" in m, "must be an e-mail address"),
        tiers=tiers,
        seller=read_seller(r, country),
        terms=read_terms(r),
        contacts=read_contacts(r),
    )


def is_country(code: str) -> bool:
    return bool(re.fullmatch("[A-Z]{2}", code))


def read_timezone(r: Reader) -> ZoneInfo:
    name = r.get("timezone", str)
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise r.fail("timezone", f"is not a time zone: {name!r}") from error


def read_tier(r: Reader, key: str) -> Tier:
    at = f"tiers#{key}"
    r.only(at, Tier)
    return Tier(
        key=key,
        group=r.get(f"{at}.group", str, lambda g: g in ("individual", "corporate"), "must be individual or corporate"),
        name=r.texts(f"{at}.name"),
        min_points=r.number(f"{at}.min_points", 1, 1_000_000),
        strict=r.get(f"{at}.strict", bool),
        max_products=r.number(f"{at}.max_products", 0, 100_000) or None,
        seats=r.number(f"{at}.seats", 1, 10_000),
        fee=r.number(f"{at}.fee", 1, 10**12),
        allowance=r.number(f"{at}.allowance", 0, 10**12),
        discount_percent=r.number(f"{at}.discount_percent", 0, 100),
        turnaround_days=r.number(f"{at}.turnaround_days", 1, 365),
        loan_unit=r.get(f"{at}.loan_unit", bool),
        named_contact=r.get(f"{at}.named_contact", bool),
    )


def read_seller(r: Reader, country: str) -> Seller:
    r.only("seller", Seller)
    fields = ("name", "street", "postcode", "city", "tax_number", "vat_id", "registration", "bank", "email")
    return Seller(
        country=country,
        iban=r.get("seller.iban", str, iban.is_valid, "is not a valid IBAN"),
        bic=r.get("seller.bic", str, bic.is_valid, "is not a valid BIC"),
        **{name: r.get(f"seller.{name}", str) for name in fields},
    )


def read_terms(r: Reader) -> Terms:
    r.only("terms", Terms)
    days = tuple(r.get("terms.reminder_days", list))
    if not days or not all(type(n) is int and 0 < n < 365 for n in days) or list(days) != sorted(set(days)):
        raise r.fail("terms.reminder_days", "must list days after the due date, rising")
    suspend = r.number("terms.suspend_days", 1, 365)
    cancel = r.number("terms.cancel_days", max(suspend, *days) + 1, 730)
    return Terms(
        due_days=r.number("terms.due_days", 1, 120),
        reminder_days=days,
        suspend_days=suspend,
        cancel_days=cancel,
        invoice_prefix=r.get(
            "terms.invoice_prefix",
            str,
            lambda p: bool(re.fullmatch("[A-Z]{1,6}", p)),
            "must be one to six capital letters",
        ),
    )


def read_contacts(r: Reader) -> Contacts:
    r.only("contacts", Contacts)
    return Contacts(
        helpdesk_email=r.get("contacts.helpdesk_email", str, lambda m: "@" in m, "must be an e-mail address"),
        helpdesk_phone=r.get("contacts.helpdesk_phone", str),
        helpdesk_hours=r.texts("contacts.helpdesk_hours"),
    )
