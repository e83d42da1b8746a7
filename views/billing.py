"""The membership, its card, and the invoices of the account that is logged in. HTTP only."""

from __future__ import annotations

from flask import Blueprint, Response, abort

from services import invoices, memberships, orders
from services.payments import charging
from views.access import customer_required
from views.delivery import never_stored
from views.rendering import my_account, page, portal, today

bp = Blueprint("billing", __name__)
bp.after_request(never_stored)


@bp.get("/membership")
@customer_required
def membership() -> Response:
    """The membership with its number, term and card; for those without one, the way to it."""
    found = memberships.latest(my_account())
    if found is None:
        return page("billing/membership.html", membership=None)
    return page(
        "billing/membership.html",
        membership=found,
        tier=memberships.tier_of(found, portal().market),
        invoice=orders.invoice_of(found),
        code=memberships.number_qr(found),
    )


@bp.get("/invoices", endpoint="invoices")
@customer_required
def invoice_list() -> Response:
    """Every invoice, the newest first."""
    return page("billing/invoices.html", invoices=invoices.of(my_account()))


@bp.get("/invoices/<number>")
@customer_required
def invoice(number: str) -> Response:
    """One invoice as a letter; another account's does not exist."""
    found = invoices.find(my_account(), number)
    if found is None:
        abort(404)
    retry_on = charging.next_try(found)
    waits = found.status == "open" and found.rest > 0 and (found.method == "transfer" or retry_on is not None)
    return page(
        "billing/invoice.html",
        invoice=found,
        transfer=invoices.transfer(found) if waits else None,
        code=invoices.transfer_qr(found, portal().market, today()) if waits else "",
        retry_on=retry_on,
    )
