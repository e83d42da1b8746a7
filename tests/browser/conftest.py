"""The portal on loopback in real Chromium: the demo with its people, fresh for each test."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from app import create_app
from models import db
from services import clock, demo
from tests.conftest import MakeSettings

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or subprocess.check_output([ROOT / "tools/chromium.sh"], text=True).strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path or None, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def portal(settings: MakeSettings) -> Iterator[str]:
    """The demo with its people, served on a free port; its address."""
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True, request_handler=Quiet)
    address = f"http://127.0.0.1:{server.server_port}"
    demo_settings = settings(demo=True, base_url=address)
    server.app = create_app(demo_settings)
    with db.connection_context():
        demo.seed(demo_settings, clock.now(), clock.today(demo_settings.market.timezone, demo=True))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield address
    server.shutdown()
    thread.join()
    server.server_close()
    db.close_all()


class Quiet(WSGIRequestHandler):
    """Serves without writing a line for each request."""

    def log(self, *_: object) -> None:
        pass


@pytest.fixture
def visit(chromium: Browser, portal: str) -> Iterator[Callable[..., Page]]:
    """`visit(javascript=True, language="hu", width=1280)`: a fresh visitor; a console error fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(javascript: bool = True, language: str = "hu", width: int = 1280, scheme: str = "light") -> Page:
        context = chromium.new_context(
            base_url=portal,
            java_script_enabled=javascript,
            locale=language,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(8000)
        page.on(
            "console",
            lambda message: complaints.append(message.text) if is_complaint(message.text, message.type) else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def is_complaint(text: str, kind: str) -> bool:
    """Console errors are defects, except the browser's own line about an answer that was meant to be a refusal."""
    return kind == "error" and "Failed to load resource: the server responded with a status of 4" not in text


@pytest.fixture
def axe() -> Callable[[Page], None]:
    """Fails with a readable list when axe-core finds anything on the page as it stands."""

    def check(page: Page) -> None:
        results = Axe().run(
            page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
        )
        found = [
            f"{v['id']}: {v['help']}: {[node['html'][:120] for node in v['nodes'][:3]]}"
            for v in results.response["violations"]
        ]
        assert not found, f"{page.url}\n" + "\n".join(found)

    return check
