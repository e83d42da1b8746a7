"""Public pages: home, the points calculator, FAQ, language, health. HTTP only.

For visitors nothing is kept: no cookie, no session; the calculator's state is its address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, request, url_for
from flask_login import current_user
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

import i18n
from i18n import gettext as _
from market import LANGUAGES
from models import CatalogueItem, db
from services import accounts, catalogue, mail, migration, tiers, vat
from services.faq import load_faq, title
from services.payments import charging
from views.access import own_path
from views.forms import Form
from views.rendering import Also, me, page, portal, see_other, wants_fragment
from views.tiers import on_view

bp = Blueprint("site", __name__)

A_YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Picked:
    """The calculator's list: items in the order they were added, whether unknown ones or too many were left out."""

    items: list[CatalogueItem]
    unknown: bool
    too_many: bool

    @property
    def keys(self) -> list[str]:
        return [item.key for item in self.items]


def picked(keys: list[str]) -> Picked:
    """The items on offer behind `keys`, an item as often as its key; at most accounts.MOST_ITEMS."""
    known = {item.key: item for item in CatalogueItem.offered()} if keys else {}
    items = [known[key] for key in keys if key in known]
    return Picked(items[: accounts.MOST_ITEMS], len(items) < len(keys), len(items) > accounts.MOST_ITEMS)


@bp.get("/")
def home() -> Response:
    """For a visitor what this is, with the calculator; for a customer the four steps and the one next thing."""
    account = me().account if current_user.is_authenticated else None
    if current_user.is_authenticated and account is None:
        return page("site/operator.html", mails=mail.dead(), zone=portal().market.timezone)
    if account is None:
        return page("site/home.html", **calculator([], corporate=False))
    market = portal().market
    progress = accounts.progress(account)
    waiting = bool(account.old_email and not progress.products and migration.candidate(account))
    return page(
        "site/steps.html",
        progress=progress,
        step=accounts.next_step(progress, market.invited_at, waiting),
        tier=market.tier(progress.membership.tier) if progress.membership else None,
        retry_on=charging.next_try(progress.invoice) if progress.invoice else None,
    )


@bp.get("/points")
def points() -> Response:
    """The points calculator (domain.md 5.4.5): `item` repeated, `add` a key, `remove` a position, `corporate`."""
    keys = request.args.getlist("item") + [key for key in request.args.getlist("add") if key]
    position = request.args.get("remove", "")
    removed = None
    if position.isascii() and position.isdigit() and len(position) < 4 and int(position) < len(keys):
        removed = keys.pop(int(position))
    context = calculator(keys, request.args.get("corporate") == "on")
    switched = bool(wants_fragment("tier_grid"))
    added = bool(request.args.get("add"))
    sentence = on_view(context["standing"]) if switched else said(context["list"], removed, added)
    refreshed = bool(wants_fragment("points_meter"))  # coming back to the tab
    also: Also = ("status",) if switched else ("tier_grid",) if refreshed else ("points_meter", "tier_grid", "status")
    return page(
        "site/points.html", "calculator", "tier_grid", "points_meter", also=also, sentence=sentence,
        status_line=sentence, removed=removed, **context,
    )  # fmt: skip


def calculator(keys: list[str], corporate: bool) -> dict[str, Any]:
    """What the calculator, the points meter and the tier grid need for a visitor's list; home prices."""
    market = portal().market
    chosen = picked(keys)
    total = sum(item.points for item in chosen.items)
    return {
        "form": Form(),
        "list": chosen,
        "options": catalogue.options(catalogue.find()),
        "standing": tiers.standing(total, len(chosen.items), market, corporate),
        "prices": vat.prices(market, vat.vat_rule(market, market.seller.country, "")),
        "market": market,
        "membership": None,
        "can_join": False,
        "grid_url": url_for("site.points"),
        "grid_keep_url": True,
        "grid_query": {"item": chosen.keys},
        "grid_heading": "h2",
    }


def said(chosen: Picked, removed: str | None, added: bool) -> str:
    """One sentence on what the last choice did, for the status line."""
    if chosen.too_many:
        return _("The list holds at most %(most)s products.", most=accounts.MOST_ITEMS)
    if chosen.unknown:
        return _("A product that is not in the catalogue was left out.")
    total = i18n.points(sum(item.points for item in chosen.items))
    if removed is not None:
        return _("Removed. The list now brings %(points)s.", points=total)
    return _("Added. The list now brings %(points)s.", points=total) if added else ""


@bp.get("/faq")
def faq() -> Response:
    """The detailed FAQ (source document, last line)."""
    return page("site/faq.html", sections=load_faq(i18n.language(), portal().market), html=Markup)


@bp.app_template_global()
def faq_title(anchor: str) -> str:
    """The question behind an anchor, where a page links to its answer."""
    return title(anchor, i18n.language(), portal().market)


@bp.route("/language", methods=["GET", "POST"])
def language() -> BaseResponse:
    """The language chosen by hand: kept in a cookie for a year, and on the user when logged in."""
    if request.method != "POST":
        return see_other(url_for(".home"))
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        abort(400)
    if current_user.is_authenticated:
        accounts.set_language(me(), chosen)
    return speaking(chosen, see_other(own_path(request.form.get("next", "")) or url_for(".home")))


def speaking(chosen: str, response: BaseResponse) -> BaseResponse:
    """The answer after which this browser is spoken to in the language that was chosen by hand."""
    response.set_cookie("language", chosen, max_age=A_YEAR, httponly=True, samesite="Lax", secure=portal().secure)
    return response


@bp.get("/healthz")
def healthz() -> Response:
    """`ok` while the database answers; a broken one is a 503 (views/errors.py)."""
    db.execute_sql("SELECT 1")
    return Response("ok\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})
