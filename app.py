"""create_app(): settings → database → languages → log-in, htmx → hooks → pages → commands.

Assembles, decides nothing.
"""

from __future__ import annotations

import jinja2
from flask import Flask, current_app, request
from flask_login import current_user
from htmx_flask import Htmx
from werkzeug.middleware.proxy_fix import ProxyFix

import assets
import cli
import config
import database
import i18n
import views
from market import LANGUAGES, MarketError
from models import User, db
from views import access, delivery, guard
from views.rendering import me, today


def create_app(settings: config.Settings | None = None) -> Flask:
    """The portal as the environment describes it, or for `settings`; ends with one sentence if it cannot start so."""
    try:
        return assemble(settings or config.load())
    except (config.ConfigError, MarketError) as error:
        raise SystemExit(f"The portal does not start. {error}") from error


def assemble(settings: config.Settings) -> Flask:
    """The portal for `settings`. Raises ConfigError."""
    app = Flask(__name__, static_folder=None)
    app.config.update(
        PORTAL=settings,
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
        SESSION_COOKIE_NAME="__Host-session" if settings.secure else "session",
        SESSION_COOKIE_SECURE=settings.secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    database.connect(settings.database)
    Htmx(app)
    access.install(app)
    assets.init_assets(app)
    install_hooks(app)
    guard.install(app)
    delivery.install(app)
    install_templates(app, settings)
    views.register(app, settings.demo)
    cli.register(app)
    return app


def install_hooks(app: Flask) -> None:
    """A pooled connection for each request that needs one, and the language it speaks."""

    @app.before_request
    def open_database() -> None:
        if request.endpoint != "static":
            db.connect(reuse_if_open=True)

    @app.teardown_request
    def close_database(_error: BaseException | None) -> None:
        if not db.is_closed():
            db.close()

    @app.before_request
    def choose_language() -> None:
        """The language chosen here by hand, else the customer's own, else the browser's, else the market's first."""
        user = signed_in_user() if request.endpoint != "static" else None
        chosen = request.cookies.get("language") or (user.language if user else "")
        i18n.use(chosen or request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0])


def install_templates(app: Flask, settings: config.Settings) -> None:
    """What every template can use."""
    app.jinja_env.undefined = jinja2.StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    i18n.install(app.jinja_env)
    app.jinja_env.globals.update(
        market=settings.market,
        demo=settings.demo,
        business_day=today,
        status_line="",
        layout="base.html",
    )

    @app.context_processor
    def of_this_request() -> dict[str, object]:
        return {"user": signed_in_user(), "today": today(), "language": i18n.language()}


def signed_in_user() -> User | None:
    """The user, or None. Without a session cookie the session is not even looked at: visitors stay cacheable."""
    if not request.cookies.get(current_app.config["SESSION_COOKIE_NAME"]) or not current_user.is_authenticated:
        return None
    return me()
