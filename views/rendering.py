"""From a template to an answer: the only code that knows fragments and htmx."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, cast

from flask import Response, current_app, g, make_response, redirect, render_template, request
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from config import Settings
from models import Account, User
from services import clock


def portal() -> Settings:
    """The running portal's settings."""
    return cast(Settings, current_app.config["PORTAL"])


def today() -> dt.date:
    """The business day of this request, looked up once."""
    if "today" not in g:
        g.today = clock.today(portal().market.timezone, portal().demo)
    return cast(dt.date, g.today)


def me() -> User:
    """The user who is logged in; only behind login_required."""
    return cast(User, current_user._get_current_object())


def my_account() -> Account:
    """The account of the customer who is logged in; only behind `customer_required`."""
    return cast(Account, me().account)


def wants_fragment(*blocks: str) -> str:
    """The block htmx asked for, if it is one the view allows; else an empty text.

    htmx 4 names its target `tag#id`; id `tier-grid` is block `tier_grid`, id `product-12` is block `product`.
    """
    if not request.htmx:  # type: ignore[attr-defined]
        return ""
    element = (request.headers.get("HX-Target") or "").rpartition("#")[2]
    block = re.sub(r"-\d+$", "", element).replace("-", "_")
    return block if block in blocks else ""


# A piece for another place of the page: a block that replaces its own element, or (target's id, block, hx-swap)
Also = tuple[str | tuple[str, str, str], ...]


def page(template: str, *blocks: str, also: Also = (), status: int = 200, **context: Any) -> Response:
    """TEMPLATE whole, or for htmx just the block it targets, if one of BLOCKS, with the pieces of `also` beside it.

    One URL, one view, one template, one context for page and fragment (DESIGN 4).
    """
    partials = [(name.replace("_", "-"), name, "outerMorph") if isinstance(name, str) else name for name in also]
    block = wants_fragment(*blocks)
    html = render_template(
        template,
        layout="fragment.html" if block else "base.html",
        blocks=[block] if block else [],
        partials=partials if block else [],
        **context,
    )
    response = make_response(html, status)
    if blocks:
        response.vary.update(["HX-Request", "HX-Target"])
    return response


def see_other(location: str) -> BaseResponse:
    """After a successful POST: go and GET that page (303); htmx is told by header, it would swap the page otherwise."""
    if request.htmx:  # type: ignore[attr-defined]
        return Response(status=204, headers={"HX-Redirect": location})
    return redirect(location, 303)
