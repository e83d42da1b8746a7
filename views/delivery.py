"""The last step of every answer: how it may be cached, 304 when the browser has it already, and fewer bytes.

Knows nothing of what a page says. Sizes and choices: frontend.md 4.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from typing import Any

import brotli
from flask import Flask, Response, after_this_request, request
from flask.sessions import SecureCookieSessionInterface, SessionMixin

PACKED_TYPES = ("text/", "application/json", "application/xml", "image/svg+xml")
WORTH_PACKING = 200  # bytes
VARY = ("HX-Request", "HX-Target", "Accept-Encoding", "Accept-Language")


class VisitorSession(SecureCookieSessionInterface):
    """flask's session, but to look for one that a visitor does not have leaves no `Vary: Cookie` (server.md c7.6)."""

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if session.modified or self.get_cookie_name(app) in request.cookies:
            super().save_session(app, session, response)


def install(app: Flask) -> None:
    """Deliver `app`'s answers. Install it last but for pages: what it sees is what goes out."""
    app.session_interface = VisitorSession()
    app.after_request_funcs.setdefault(None, []).insert(0, deliver)  # after-hooks run last to first


def no_store(view: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a view whose answer must not be kept anywhere: account, payment, invoice. Put it below the route."""

    @wraps(view)
    def unkept(*args: Any, **kwargs: Any) -> Any:
        after_this_request(never_stored)
        return view(*args, **kwargs)

    return unkept


def never_stored(response: Response) -> Response:
    """For a whole area: `bp.after_request(never_stored)`."""
    response.headers["Cache-Control"] = "no-store"
    return response


def deliver(response: Response) -> Response:
    """Cache headers, ETag and 304 for pages; then compression for anything textual."""
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "private, no-cache")
        response.vary.update(VARY)
        tag(response)
    pack(response)
    return response


def tag(response: Response) -> None:
    """An ETag, and 304 without a body if the browser holds it. Weak: the compressed bodies differ in their bytes."""
    kept = "no-store" not in response.headers["Cache-Control"]
    if request.method in ("GET", "HEAD") and response.status_code == 200 and kept and not response.is_streamed:
        response.set_etag(blake2b(response.get_data(), digest_size=9).hexdigest(), weak=True)
        response.make_conditional(request)


def pack(response: Response) -> None:
    """Brotli 5 or gzip 6, whatever the status: an error page travels the same slow line (frontend.md 4.1)."""
    if (
        response.status_code in (204, 304)
        or response.is_streamed
        or response.direct_passthrough
        or response.content_encoding
        or not (response.mimetype or "").startswith(PACKED_TYPES)
        or len(response.get_data()) < WORTH_PACKING
    ):
        return
    response.vary.add("Accept-Encoding")
    body = response.get_data()
    if request.accept_encodings.quality("br"):
        response.set_data(brotli.compress(body, quality=5, lgwin=16))
        response.content_encoding = "br"
    elif request.accept_encodings.quality("gzip"):
        response.set_data(gzip.compress(body, 6, mtime=0))
        response.content_encoding = "gzip"
