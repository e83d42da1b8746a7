"""The account: sign-up, password links, log-in and log-out, and the page where one's own data are kept. HTTP only.

Nothing here tells a visitor whether an address is known: same page, same status, same bytes (DESIGN 2.2).
"""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, abort, flash, request, session, url_for
from flask_login import current_user, login_required
from werkzeug.wrappers import Response as BaseResponse

import i18n
from i18n import gettext as _
from market import LANGUAGES
from models import CatalogueItem, LoginSession
from services import accounts, audit, clock, invoices, limits, passwords, sessions
from views.access import customer_required, enter, own_path
from views.delivery import never_stored
from views.errors import in_words
from views.forms import Form
from views.rendering import me, my_account, page, portal, see_other
from views.site import picked, speaking

bp = Blueprint("account", __name__)
bp.after_request(never_stored)


# --- signing up and links -------------------------------------------------------------------------------------------


@bp.route("/account/new", methods=["GET", "POST"])
def new() -> BaseResponse:
    """The business account (source document, step 0). The same answer for every address."""
    if current_user.is_authenticated:
        return see_other(url_for("site.home"))
    form = Form(request.form, country=portal().market.countries[0], language=i18n.language())
    items = picked(request.values.getlist("item")).items
    if request.method == "POST":
        sign_up = accounts.SignUp(
            business=read_business(form),
            name=form.text("name", _("Contact name")),
            email=form.email("email", _("E-mail address")),
            old_email=form.email("old_email", _("Old CPS e-mail address"), optional=True),
            language=form.choice("language", _("Language"), LANGUAGES),
            items=tuple(item.key for item in items),
        )
        if form.ok:
            try:
                accounts.register(sign_up, request.remote_addr or "", portal(), clock.now())
                return see_other(url_for(".check_mail"))
            except limits.Refused as refused:
                return new_page(form, items, refused)
    return new_page(form, items)


def new_page(form: Form, items: list[CatalogueItem], refused: limits.Refused | None = None) -> Response:
    """The sign-up form with what was typed; after too many tries with the time to wait."""
    if refused:
        form.fail("email", _("Too many tries. Try again in %(time)s.", time=in_words(refused.wait)))
    response = page(
        "account/new.html",
        status=429 if refused else 422 if form.errors else 200,
        form=form,
        items=items,
        countries=i18n.countries(portal().market.countries),
    )
    if refused:
        response.headers["Retry-After"] = str(refused.wait)
    return response


@bp.get("/account/check-mail")
def check_mail() -> BaseResponse:
    """After a sign-up or a request for a link: what happens next, for everybody alike, and another link."""
    return page("account/check_mail.html", form=Form())


@bp.route("/account/password", methods=["GET", "POST"])
def password() -> BaseResponse:
    """Ask for a link that sets the password."""
    form = Form(request.form)
    if request.method == "POST":
        email = form.email("email", _("E-mail address"))
        if form.ok:
            accounts.request_reset(email, request.remote_addr or "", portal(), clock.now())
            return see_other(url_for(".check_mail"))
    return page("account/password.html", status=422 if form.errors else 200, form=form)


@bp.route("/account/password/<token>", methods=["GET", "POST"])
def password_link(token: str) -> BaseResponse:
    """The mailed link: looking at it changes nothing (mail scanners look), sending the form uses it up."""
    link = accounts.link_of(token, clock.now())
    if link is None:
        return dead_link()
    form = Form(request.form)
    if request.method == "POST":
        try:
            accounts.set_password(link, form.values.get("password", ""), portal(), clock.now())
        except accounts.LinkDead:
            return dead_link()
        except accounts.PasswordRefused as refusal:
            form.fail("password", password_sentence(refusal.why))
        else:
            flash(_("Your password is set. Log in with it now."), "good")
            return see_other(url_for(".login"))
    return page(
        "account/set_password.html",
        status=422 if form.errors else 200,
        form=form,
        link=link,
        shortest=passwords.SHORTEST,
    )


def dead_link() -> Response:
    """One page for every link that does not work, whatever the cause; it offers a new one."""
    return page("account/dead_link.html", status=410, form=Form())


def password_sentence(why: str) -> str:
    """Why a new password is refused, in words."""
    return {
        "short": _(
            "The password needs at least %(count)s characters; four words with spaces are enough.",
            count=passwords.SHORTEST,
        ),
        "long": _("The password can have at most %(count)s characters.", count=passwords.LONGEST),
        "characters": _("There is a character in the password that cannot be typed again later."),
        "common": _("This password is among the first that are tried. Choose one that is yours alone."),
        "context": _(
            "This password is made of names that can be guessed: yours, your company's, ours or a product's."
            " Add other words."
        ),
    }[why]


# --- in and out -----------------------------------------------------------------------------------------------------


@bp.route("/login", methods=["GET", "POST"])
def login() -> BaseResponse:
    """Log in, and on to where one wanted to go."""
    onward = own_path(request.values.get("next", "")) or url_for("site.home")
    if request.method != "POST" and current_user.is_authenticated and not portal().demo:
        return see_other(onward)
    form = Form(request.form)
    if request.method == "POST":
        email = form.email("email", _("E-mail address"))
        if not form.values.get("password"):
            form.fail("password", _("%(label)s: this is missing.", label=_("Password")))
        if form.ok:
            try:
                user = accounts.log_in(email, form.values["password"], request.remote_addr or "", clock.now())
            except accounts.WrongLogIn:
                form.fail("email", _("The e-mail address and the password do not belong together."))
            else:
                enter(user)
                return see_other(onward)
    return page("account/login.html", status=422 if form.errors else 200, form=form, onward=onward)


@bp.route("/logout", methods=["GET", "POST"])
def logout() -> BaseResponse:
    """End this session on the server; the browser forgets its pages too. A GET ends nothing."""
    if request.method != "POST":
        return see_other(url_for("site.home"))
    if current_user.is_authenticated:
        audit.record(me(), "logout", f"user {me().id}")
        sessions.end(me().session)
    return left(see_other(url_for("site.home")))


def left(response: BaseResponse) -> BaseResponse:
    """An answer after which this browser knows nothing of the user."""
    session.clear()
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


# --- one's own page -------------------------------------------------------------------------------------------------


@bp.get("/account")
@login_required
def profile() -> BaseResponse:
    """Profile, old address, password, sessions, data."""
    return profile_page()


def profile_page(**forms: Form) -> Response:
    """The page with its forms as they are, but for those that came back."""
    user, account = me(), me().account
    names = ("company", "country", "vat_id", "street", "postcode", "city")
    known = {name: getattr(account, name) for name in names} if account else {}
    shown: dict[str, Any] = {
        "profile_form": Form(None, name=user.name, language=user.language, **known),
        "old_form": Form(None, old_email=account.old_email if account else ""),
        "password_form": Form(),
        **forms,
    }
    wrong = next((form for form in forms.values() if form.errors), None)
    return page(
        "account/profile.html",
        status=422 if wrong else 200,
        form=wrong or Form(),
        account=account,
        logins=accounts.sessions_of(user, clock.now()),
        present=user.session,
        device=device,
        shortest=passwords.SHORTEST,
        countries=i18n.countries(portal().market.countries),
        **shown,
    )


def device(user_agent: str) -> str:
    """A browser and its system as people call them, or an empty text. Order matters: Edge also says Chrome."""
    browsers = {"Edg": "Edge", "OPR/": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox/": "Firefox",
                "FxiOS": "Firefox", "Chrome/": "Chrome", "CriOS": "Chrome", "Safari/": "Safari"}  # fmt: skip
    systems = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS X": "macOS",
               "CrOS": "ChromeOS", "Linux": "Linux"}  # fmt: skip
    found = [next((name for sign, name in names.items() if sign in user_agent), "") for names in (browsers, systems)]
    return ", ".join(name for name in found if name)


@bp.get("/account/profile")
@bp.get("/account/old-email")
@bp.get("/account/change-password")
@bp.get("/account/sessions/end")
def back_to_profile() -> BaseResponse:
    """Addresses that forms are sent to, when they are opened by hand."""
    return see_other(url_for(".profile"))


@bp.post("/account/profile")
@login_required
def save_profile() -> BaseResponse:
    """Name, language, and the business behind the account."""
    form = Form(request.form)
    name = form.text("name", _("Contact name"))
    language = form.choice("language", _("Language"), LANGUAGES)
    business = read_business(form) if me().account else None
    if not form.ok:
        return profile_page(profile_form=form)
    accounts.change_profile(me(), name, language, business)
    i18n.use(language)
    flash(_("Your data are saved."), "good")
    return speaking(language, see_other(url_for(".profile")))


@bp.post("/account/old-email")
@customer_required
def save_old_email() -> BaseResponse:
    """Add or change the address known to the old programme (source document 1)."""
    form = Form(request.form)
    email = form.email("old_email", _("Old CPS e-mail address"), optional=True)
    if not form.ok:
        return profile_page(old_form=form)
    accounts.set_old_email(me(), email)
    flash(_("Your old e-mail address is saved.") if email else _("Your old e-mail address is removed."), "good")
    return see_other(url_for("products.migration") if email else url_for(".profile"))


@bp.post("/account/change-password")
@login_required
def change_password() -> BaseResponse:
    """A new password ends every session; this browser gets a new one."""
    form = Form(request.form)
    try:
        accounts.change_password(
            me(), form.values.get("current", ""), form.values.get("password", ""), portal(), clock.now()
        )
    except accounts.WrongPassword:
        form.fail("current", _("This is not your current password."))
    except accounts.PasswordRefused as refusal:
        form.fail("password", password_sentence(refusal.why))
    if not form.ok:
        return profile_page(password_form=form)
    enter(me())
    flash(_("Your password is changed. Your other log-ins have ended."), "good")
    return see_other(url_for(".profile"))


@bp.post("/account/sessions/end")
@login_required
def end_sessions() -> BaseResponse:
    """End every other log-in, or the one named by `session`."""
    chosen = request.form.get("session", "")
    if chosen:
        found = LoginSession.get_or_none(LoginSession.id == number(chosen), LoginSession.user == me())
        if found is None:
            abort(404)
        sessions.end(found)
    else:
        sessions.end_all(me(), keep=me().session)
    audit.record(me(), "sessions.ended", f"user {me().id}")
    flash(_("Ended. Whoever was logged in there has to log in again."), "good")
    return see_other(url_for(".profile"))


def number(text: str) -> int:
    """A row's id as typed into a form; 0, which no row has, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


@bp.get("/account/export")
@login_required
def export() -> BaseResponse:
    """Everything the portal keeps about the user, as one JSON file."""
    body = json.dumps(accounts.export(me()), ensure_ascii=False, indent=2)
    name = f"{portal().market.programme.lower()}-{clock.now():%Y-%m-%d}.json"
    return Response(
        body, mimetype="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@bp.route("/account/delete", methods=["GET", "POST"])
@customer_required
def delete() -> BaseResponse:
    """Close the account: what stays and what goes, then the password."""
    form = Form(request.form)
    if request.method == "POST":
        try:
            accounts.close(me(), form.values.get("password", ""), clock.now())
        except accounts.WrongPassword:
            form.fail("password", _("This is not your current password."))
        except accounts.MembershipRuns as refusal:
            form.fail(
                "password",
                _(
                    "Your membership runs until %(day)s. The account can be closed after that.",
                    day=i18n.day(refusal.ends_on),
                ),
            )
        except invoices.InvoiceOpen as refusal:
            form.fail(
                "password",
                _(
                    "Invoice %(number)s is still open. The account can be closed once it is paid.",
                    number=refusal.number,
                ),
            )
        else:
            response = left(see_other(url_for("site.home")))
            flash(_("Your account is closed and your data are deleted."), "good")
            return response
    return page("account/delete.html", status=422 if form.errors else 200, form=form, account=my_account())


def read_business(form: Form) -> accounts.Business:
    """The business fields of a form; what is wrong is noted there, in the order of the fields."""
    company = form.text("company", _("Company"))
    country = form.choice("country", _("Country"), portal().market.countries)
    vat_id = form.text("vat_id", _("VAT id"), limit=20, optional=True)
    if vat_id and country:
        try:
            vat_id = accounts.normal_vat_id(vat_id, country)
        except ValueError:
            form.fail(
                "vat_id",
                _("VAT id: this is not a valid number in the chosen country. Check the digits, or leave it empty."),
            )
    return accounts.Business(
        company=company,
        country=country,
        vat_id=vat_id,
        street=form.text("street", _("Street and number")),
        postcode=form.text("postcode", _("Postcode"), limit=12),
        city=form.text("city", _("City"), limit=80),
    )
