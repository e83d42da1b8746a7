"""My products: the list with its form, one product, removal, the ledger, moving from an old account. HTTP only."""

from __future__ import annotations

import datetime as dt
from typing import Any

from babel.dates import format_skeleton
from flask import Blueprint, Response, abort, flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

import i18n
from i18n import gettext as _
from i18n import ngettext
from models import Product
from services import catalogue, clock, migration, products
from views.access import customer_required
from views.delivery import no_store
from views.forms import Form
from views.rendering import Also, me, my_account, page, portal, see_other, today, wants_fragment
from views.tiers import grid_context

bp = Blueprint("products", __name__)

ONE = "<int(max=2147483647):number>"
CHANGED: Also = ("points_meter", "invitation", "tier_grid", "status")  # what a change of points changes
NEW_ROW: Also = (("product-list", "new_product", "afterbegin"), "list_heading")


# --- the list ---------------------------------------------------------------------------------------------------------


@bp.get("/products", endpoint="products")
@customer_required
def product_list() -> Response:
    """The list; by htmx also the items that match the typed letters, what a chosen one would bring, or a refresh."""
    changed: Also = ("status",) if request.args.get("item") else ("invitation", "tier_grid")
    also: Also = {"item_field": ("points_meter", "status"), "points_meter": changed}.get(
        wants_fragment("item_field", "points_meter"), ()
    )
    return show_list(Form(request.args, country=my_account().country), also)


@bp.post("/products")
@customer_required
def register() -> BaseResponse:
    form = Form(request.form)
    item = form.text("item", _("Product"))
    details = read_details(form)
    uninvited = my_account().invited_at is None
    if form.ok:
        try:
            product = products.register(my_account(), item, details, "manual", me(), portal(), clock.now())
        except products.NotRegistrable:
            form.fail("item", _("Product: choose one from the list."))
        except products.SerialTaken as taken:
            form.fail("serial", taken_sentence(taken))
    if not form.ok:
        return show_list(form, status=422)
    said = saved_sentence(product, uninvited)
    if wants_fragment("add_product"):
        return show_list(blank(), (*NEW_ROW, *CHANGED), added=(product, form_of(product)), status_line=said)
    flash(said, "good" if product.is_complete else "amber")
    return see_other(url_for(".products"))


def show_list(form: Form, also: Also = (), status: int = 200, **context: Any) -> Response:
    """The list's page or the pieces of it that htmx asked for."""
    account = my_account()
    own = list(Product.of(account))
    typed = form.values.get("q", "")
    items = catalogue.find(typed)
    if typed and len(items) == 1:
        form.values["item"] = items[0].key
    chosen = next((item for item in items if item.key == form.values.get("item")), None)
    grid = grid_of_this_page(len(own))
    said = ngettext("%(n)s product matches.", "%(n)s products match.", len(items)) if typed else ""
    if chosen:
        bring = grid["standing"].points + chosen.points
        said = _("%(product)s would bring you to %(points)s.", product=chosen.name, points=i18n.points(bring))
    return page(
        "products/products.html",
        "add_product",
        "item_field",
        "points_meter",
        "tier_grid",
        also=also,
        status=status,
        form=form,
        rows=[(product, form_of(product)) for product in own],
        options=catalogue.options(items),
        typed=typed,
        matches=len(items),
        preview=bring if chosen else 0,
        **choices(own),
        **old_account(),
        **grid,
        **{"status_line": said, **context},
    )


# --- one product ------------------------------------------------------------------------------------------------------


@bp.get(f"/products/{ONE}", endpoint="product")
@customer_required
def product_page(number: int) -> Response:
    product = own_product(number)
    return show_product(product, form_of(product))


@bp.post(f"/products/{ONE}")
@customer_required
def edit(number: int) -> BaseResponse:
    product = own_product(number)
    form = Form(request.form)
    details = read_details(form, product)
    uninvited = my_account().invited_at is None
    if form.ok:
        try:
            product = products.edit(product, details, me(), portal(), clock.now())
        except products.SerialTaken as taken:
            form.fail("serial", taken_sentence(taken))
        except products.Incomplete as refused:
            for name in refused.missing:
                sentence = _("%(label)s: the product has its points, so this cannot be empty.", label=label_of(name))
                form.fail(name, sentence)
        except products.Gone:
            abort(404)
    if not form.ok:
        return show_product(product, form, status=422)
    said = saved_sentence(product, uninvited)
    if wants_fragment("product"):
        return show_product(product, form_of(product), CHANGED, opened=False, focus=True, status_line=said)
    flash(said, "good" if product.is_complete else "amber")
    return see_other(url_for(".products"))


def show_product(product: Product, form: Form, also: Also = (), status: int = 200, **context: Any) -> Response:
    """The product's page or its row."""
    return page(
        "products/product.html",
        "product",
        also=also,
        status=status,
        product=product,
        form=form,
        preview=0,
        **choices([product]),
        **grid_of_this_page(),
        **{"opened": True, "focus": False, **context},
    )


@bp.get(f"/products/{ONE}/remove")
@customer_required
def remove(number: int) -> Response:
    return show_removal(own_product(number), Form())


@bp.post(f"/products/{ONE}/remove")
@customer_required
def remove_now(number: int) -> BaseResponse:
    product = own_product(number)
    form = Form(request.form)
    reason = form.choice("reason", _("Reason"), products.REASONS)
    if not form.ok:
        return show_removal(product, form, status=422)
    try:
        products.remove(product, reason, me(), clock.now())
    except products.Gone:
        abort(404)
    total = i18n.points(my_account().points())
    flash(_("%(product)s is removed. You now have %(total)s.", product=product.item.name, total=total), "good")
    return see_other(url_for(".products"))


def show_removal(product: Product, form: Form, status: int = 200) -> Response:
    points = my_account().points()
    after = points - product.points if product.is_complete else points
    return page("products/remove.html", status=status, product=product, form=form, points=points, after=after)


@bp.get("/products/points")
@customer_required
def ledger() -> Response:
    account = my_account()
    return page("products/points.html", lines=products.ledger(account), zone=portal().market.timezone)


# --- moving over from an old account ----------------------------------------------------------------------------------


@bp.get("/products/migration", endpoint="migration")
@customer_required
def migration_page() -> Response:
    return show_migration()


@bp.post("/products/migration")
@customer_required
def move() -> BaseResponse:
    try:
        rows = migration.move(my_account(), me(), portal(), clock.now())
    except migration.NotProved:
        return show_migration(status=403)
    except migration.NothingToMove:
        return see_other(url_for(".migration"))
    moved = sum(row.verdict in ("moved", "incomplete") for row in rows)
    flash(ngettext("%(n)s product was moved.", "%(n)s products were moved.", moved), "good")
    return see_other(url_for(".migration"))


def show_migration(status: int = 200) -> Response:
    """The preview, once the old address is proved; what was moved; else the three ways (promise 5)."""
    account = my_account()
    old = old_account()
    unproved = old["waiting"] > 0 and migration.needs_proof(account, me())
    return page(
        "products/migration.html",
        status=status,
        unproved=unproved,
        preview=[] if unproved else migration.preview(account),
        report=migration.report(account),
        **old,
    )


@bp.get("/products/migration/proof")
@customer_required
def proof_start() -> BaseResponse:
    return redirect(url_for(".migration"), 303)


@bp.post("/products/migration/proof")
@customer_required
def proof_ask() -> BaseResponse:
    """Mail a link to the old address. Too many in an hour: limits.Refused → 429."""
    try:
        migration.request_proof(my_account(), me(), portal(), clock.now())
    except migration.NothingToMove:
        return see_other(url_for(".migration"))
    flash(_("We have sent a link to %(email)s. It works once, within 7 days.", email=my_account().old_email), "good")
    return see_other(url_for(".migration"))


@bp.get("/products/migration/proof/<token>")
@no_store
def proof(token: str) -> Response:
    """Where the mailed link leads: nothing happens before the button, since mail scanners open every link."""
    link = migration.proof(token, clock.now())
    return page("products/proof.html", status=200 if link else 404, link=link)


@bp.post("/products/migration/proof/<token>")
@no_store
def proof_confirm(token: str) -> BaseResponse:
    link = migration.proof(token, clock.now())
    if link is None:
        return page("products/proof.html", status=404, link=None)
    migration.prove(link, clock.now())
    return see_other(url_for(".proof", token=token))


# --- reading and saying -----------------------------------------------------------------------------------------------


def own_product(number: int) -> Product:
    """The customer's present product; anybody else's is 404."""
    product: Product | None = Product.of(my_account()).where(Product.id == number).get_or_none()
    if product is None:
        abort(404)
    product.account = my_account()
    return product


def read_details(form: Form, saved: Product | None = None) -> products.Details:
    """The mandatory data as typed, cleaned; notes what is wrong. What was `saved` before is not doubted again."""
    known = saved.country if saved and saved.country else ""
    return products.Details(
        serial=read_serial(form, saved) or None,
        purchased=read_purchased(form) or None,
        approximate=form.checked("approximate"),
        country=form.choice("country", label_of("country"), {*portal().market.countries, known}, optional=True) or None,
        dealer=form.text("dealer", label_of("dealer"), optional=True) or None,
    )


def read_serial(form: Form, saved: Product | None) -> str:
    """The serial number. One that looks like something else is asked about once, with a box to tick (domain.md 2)."""
    try:
        serial = products.clean_serial(form.values.get("serial", ""))
    except ValueError:
        return form.fail("serial", _("Serial number: 5 to 14 letters and digits, as on the product itself."))
    hint = products.serial_hint(serial)
    if hint and not form.checked("serial_ok") and not (saved and saved.serial == serial):
        form.values["serial_ok"] = ""  # shows the box
        looks = {
            "barcode": _("Serial number: this looks like the barcode on the box. If it is right, tick below."),
            "date_code": _("Serial number: this looks like a lens's date code. If it is right, tick below."),
        }
        return form.fail("serial", looks[hint])
    return serial


def read_purchased(form: Form) -> str:
    try:
        return products.parse_purchased(form.values.get("purchased", ""), today())
    except products.PurchaseDateRefused as refused:
        why = {
            "unreadable": _("Purchase date: write a year, a month or a day, such as 2024, 2024-05 or 2024-05-03."),
            "early": _("Purchase date: it cannot be before %(year)s.", year=products.EARLIEST),
            "future": _("Purchase date: it cannot be in the future."),
        }
        return form.fail("purchased", why[refused.code])


def blank() -> Form:
    return Form(country=my_account().country)


def form_of(product: Product) -> Form:
    """The product's data as a form shows them."""
    return Form(
        serial=product.serial or "",
        purchased=product.purchased or "",
        approximate="on" if product.approximate else "",
        country=product.country or "",
        dealer=product.dealer or "",
    )


def choices(own: list[Product]) -> dict[str, Any]:
    """Countries and dealers to choose from; a moved product may come from a country that is not the programme's."""
    codes = dict.fromkeys([*portal().market.countries, *(product.country for product in own if product.country)])
    return {"countries": i18n.countries(tuple(codes)), "dealers": products.dealers(own, clock.now())}


def old_account() -> dict[str, Any]:
    """What the migrate button needs: how many products wait, and whether some were moved already."""
    candidate = migration.candidate(my_account())
    waiting = migration.waiting(candidate) if candidate else 0
    return {"waiting": waiting, "moved": not waiting and migration.has_moved(my_account()), "account": my_account()}


def grid_of_this_page(product_count: int | None = None) -> dict[str, Any]:
    """The grid beneath the list, with its switch as the page's address has it (htmx tells the address)."""
    address = request.headers.get("HX-Current-URL", "").partition("?")[2]
    corporate = request.args.get("corporate") == "on" if request.args else "corporate=on" in address.split("&")
    return grid_context(my_account(), corporate, product_count, grid_url=url_for(".products"), grid_heading="h2")


def label_of(name: str) -> str:
    """A mandatory field's name as a label."""
    return {
        "serial": _("Serial number"),
        "purchased": _("Purchase date"),
        "country": _("Country of purchase"),
        "dealer": _("Dealer"),
    }[name]


@bp.app_template_filter()
def data_names(fields: list[str]) -> str:
    """`dealer, purchase date`: mandatory data by name, for a sentence."""
    names = {
        "serial": _("serial number"),
        "purchased": _("purchase date"),
        "country": _("country of purchase"),
        "dealer": _("dealer"),
    }
    return ", ".join(names[field] for field in fields)


@bp.app_template_filter()
def purchase_date(value: str) -> str:
    """A year, month or day as people write it: `2024`, `2024. május`, `2024. május 3.`"""
    if len(value) == 10:
        return i18n.day(dt.date.fromisoformat(value))
    if len(value) == 7:
        return str(format_skeleton("yMMMM", dt.date.fromisoformat(f"{value}-01"), locale=i18n.LOCALES[i18n.language()]))
    return value


def taken_sentence(taken: products.SerialTaken) -> str:
    """The same for every stranger: who holds a serial number is nobody's business."""
    if taken.own:
        return _("Serial number: this product is on your list already.")
    return _("Serial number: this product is registered already. If you bought it second-hand, write to the helpdesk.")


def saved_sentence(product: Product, uninvited: bool) -> str:
    """What a saved form has done, in one or two sentences."""
    name, total = product.item.name, i18n.points(my_account().points())
    if not product.is_complete:
        return _("%(product)s is saved. Missing: %(data)s.", product=name, data=data_names(product.missing))
    points = i18n.points(product.points)
    said = _("%(product)s is complete: %(points)s. You now have %(total)s.", product=name, points=points, total=total)
    if uninvited and my_account().invited_at:
        said += " " + _("You are invited to join.")
    return said
