"""Languages: which one speaks now, its catalogue, and how it writes numbers, money, days and countries.

Over Babel, without flask, so that pages, mails and commands speak through one door. It holds no sentences.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import lru_cache
from gettext import NullTranslations
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from babel.support import Translations
from jinja2 import Environment, pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

from market import LANGUAGES, Tier
from services.money import decimals, from_minor

FOLDER = Path(__file__).parent / "translations"
LOCALES = {"hu": Locale("hu"), "en": Locale("en", "GB")}
NBSP = "\N{NO-BREAK SPACE}"
SIGNS = {"HUF": "Ft", "EUR": "€"}

_language: ContextVar[str] = ContextVar("language", default=LANGUAGES[0])


def language() -> str:
    """The language that speaks now: `hu` or `en`."""
    return _language.get()


def use(code: str) -> None:
    """Speak `code` from here on in this context (a request, a command)."""
    _language.set(code if code in LANGUAGES else LANGUAGES[0])


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak `code` inside the block: a mail goes out in its reader's language."""
    token = _language.set(code if code in LANGUAGES else LANGUAGES[0])
    try:
        yield
    finally:
        _language.reset(token)


@lru_cache
def catalogue(code: str) -> NullTranslations:
    """The compiled catalogue. English is the language of the message ids and has none."""
    return NullTranslations() if code == "en" else Translations.load(FOLDER, [code])


@lru_cache(maxsize=4096)
def sentence(code: str, message: str) -> str:
    """The message in the language `code`, its `%(name)s` places still open."""
    return catalogue(code).gettext(message)


@lru_cache(maxsize=4096)
def plain_markup(code: str, message: str) -> Markup:
    """A sentence without places, ready for a page: most of a page's text, so it is made once."""
    return Markup(sentence(code, message) % {})


def gettext(message: str, /, **values: object) -> str:
    """The sentence in the language that speaks now, `%(name)s` places filled; a percent sign is written `%%`."""
    return sentence(language(), message) % values


def ngettext(one: str, many: str, n: int, /, **values: object) -> str:
    """As gettext, singular or plural by `n` (also available as `%(n)s`)."""
    return catalogue(language()).ngettext(one, many, n) % {"n": number(n), **values}


@pass_eval_context
def template_gettext(evaluating: EvalContext, message: str, /, **values: object) -> str:
    """gettext for templates: what fills the places is escaped where the template escapes."""
    if not evaluating.autoescape:
        return gettext(message, **values)
    return open_markup(language(), message) % values if values else plain_markup(language(), message)


@lru_cache(maxsize=4096)
def open_markup(code: str, message: str) -> Markup:
    """A sentence as markup, its places still open: what goes in will be escaped."""
    return Markup(sentence(code, message))


@pass_eval_context
def template_ngettext(evaluating: EvalContext, one: str, many: str, n: int, /, **values: object) -> str:
    """ngettext for templates, escaping as template_gettext does."""
    if not evaluating.autoescape:
        return ngettext(one, many, n, **values)
    return Markup(catalogue(language()).ngettext(one, many, n)) % {"n": number(n), **values}


def number(value: int | Decimal) -> str:
    """A number with its thousands grouped, e.g. `1 600` (no-break space) or `1,600`."""
    return written_number(language(), value, "#,##0.###")


@lru_cache(maxsize=4096)
def written_number(code: str, value: int | Decimal, pattern: str) -> str:
    return format_decimal(value, format=pattern, locale=LOCALES[code])


def points(value: int) -> str:
    """`1 600 pont` / `1,600 points`."""
    return ngettext("%(n)s point", "%(n)s points", value).replace(" ", NBSP)


def money(minor: int, currency: str) -> str:
    """Minor units of `currency` as people write them: `101 473 Ft`, `100,00 €`; `101,473 HUF`, `100.00 EUR`."""
    places = decimals(currency)
    pattern = "#,##0" + ("." + "0" * places if places else "")
    sign = SIGNS.get(currency, currency) if language() == "hu" else currency
    return f"{written_number(language(), from_minor(minor, currency), pattern)}{NBSP}{sign}"


def day(value: dt.date) -> str:
    """`2026. december 23.` / `23 December 2026`."""
    return written_day(language(), value)


@lru_cache(maxsize=1024)
def written_day(code: str, value: dt.date) -> str:
    return format_date(value, "long", locale=LOCALES[code]).replace(" ", NBSP)


def instant(value: dt.datetime, zone: ZoneInfo) -> str:
    """A naive UTC instant as local day and time in the market's zone."""
    local = value.replace(tzinfo=dt.UTC).astimezone(zone)
    pattern = "y. MMMM d. HH:mm" if language() == "hu" else "d MMMM y, HH:mm"
    return format_datetime(local, pattern, locale=LOCALES[language()])


def country(code: str) -> str:
    """A country's name in the language that speaks now."""
    return str(LOCALES[language()].territories.get(code, code))


def countries(codes: tuple[str, ...]) -> list[tuple[str, str]]:
    """(code, name) pairs for a select: the market's own country first, the others by name."""
    first, *rest = codes
    return [
        (first, country(first)),
        *sorted(((code, country(code)) for code in rest), key=lambda pair: folded(pair[1])),
    ]


def folded(text: str) -> str:
    """Without accents and case, for sorting and searching: Írország stands among the I's."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


def tier_name(tier: Tier) -> str:
    return tier.name[language()]


def iban(value: str) -> str:
    """In groups of four, as banks print it."""
    return NBSP.join(value[i : i + 4] for i in range(0, len(value), 4))


def install(environment: Environment) -> None:
    """Give a Jinja environment the sentences and the formats."""
    environment.globals.update(_=template_gettext, ngettext=template_ngettext)
    environment.filters.update(
        number=number, points=points, money=money, day=day, country=country, tier_name=tier_name, iban=iban,
        instant=instant,
    )  # fmt: skip
