"""The demo's own pages: log in as somebody, read the mails that went out, move the day. HTTP only.

They exist only in a demo, and are open to visitors: a stakeholder needs no log-in to look.
"""

from __future__ import annotations

import datetime as dt
import re
from base64 import b64encode
from hashlib import sha256

from flask import Blueprint, Response, abort, flash, request, url_for
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response as BaseResponse

import i18n
from i18n import gettext as _
from i18n import ngettext
from models import OutboxMail
from services import clock, demo
from views.access import enter, own_path
from views.delivery import never_stored
from views.forms import Form
from views.rendering import page, portal, see_other, today

bp = Blueprint("demo", __name__)
bp.after_request(never_stored)

MAILS = 100  # on one page of the mailbox


@bp.record
def give_people(state: BlueprintSetupState) -> None:
    """The log-in page shows the people, in a demo only."""
    state.app.jinja_env.globals.update(demo_people=demo.people, demo_password=demo.PASSWORD)


# --- people ---------------------------------------------------------------------------------------------------------


@bp.route("/demo/people/<key>", methods=["GET", "POST"])
def people(key: str) -> BaseResponse:
    """Log in as a demo person by one click; opened by hand, the log-in page lists them."""
    user = demo.find(key)
    if user is None:
        abort(404)
    if request.method != "POST":
        return see_other(url_for("account.login"))
    enter(user)
    return see_other(own_path(request.form.get("next", "")) or url_for("site.home"))


# --- mailbox --------------------------------------------------------------------------------------------------------


@bp.get("/demo/mail")
def mail() -> BaseResponse:
    """Every mail, newest first; `before` is the id where the page before ended."""
    before = request.args.get("before", "")
    newest = OutboxMail.select().order_by(OutboxMail.id.desc()).limit(MAILS + 1)
    if before.isascii() and before.isdigit() and len(before) < 10:
        newest = newest.where(OutboxMail.id < int(before))
    mails = list(newest)
    older = mails[MAILS - 1].id if len(mails) > MAILS else None
    return page("demo/mail.html", mails=mails[:MAILS], older=older)


@bp.get("/demo/mail/<int(max=2147483647):n>")
def message(n: int) -> BaseResponse:
    """One mail as text and as HTML, with its links."""
    found = OutboxMail.get_or_none(OutboxMail.id == n)
    if found is None:
        abort(404)
    return page("demo/message.html", mail=found, links=links_in(found.text))


@bp.get("/demo/mail/<int(max=2147483647):n>/body")
def body(n: int) -> Response:
    """The HTML of a mail for the frame on its page: no script, nothing fetched, only its own style.

    Links leave the frame, and lead to this portal under whatever name it is reached.
    """
    found = OutboxMail.get_or_none(OutboxMail.id == n)
    if found is None:
        abort(404)
    html = found.html.replace("<head>", '<head>\n<base target="_top">', 1)
    html = html.replace(f'href="{portal().base_url}/', 'href="/')
    style = "".join(re.findall("<style>(.*?)</style>", html, re.DOTALL)[:1])
    policy = (
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}';"
        " frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation"
    )
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = policy
    return response


def links_in(text: str) -> list[str]:
    """The addresses in a mail's text; our own as paths, because a demo may be reached under another name."""
    found = dict.fromkeys(re.findall(r"https?://[^\s<>\"]+", text))
    return [link.removeprefix(portal().base_url) for link in found if link != portal().base_url]


# --- clock ----------------------------------------------------------------------------------------------------------


@bp.route("/demo/clock", endpoint="clock", methods=["GET", "POST"])
def move_day() -> BaseResponse:
    """Move the business day forward, and say in words what fell due on the way."""
    form = Form(request.form, to=today().isoformat())
    if request.method == "POST":
        to = read_day(form)
        try:
            done = demo.advance(portal(), to, clock.now()) if to else {}
        except demo.DayRefused as refusal:
            form.fail("to", refused_sentence(refusal.why))
        except demo.Busy:
            form.fail("to", _("The day is being moved already. Try again in a moment."))
        if to and form.ok:
            flash(" ".join([_("It is %(day)s now.", day=i18n.day(to)), *in_words(done)]), "good")
            return see_other(url_for(".clock"))
    days = demo.days_ahead(portal(), today())
    return page("demo/clock.html", status=422 if form.errors else 200, form=form, days=days)


def read_day(form: Form) -> dt.date | None:
    typed = form.text("to", _("Day"), limit=10)
    try:
        return dt.date.fromisoformat(typed) if typed else None
    except ValueError:
        form.fail("to", _("Day: write it as year-month-day, such as 2026-12-24."))
        return None


def refused_sentence(why: str) -> str:
    """Why the clock cannot be set to a day."""
    if why == "past":
        return _("The clock only moves forward: choose %(day)s or a later day.", day=i18n.day(today()))
    return _("The clock moves at most %(days)s days at once.", days=i18n.number(demo.FURTHEST))


def in_words(done: dict[str, int]) -> list[str]:
    """What a move of the day did, a sentence for each kind."""
    told = {
        "charged": lambda n: ngettext("%(n)s card was charged.", "%(n)s cards were charged.", n),
        "declined": lambda n: ngettext("%(n)s card was declined.", "%(n)s cards were declined.", n),
        "reminded": lambda n: ngettext("%(n)s reminder was sent.", "%(n)s reminders were sent.", n),
        "suspended": lambda n: ngettext("%(n)s membership was suspended.", "%(n)s memberships were suspended.", n),
        "cancelled": lambda n: ngettext("%(n)s membership was cancelled.", "%(n)s memberships were cancelled.", n),
        "expired": lambda n: ngettext("%(n)s membership has expired.", "%(n)s memberships have expired.", n),
        "failed": lambda n: ngettext("%(n)s case failed; see the log.", "%(n)s cases failed; see the log.", n),
    }
    sentences = [say(done[name]) for name, say in told.items() if done.get(name)]
    return sentences or [_("Nothing fell due.")]
