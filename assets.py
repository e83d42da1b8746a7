"""Static files from memory: hashed names, cached for good, compressed once at start.

The one door to static/. No build step, so nothing can go stale; no file is read while a request waits.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import brotli
from flask import Flask, Response, abort, request

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain",
}
PACKED = (".css", ".js", ".svg", ".txt")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its address, its type, and its body in each encoding that makes it smaller."""

    url: str
    mimetype: str
    bodies: dict[str, bytes]  # by Content-Encoding; "" is the plain one


def read(path: Path) -> Asset:
    """`static/app.css` as `/static/app.<hash>.css`. Raises KeyError for a type the portal does not serve."""
    plain = path.read_bytes()
    name = f"{path.stem}.{blake2b(plain, digest_size=5).hexdigest()}{path.suffix}"
    bodies = {"": plain}
    if path.suffix in PACKED:
        packed = {"br": brotli.compress(plain, quality=11), "gzip": gzip.compress(plain, 9, mtime=0)}
        bodies |= {encoding: body for encoding, body in packed.items() if len(body) < len(plain)}
    return Asset(f"/static/{name}", TYPES[path.suffix], bodies)


def init_assets(app: Flask, folder: Path = FOLDER) -> None:
    """Serve `folder` at /static/<hashed name> (endpoint `static`) and give templates `asset("app.css")`."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    by_name = {path.name: read(path) for path in files}
    by_url = {found.url: found for found in by_name.values()}

    def asset(name: str) -> str:
        """The address of a file in static/. Raises KeyError for a file that is not there."""
        return by_name[name].url

    @app.get("/static/<name>", endpoint="static")
    def serve(name: str) -> Response:
        """A file by its hashed name; any other name is 404."""
        found = by_url.get(f"/static/{name}")
        if found is None:
            abort(404)
        accepted = [name for name in ("br", "gzip") if name in found.bodies and request.accept_encodings.quality(name)]
        encoding = accepted[0] if accepted else ""
        response = Response(found.bodies[encoding], mimetype=found.mimetype)
        if encoding:
            response.content_encoding = encoding
        if len(found.bodies) > 1:
            response.vary.add("Accept-Encoding")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    app.jinja_env.globals["asset"] = asset
