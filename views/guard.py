"""Before and after every view: cross-site posts and unreadable text are refused, security headers go out.

Header-based, so that pages hold no token and can be cached by ETag (server.md c6, c7). Holds no page's business.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from flask import Flask, Response, abort, request
from werkzeug.exceptions import SecurityError

from views.rendering import portal

READS = ("GET", "HEAD", "OPTIONS")
LARGEST_BODY = 64 * 1024  # bytes; the longest form is a pasted fleet
MOST_FIELDS = 200
STRIPE = " https://checkout.stripe.com"  # Chrome applies form-action to where a form's answer redirects


def install(app: Flask) -> None:
    """Put the guard around `app`. Install it after the database's hooks: its error pages may show who is logged in."""
    settings = app.config["PORTAL"]
    hosts = [urlsplit(settings.base_url).hostname]
    if settings.demo:
        hosts += ["127.0.0.1", "localhost"]
    app.config.update(TRUSTED_HOSTS=hosts, MAX_CONTENT_LENGTH=LARGEST_BODY, MAX_FORM_PARTS=MOST_FIELDS)
    headers = security_headers(settings.secure, card_provider=STRIPE if settings.stripe_key else "")

    # First of all hooks: for a foreign host Flask cannot build addresses, so no page of ours could answer
    app.before_request_funcs.setdefault(None, []).insert(0, refuse_foreign_host)
    app.before_request(refuse_cross_site)
    app.before_request(refuse_unreadable_text)

    @app.after_request
    def secure(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)  # the demo's mail frame has a policy of its own
        return response


def security_headers(https: bool, card_provider: str = "") -> dict[str, str]:
    """What every answer carries (server.md c7.3)."""
    headers = {
        "Content-Security-Policy": (
            f"default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'{card_provider};"
            " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types htmx"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if https:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return headers


def refuse_foreign_host() -> Response | None:
    """A Host the portal does not go by: 400, as plain text."""
    if isinstance(request.routing_exception, SecurityError):
        return Response("This is not an address of the portal.\n", 400, mimetype="text/plain")
    return None


def refuse_cross_site() -> None:
    """403 for a write that another site started, or that does not say who started it (server.md c7.1)."""
    if request.method not in READS and not is_our_own():
        abort(403)


def is_our_own() -> bool:
    """Whether our own page, or the user by hand, sent this: by Sec-Fetch-Site, else Origin, else Referer."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")  # none: the user did, e.g. by reloading an answer
    claimed = request.headers.get("Origin") or request.headers.get("Referer")
    if not claimed:
        return False
    try:
        origin = urlsplit(claimed)
    except ValueError:
        return False
    home = urlsplit(portal().base_url)
    here = urlsplit(f"{home.scheme}://{request.host}")
    return address(origin) in (address(home), address(here))


def address(url: SplitResult) -> tuple[str, str, int | None]:
    """Scheme, host and port of an origin, default ports filled in; equal for no other origin, and never for `null`."""
    try:
        port = url.port
    except ValueError:
        port = -1
    return url.scheme, url.hostname or "", port or {"http": 80, "https": 443}.get(url.scheme)


def refuse_unreadable_text() -> None:
    """400 for NUL or half a surrogate pair anywhere in the address or the form: no database can keep them."""
    texts = [request.path]
    for typed in (request.args, request.form):
        for name, values in typed.lists():
            texts += [name, *values]
    for text in texts:
        if "\0" in text or not is_encodable(text):
            abort(400)


def is_encodable(text: str) -> bool:
    """Whether `text` is free of lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
