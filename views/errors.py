"""What goes wrong, as a page: one sentence what happened, one what to do, one way onward. No internals, ever.

For htmx the same two sentences go into the page's box for failures; the piece it asked for stays as it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flask import Flask, Response, current_app, make_response, render_template, request, url_for
from markupsafe import escape
from werkzeug.exceptions import HTTPException, InternalServerError

import i18n
from database import UNAVAILABLE, UNSTORABLE
from i18n import gettext as _
from i18n import ngettext
from market import LANGUAGES
from services import limits


@dataclass(frozen=True, slots=True)
class Problem:
    """One error page; `href` and `label` are the way onward, if it is not the home page."""

    heading: str
    what: str
    todo: str
    href: str = ""
    label: str = ""


def install(app: Flask) -> None:
    """Error pages for everything that a view, a hook or the router can raise."""
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(InternalServerError, http_error)
    app.register_error_handler(limits.Refused, too_many)
    app.register_error_handler(OverflowError, not_found)
    for unstorable in UNSTORABLE:
        app.register_error_handler(unstorable, bad_request)
    for gone in UNAVAILABLE:
        app.register_error_handler(gone, unavailable)


def http_error(error: HTTPException) -> Response:
    """abort(…), an unknown address, a wrong method; an unexpected exception comes as 500, logged by flask already."""
    code = error.code or 500
    response = answer(code)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def too_many(refused: limits.Refused) -> Response:
    """429 with the time to wait, in words and as a header."""
    response = answer(429, _("Try again in %(time)s.", time=in_words(refused.wait)))
    response.headers["Retry-After"] = str(refused.wait)
    return response


def not_found(_error: OverflowError) -> Response:
    """A number larger than the database's integers: no such row."""
    return answer(404)


def bad_request(_error: Exception) -> Response:
    """A value that no column of the database can hold."""
    return answer(400)


def unavailable(error: Exception) -> Response:
    """The database is locked, full or gone: nothing was saved, and it may work again soon."""
    current_app.logger.error("the database cannot answer", exc_info=error)
    i18n.use(request.cookies.get("language") or request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0])
    response = answer(503)
    response.headers["Retry-After"] = "30"
    return response


def answer(code: int, todo: str = "") -> Response:
    """The page of an error; for htmx its sentences; and if even the page's frame cannot be made, those alone."""
    problem = problem_of(code)
    words = {name: text for name, text in asdict(problem).items() if text} | ({"todo": todo} if todo else {})
    htmx = bool(getattr(request, "htmx", False))
    try:
        html = render_template("errors/failed.html" if htmx else "errors/error.html", **words)
    except Exception:
        current_app.logger.exception("the error page itself failed")
        heading = escape(problem.heading)
        html = (
            f'<!doctype html><html lang="{i18n.language()}"><meta charset="utf-8"><title>{heading}</title>'
            f"<main><h1>{heading}</h1><p>{escape(problem.what)} {escape(words['todo'])}</p>"
            f'<p><a href="/">{escape(_("To the home page"))}</a></p></main></html>'
        )
    return make_response(html, code)


def problem_of(code: int) -> Problem:
    """The words for a status; unknown ones speak like 400 or 500."""
    problems = {
        401: Problem(
            _("Please log in"),
            _("This page is for those who are logged in."),
            _("Log in and open it again."),
            url_for("account.login"),
            _("Log in"),
        ),
        403: Problem(
            _("This did not come from our page"),
            _("The request came from another site, or your browser did not say where from. Nothing was changed."),
            _("Open the page here and try again."),
        ),
        404: Problem(
            _("This page does not exist"),
            _("There is nothing at this address."),
            _("Check the address, or start again from the home page."),
        ),
        405: Problem(
            _("This address cannot be opened like that"),
            _("A form is sent to this address; there is nothing to look at."),
            _("Start again from the home page."),
        ),
        413: Problem(
            _("That was too much at once"),
            _("What you sent is larger than the portal takes. Nothing was saved."),
            _("Go back and send it in smaller parts."),
        ),
        429: Problem(
            _("Too many tries"),
            _("After several tries we wait for a while, so that nobody can guess passwords or flood a mailbox."),
            _("Try again later."),
        ),
        500: Problem(
            _("Something went wrong on our side"),
            _("It is not your fault, and we have noted it."),
            _("Try again in a moment. If it happens again, tell the helpdesk."),
        ),
        503: Problem(
            _("The portal cannot answer just now"),
            _("Nothing was saved."),
            _("Try again in a minute."),
        ),
    }
    bad = Problem(
        _("This request cannot be understood"),
        _("Something in the address or the form cannot be used. Nothing was saved."),
        _("Go back, check what you typed and try again."),
    )
    return problems.get(code, problems[500] if code >= 500 else bad)


def in_words(seconds: int) -> str:
    """A time to wait, rounded up, in the largest unit that fits."""
    if seconds <= 60:
        return ngettext("%(n)s second", "%(n)s seconds", seconds)
    if seconds <= 90 * 60:
        minutes = -(-seconds // 60)
        return ngettext("%(n)s minute", "%(n)s minutes", minutes)
    hours = -(-seconds // 3600)
    return ngettext("%(n)s hour", "%(n)s hours", hours)
