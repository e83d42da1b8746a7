"""Who may see a page: customers their own, operators the office, everybody else the log-in page or a 404."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Flask, Response, abort, redirect, request, session, url_for
from flask_login import LoginManager, current_user, login_required, login_user
from werkzeug.wrappers import Response as BaseResponse

from models import User
from services import clock, sessions


def customer_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Admits a logged-in customer; an operator has no account, so these pages do not exist for one."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if current_user.account_id is None:
            abort(404)
        return view(*args, **kwargs)

    admitted: Callable[..., Any] = login_required(guarded)
    return admitted


def own_path(target: str) -> str:
    """A path on this portal to go on to, or an empty text: never another host (server.md c7.18)."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return ""
    plain = target.startswith("/") and not target.startswith("//") and target.isprintable() and "\\" not in target
    hidden = "%2f%2f" in target.lower()[:8]
    return target if plain and not hidden and not parts.scheme and not parts.netloc else ""


def enter(user: User) -> None:
    """Log the user in on this browser: an empty session and a new token, so that nothing planted survives (c7.8)."""
    if current_user.is_authenticated:
        sessions.end(current_user.session)
    session.clear()
    login_user(sessions.start(user, request.user_agent.string, clock.now()))
    session.pop("_id", None)  # a fingerprint of the browser that nothing reads: session_protection is off


def install(app: Flask) -> None:
    """flask-login, tamed (server.md c3): the cookie holds a session row's token, nothing is touched for visitors."""
    login = LoginManager()
    login.session_protection = None
    login.init_app(app, add_context_processor=False)
    app.after_request_funcs[None].remove(login._update_remember_cookie)

    @login.user_loader
    def load_user(token: str) -> User | None:
        now = clock.now()
        user = sessions.load(token, now)
        if user:
            sessions.seen(user.session, now)
        return user

    @login.unauthorized_handler
    def unauthorized() -> BaseResponse:
        """To the log-in page and back; htmx is told by header, else the log-in page would land in a fragment."""
        back = request.full_path.rstrip("?") if request.method == "GET" and not request.htmx else ""  # type: ignore[attr-defined]
        target = url_for("account.login") + (f"?next={quote(back)}" if back and back != "/" else "")
        if request.htmx:  # type: ignore[attr-defined]
            return Response(status=401, headers={"HX-Redirect": target})
        return redirect(target, 303)
