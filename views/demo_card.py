"""The demo's stand-ins for a bank: the page that saves a card, and a transfer that arrives. Exists only in a demo.

The card page plays a card provider's own page; it asks for no number, only for how the card shall behave.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from flask import Blueprint, abort, flash, request, url_for
from werkzeug.wrappers import Response

from i18n import gettext as _
from services import banking, clock, invoices
from services.payments.demo import REFUSED, Demo
from views.access import customer_required
from views.forms import Form
from views.rendering import my_account, page, portal, see_other, today

bp = Blueprint("demo_card", __name__)

CARDS = {"pays": "4242", "refused": REFUSED, "declines": "0341", "confirmed": "3220"}


@bp.route("/demo/card/<ref>", methods=["GET", "POST"])
def card(ref: str) -> Response:
    """Choose how the card behaves; `confirm` asks the bank's question first, on a page of its own."""
    gateway = Demo(portal().secret_key)
    setup = gateway.setup(ref)
    if setup is None:
        abort(404)
    form = Form(request.form)
    confirming = request.args.get("step") == "confirm"
    if request.method != "POST":
        return page("demo/card.html", form=form, ref=ref, confirming=confirming)
    choice = form.choice("choice", _("Card"), (*CARDS, "confirm", "cancel"))
    if not form.ok:
        return page("demo/card.html", form=form, ref=ref, confirming=confirming, status=422)
    if choice == "confirm":
        return see_other(url_for("demo_card.card", ref=ref, step="confirm"))
    if choice == "cancel":
        return see_other(own(setup.cancel))
    return see_other(f"{own(setup.back)}?{urlencode({'ref': gateway.choose(setup, CARDS[choice])})}")


def own(url: str) -> str:
    """The path of an address of ours: a demo may be reached under another name than its settings say."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


@bp.route("/invoices/<number>/demo-transfer", methods=["GET", "POST"])
@customer_required
def transfer(number: str) -> Response:
    """Let the transfer for an open invoice arrive today, as if the bank had reported it."""
    invoice = invoices.find(my_account(), number)
    if invoice is None:
        abort(404)
    to_pay = invoices.transfer(invoice)
    if request.method == "POST" and to_pay.amount:
        key = f"demo {number} after {invoice.paid}"  # the same until it is booked: pressing twice pays once
        banking.receive(portal(), key, today(), to_pay.amount, to_pay.currency, to_pay.reference, clock.now())
        flash(_("The transfer has arrived and is booked."), "good")
    return see_other(url_for("billing.invoice", number=number))
