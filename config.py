"""The portal's settings: the only reader of the environment. Typed, and refuses to start on nonsense."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from market import Market, load_market

ROOT = Path(__file__).parent
INSTANCE = ROOT / "instance"


class ConfigError(Exception):
    """One sentence that names the setting and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Smtp:
    """Where mail goes: `security` is `none`, `starttls` or `tls`."""

    host: str
    port: int
    security: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the environment decides; handed to the services that need it."""

    database: str
    market: Market
    demo: bool
    secret_key: str
    secret_key_fallbacks: tuple[str, ...]
    base_url: str
    smtp: Smtp | None
    mail_from: str
    proxies: int
    stripe_key: str
    stripe_webhook_secret: str

    @property
    def secure(self) -> bool:
        """Served over https: cookies are Secure and __Host-, HSTS is sent."""
        return self.base_url.startswith("https://")


VARIABLES = (
    "PORTAL_DATABASE",
    "PORTAL_MARKET",
    "PORTAL_DEMO",
    "PORTAL_SECRET_KEY",
    "PORTAL_SECRET_KEY_FALLBACKS",
    "PORTAL_BASE_URL",
    "PORTAL_SMTP_URL",
    "PORTAL_MAIL_FROM",
    "PORTAL_PROXIES",
    "PORTAL_STRIPE_KEY",
    "PORTAL_STRIPE_WEBHOOK_SECRET",
)


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read PORTAL_* (each also as PORTAL_…_FILE, a path). Raises ConfigError or market.MarketError."""
    known = {*VARIABLES, *(f"{name}_FILE" for name in VARIABLES)}
    for name in environ:
        if name.startswith("PORTAL_") and name not in known:
            raise ConfigError(f"{name} is not a setting of the portal; did you mean one of {', '.join(VARIABLES)}?")
    market = load_market(text(environ, "PORTAL_MARKET", "hu"))
    demo = switch(environ, "PORTAL_DEMO")
    base_url = text(environ, "PORTAL_BASE_URL", "http://127.0.0.1:5000" if demo else "").rstrip("/")
    url = urlsplit(base_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.path:
        raise ConfigError("PORTAL_BASE_URL must be the portal's address, such as https://portal.example.hu, no path.")
    if url.scheme == "http" and not demo:
        raise ConfigError("PORTAL_BASE_URL must start with https:// unless PORTAL_DEMO=1; log-in cookies need it.")
    smtp_url = text(environ, "PORTAL_SMTP_URL", "")
    if not demo and not smtp_url:
        raise ConfigError(
            "PORTAL_SMTP_URL is missing, so no mail could be sent; e.g. smtp+starttls://user:pw@host:587."
        )
    return Settings(
        database=text(environ, "PORTAL_DATABASE", f"sqlite:///{INSTANCE / 'portal.db'}"),
        market=market,
        demo=demo,
        secret_key=secret_key(environ),
        secret_key_fallbacks=tuple(text(environ, "PORTAL_SECRET_KEY_FALLBACKS", "").split()),
        base_url=base_url,
        smtp=smtp(smtp_url) if smtp_url else None,
        mail_from=text(environ, "PORTAL_MAIL_FROM", market.mail_from),
        proxies=count(environ, "PORTAL_PROXIES"),
        stripe_key=text(environ, "PORTAL_STRIPE_KEY", ""),
        stripe_webhook_secret=text(environ, "PORTAL_STRIPE_WEBHOOK_SECRET", ""),
    )


def text(environ: Mapping[str, str], name: str, default: str) -> str:
    """The variable, or the content of the file that `<name>_FILE` names, or the default."""
    path = environ.get(f"{name}_FILE")
    if path and name in environ:
        raise ConfigError(f"Both {name} and {name}_FILE are set; keep one.")
    if path:
        try:
            return Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}_FILE cannot be read: {error}.") from error
    return environ.get(name, default).strip()


def switch(environ: Mapping[str, str], name: str) -> bool:
    value = text(environ, name, "0").lower()
    if value not in ("", "0", "1"):
        raise ConfigError(f"{name} must be 0 or 1, not {value!r}.")
    return value == "1"


def count(environ: Mapping[str, str], name: str) -> int:
    value = text(environ, name, "0")
    if value not in ("0", "1", "2", "3"):
        raise ConfigError(f"{name} must be the number of proxies in front of the portal, 0 to 3, not {value!r}.")
    return int(value)


def secret_key(environ: Mapping[str, str]) -> str:
    """From the environment, else the file `flask setup` writes in a demo. Never a built-in default."""
    key = text(environ, "PORTAL_SECRET_KEY", "")
    if not key:
        raise ConfigError(
            "PORTAL_SECRET_KEY is missing; make one with: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    if len(key) < 32:
        raise ConfigError("PORTAL_SECRET_KEY is too short: it needs at least 32 characters.")
    return key


def smtp(url: str) -> Smtp:
    """`smtp://`, `smtp+starttls://` or `smtps://` + [user[:password]@]host[:port]."""
    ports = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
    parts = urlsplit(url)
    try:
        port = parts.port or ports[parts.scheme]
    except (KeyError, ValueError):
        port = 0
    if not port or not parts.hostname:
        raise ConfigError(
            "PORTAL_SMTP_URL must look like smtp+starttls://user:password@host:587 (or smtps://, smtp://)."
        )
    security = {"smtp": "none", "smtp+starttls": "starttls", "smtps": "tls"}[parts.scheme]
    return Smtp(parts.hostname, port, security, unquote(parts.username or ""), unquote(parts.password or ""))
