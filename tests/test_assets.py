"""Static files: hashed, packed, kept for good, of the right type; nothing else is served."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import brotli
import pytest
from flask import Flask
from flask.testing import FlaskClient

import assets

CSS = "body { color: black }\n" * 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A static folder with one file of each kind."""
    (tmp_path / "app.css").write_text(CSS)
    (tmp_path / "app.js").write_text("'use strict';\n" * 50)
    (tmp_path / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'></svg>")
    (tmp_path / "dot.png").write_bytes(bytes(500))
    (tmp_path / ".hidden").write_text("no")
    return tmp_path


@pytest.fixture
def site(folder: Path) -> Flask:
    """Nothing but static files."""
    app = Flask(__name__, static_folder=None)
    assets.init_assets(app, folder)
    return app


@pytest.fixture
def visitor(site: Flask) -> FlaskClient:
    """A visitor's browser."""
    return site.test_client()


def address(site: Flask, name: str) -> str:
    asset = site.jinja_env.globals["asset"]
    assert callable(asset)
    return str(asset(name))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("app.css", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml; charset=utf-8"),
        ("dot.png", "image/png"),
    ],
)
def test_hashed_name_type_and_cache(site: Flask, visitor: FlaskClient, folder: Path, name: str, kind: str) -> None:
    url = address(site, name)
    stem, _, suffix = name.rpartition(".")
    assert re.fullmatch(rf"/static/{stem}\.[0-9a-f]{{10}}\.{suffix}", url)
    answer = visitor.get(url)
    assert (answer.status_code, answer.content_type) == (200, kind)
    assert answer.data == (folder / name).read_bytes()
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("identity", None),
        ("", None),
        ("*", "br"),
    ],
)
def test_packed_as_the_browser_accepts(site: Flask, visitor: FlaskClient, accepts: str, encoding: str | None) -> None:
    answer = visitor.get(address(site, "app.css"), headers={"Accept-Encoding": accepts})
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.headers["Vary"] == "Accept-Encoding"
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    assert unpack(answer.data) == CSS.encode()


def test_a_picture_is_not_packed(site: Flask, visitor: FlaskClient) -> None:
    answer = visitor.get(address(site, "dot.png"), headers={"Accept-Encoding": "br"})
    assert "Content-Encoding" not in answer.headers
    assert "Vary" not in answer.headers


def test_the_name_follows_the_content(site: Flask, folder: Path) -> None:
    before = address(site, "app.css")
    (folder / "app.css").write_text(CSS + "p {}")
    app = Flask(__name__, static_folder=None)
    assets.init_assets(app, folder)
    assert address(app, "app.css") != before
    assert app.test_client().get(before).status_code == 404


@pytest.mark.parametrize("name", ["app.css", "none.css", ".hidden", "..%2fapp.py", "app.0000000000.css", "a\0b"])
def test_anything_else_is_not_found(visitor: FlaskClient, name: str) -> None:
    assert visitor.get(f"/static/{name}").status_code == 404


def test_a_misspelt_file_breaks_the_page_not_the_visitor(site: Flask) -> None:
    with pytest.raises(KeyError):
        address(site, "ap.css")


def test_an_unknown_type_is_not_started_with(tmp_path: Path) -> None:
    (tmp_path / "page.xhtml").write_text("<html>")
    with pytest.raises(KeyError):
        assets.init_assets(Flask(__name__, static_folder=None), tmp_path)


def test_the_portals_own_files_are_read_at_once() -> None:
    app = Flask(__name__, static_folder=None)
    assets.init_assets(app)
    assert address(app, "app.css")
