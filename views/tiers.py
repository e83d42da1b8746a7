"""The tiers: the grid with its corporate switch, and the road from a tier to an order. HTTP only."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, flash, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import i18n
from i18n import gettext as _
from i18n import ngettext
from market import Market
from models import Account, Membership, Order
from services import accounts, clock, invoices, memberships, orders, payments, tiers, vat
from views.access import customer_required
from views.delivery import no_store
from views.forms import Form
from views.rendering import me, my_account, page, portal, see_other, today, wants_fragment

bp = Blueprint("tiers", __name__)

ELSEWHERE = "ZZ"  # a place of payment outside SEPA; a code no country has


def grid_context(
    account: Account, corporate: bool, product_count: int | None = None, **overrides: Any
) -> dict[str, Any]:
    """What templates/tiers/_grid.html and _meter.html need for `account`, in three queries, two if the count is known.

    `corporate` is the switch, a filter of the view. `overrides` tell of the page that shows the grid: grid_url,
    grid_query, grid_heading, grid_keep_url.
    """
    market = portal().market
    membership = account.membership()
    count = account.product_count() if product_count is None else product_count
    return {
        "standing": tiers.standing(account.points(), count, market, corporate),
        "prices": vat.prices(market, vat.vat_rule(market, account.country, account.vat_id)),
        "market": market,
        "membership": membership,
        "can_join": membership is None,
        "grid_url": url_for("tiers.tiers"),
        "grid_keep_url": True,
        "grid_query": {},
        "grid_heading": "h1",
        **overrides,
    }


@bp.get("/tiers", endpoint="tiers")
@customer_required
def grid() -> Response:
    """Every tier, available or with the points that are missing (source document 3)."""
    context = grid_context(my_account(), request.args.get("corporate") == "on")
    refreshed = wants_fragment("points_meter") != ""  # coming back to the tab; the switch asks for the grid alone
    return page(
        "tiers/tiers.html",
        "tier_grid",
        "points_meter",
        also=("tier_grid",) if refreshed else ("status",),
        status_line=on_view(context["standing"]),
        **context,
    )


def on_view(standing: tiers.Standing) -> str:
    """The set of tiers on view, in a sentence for those who do not see the switch move."""
    count = len(standing.shown)
    if standing.corporate_on:
        return ngettext("Corporate tiers, %(n)s tier", "Corporate tiers, %(n)s tiers", count)
    return ngettext("Individual tiers, %(n)s tier", "Individual tiers, %(n)s tiers", count)


# --- joining --------------------------------------------------------------------------------------------------------


@bp.route("/tiers/<tier>/join", methods=["GET", "POST"])
@no_store
@customer_required
def join(tier: str) -> BaseResponse:
    """How to pay and who is billed; with `order` its data, to be changed."""
    account, market = my_account(), portal().market
    market.tier(tier) or abort(404)
    offer = orders.eligible(account, tier, market)
    order = orders.find(account, tier, request.values.get("order", ""))
    if request.method != "POST":
        form = Form(prefilled(account, order))
        if "payment_country" in request.args:  # the live hint
            form.values["payment_country"] = request.args["payment_country"]
        return join_page(offer, order, form)
    form = Form(request.form)
    method = form.choice("method", _("Payment method"), methods())
    payment_country = form.choice("payment_country", _("Country you pay from"), payment_countries(market))
    billing = read_billing(form, market)
    if not form.ok:
        return join_page(offer, order, form, status=422)
    order = orders.draft(account, tier, method, payment_country, billing, clock.now(), order)
    ref = request.form.get("ref", "")
    if order.method == "card" and not orders.saved_card(portal(), order, ref):
        return to_card_page(order)
    return see_other(address(order, ref if order.method == "card" else ""))


def join_page(offer: tiers.Offer, order: Order | None, form: Form, status: int = 200) -> Response:
    market = portal().market
    price = orders.price_of(order, market) if order else account_price(offer, market)
    return page(
        "tiers/join.html",
        "transfer_hint",
        status=status,
        form=form,
        offer=offer,
        order=order,
        ref=request.values.get("ref", ""),
        price=price,
        due_on=invoices.due_day(market, today()),
        methods=methods(),
        countries=i18n.countries(market.countries),
        payment_countries=[(code, country_name(code)) for code in payment_countries(market)],
        hint=vat.transfer_hint(form.values.get("payment_country") or market.seller.country, market),
    )


def account_price(offer: tiers.Offer, market: Market) -> vat.Price:
    account = my_account()
    return vat.price(offer.tier, vat.vat_rule(market, account.country, account.vat_id))


def prefilled(account: Account, order: Order | None) -> dict[str, str]:
    """What the form starts with: the order's own data, else the account's."""
    if order:
        return {**order.billing, "method": order.method, "payment_country": order.payment_country}
    fields = ("company", "country", "vat_id", "street", "postcode", "city")
    return {**{name: getattr(account, name) for name in fields}, "payment_country": account.country}


def methods() -> tuple[str, ...]:
    """The payment methods on offer: without a gateway there is only the transfer."""
    return ("card", "transfer") if payments.gateway(portal()) else ("transfer",)


def payment_countries(market: Market) -> tuple[str, ...]:
    """Where a payment may come from: home first, then the market and SEPA by name, then anywhere else."""
    home = market.countries[0]
    return (*dict(i18n.countries((home, *(vat.SEPA | set(market.countries)) - {home}))), ELSEWHERE)


def country_name(code: str) -> str:
    return _("Another country") if code == ELSEWHERE else i18n.country(code)


def read_billing(form: Form, market: Market) -> dict[str, str]:
    """Who the invoice is made out to; the VAT id in normal form."""
    billing = {
        "company": form.text("company", _("Company")),
        "country": form.choice("country", _("Country"), market.countries),
        "vat_id": form.text("vat_id", _("VAT id"), limit=30, optional=True),
        "street": form.text("street", _("Street and number")),
        "postcode": form.text("postcode", _("Postcode"), limit=16),
        "city": form.text("city", _("City")),
        "purchase_order": form.text("purchase_order", _("Purchase order number"), limit=40, optional=True),
    }
    if billing["vat_id"] and billing["country"]:
        try:
            billing["vat_id"] = accounts.normal_vat_id(billing["vat_id"], billing["country"])
        except ValueError:
            form.fail(
                "vat_id", _("VAT id: no such id exists in the country chosen. Check it, or leave the field empty.")
            )
    return billing


def to_card_page(order: Order) -> BaseResponse:
    """To the gateway's own page, which saves the card and comes back; no card number passes through here."""
    gateway = payments.gateway(portal())
    if gateway is None:
        abort(404)
    back = portal().base_url + address(order)
    return see_other(gateway.start_setup(owner=order.key, email=me().email, back=back, cancel=f"{back}?card=cancelled"))


def address(order: Order, ref: str = "") -> str:
    return url_for("tiers.order", tier=order.tier, key=order.key, ref=ref or None)


@bp.route("/tiers/<tier>/join/<key>", methods=["GET", "POST"])
@no_store
@customer_required
def order(tier: str, key: str) -> BaseResponse:
    """The check page before the order is placed, the confirmation after; placing it is the POST's business alone."""
    found = orders.find(my_account(), tier, key)
    if found is None:
        abort(404)
    membership = orders.membership_of(found.id)
    if membership:
        return see_other(address(found)) if request.method == "POST" else confirmation(found, membership)
    orders.eligible(my_account(), tier, portal().market)
    if request.method != "POST":
        return check_page(found, request.args.get("ref", ""))
    form = Form(request.form)
    action = form.choice("action", _("What to do"), ("order", *methods()))
    if action in ("card", "transfer"):
        orders.choose_method(found, action)
        return to_card_page(found) if action == "card" else see_other(address(found))
    return place(found, form) if form.ok else check_page(found, "", form, status=422)


def place(found: Order, form: Form) -> BaseResponse:
    ref, gross = form.values.get("ref", ""), form.values.get("gross", "")
    agreed = int(gross) if gross.isascii() and gross.isdigit() and len(gross) < 16 else 0
    try:
        if form.values.get("seen") != orders.fingerprint(found):
            raise orders.OrderChanged
        orders.place(portal(), me(), found, ref, agreed, today(), clock.now())
    except orders.CardMissing:
        form.fail("action", _("No card was saved for this order. Give a card, or pay by bank transfer."))
    except orders.OrderChanged:
        form.fail("action", _("The order has changed meanwhile. Check it below, then order."))
    except invoices.IssuedOutOfOrder:
        form.fail("action", _("The invoice cannot be issued with today's date. Nothing was ordered; ask the helpdesk."))
    else:
        return see_other(address(found))
    fresh = orders.find(my_account(), found.tier, found.key)
    return check_page(fresh or found, ref, form, status=422)


def check_page(found: Order, ref: str, form: Form | None = None, status: int = 200) -> Response:
    market = portal().market
    return page(
        "tiers/order.html",
        status=status,
        form=form or Form(),
        order=found,
        membership=None,
        tier=market.tier(found.tier),
        price=orders.price_of(found, market),
        seen=orders.fingerprint(found),
        rule=vat.vat_rule(market, found.billing["country"], found.billing["vat_id"]),
        due_on=invoices.due_day(market, today()),
        card=orders.saved_card(portal(), found, ref) if found.method == "card" else None,
        ref=ref,
        cancelled=request.args.get("card") == "cancelled",
        methods=methods(),
        payment_country=country_name(found.payment_country),
        hint=vat.transfer_hint(found.payment_country, market),
    )


def confirmation(found: Order, membership: Membership) -> Response:
    return page(
        "tiers/order.html",
        form=Form(),
        order=found,
        membership=membership,
        tier=memberships.tier_of(membership, portal().market),
        invoice=orders.invoice_of(membership),
    )


@bp.errorhandler(orders.TierLocked)
def locked(error: orders.TierLocked) -> Response:
    """A tier the points do not reach, by a hand-made address or form (source document 3)."""
    offer = error.offer
    tier = i18n.tier_name(offer.tier)
    if offer.missing_points:
        what = ngettext(
            "%(tier)s opens at %(points)s: %(missing)s more point is needed.",
            "%(tier)s opens at %(points)s: %(missing)s more points are needed.",
            offer.missing_points,
            tier=tier,
            points=i18n.points(offer.tier.opens_at()),
            missing=i18n.number(offer.missing_points),
        )
        todo = _("Register another product, or complete one that has no green tick.")
        href, label = url_for("products.products"), _("My products")
    else:
        what = _(
            "%(tier)s covers at most %(most)s products, and you have more.",
            tier=tier,
            most=i18n.number(offer.tier.max_products or 0),
        )
        todo = _("Choose a tier that covers more products.")
        href, label = url_for("tiers.tiers", corporate="on"), _("See the tiers")
    return page(
        "errors/error.html",
        status=422,
        heading=_("This tier is not open to you yet"),
        what=what,
        todo=todo,
        href=href,
        label=label,
    )


@bp.errorhandler(orders.NoSuchTier)
def no_such_tier(_error: orders.NoSuchTier) -> Response:
    """A tier that the market does not have, or no longer."""
    abort(404)


@bp.errorhandler(orders.AlreadyMember)
def already_member(_error: orders.AlreadyMember) -> BaseResponse:
    flash(_("You are a member already; this is your membership."), "amber")
    return see_other(url_for("billing.membership"))


@bp.errorhandler(invoices.InvoiceOpen)
def still_owing(error: invoices.InvoiceOpen) -> BaseResponse:
    flash(_("Invoice %(number)s is still open. Pay it first; then you can join again.", number=error.number), "amber")
    return see_other(url_for("billing.invoice", number=error.number))
