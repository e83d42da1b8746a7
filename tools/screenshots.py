"""Takes the README's screenshots and, on request, every page in every dress for looking at.

.venv/bin/python tools/screenshots.py            docs/screenshots/*.png
.venv/bin/python tools/screenshots.py all FOLDER [WORD…]    every page whose name
                                                                 has a word, in four dresses
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

import config
from app import create_app
from models import Account, Invoice, Order, Product, User, db

ROOT = Path(__file__).parents[1]
# name, person ("-": a visitor), address
README = """
home - /
tiers erika /tiers
products bela /products
invoice gabi INVOICE
"""
ALL = """
home - /
points - /points?item=eos-r3&item=ext-rf-14
points-empty - /points
faq - /faq
account-new - /account/new
password - /account/password
login - /login
missing - /nothing-here
mail - /demo/mail
message - /demo/mail/1
clock - /demo/clock
home-anna anna /
products-anna anna /products
tiers-anna anna /tiers
home-bela bela /
products-bela bela /products
product-bela bela PRODUCT
remove-bela bela REMOVE
ledger-bela bela /products/points
products-cili cili /products
migration-cili cili /products/migration
tiers-denes denes /tiers
home-erika erika /
tiers-erika erika /tiers
corporate-erika erika /tiers?corporate=on
join-erika erika /tiers/gold/join
locked-bela bela /tiers/gold/join
home-ferenc ferenc /
membership-ferenc ferenc /membership
membership-anna anna /membership
order-ferenc ferenc ORDER
invoices-ferenc ferenc /invoices
invoice-ferenc ferenc INVOICE
invoice-gabi gabi INVOICE
membership-gabi gabi /membership
invoices-anna anna /invoices
account-ferenc ferenc /account
"""
DRESSES = ((1280, "light", "hu"), (360, "light", "hu"), (1280, "dark", "en"), (360, "dark", "en"))


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


def serve(folder: str) -> str:
    """The demo with its people on a free port; its address."""
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    address = f"http://127.0.0.1:{server.server_port}"
    settings = config.load(
        {"PORTAL_DEMO": "1", "PORTAL_SECRET_KEY": "x" * 32, "PORTAL_BASE_URL": address,
         "PORTAL_DATABASE": f"sqlite:///{folder}/portal.db"}
    )  # fmt: skip
    app = server.app = create_app(settings)
    for command in ("setup", "demo"):
        app.test_cli_runner().invoke(args=[command], catch_exceptions=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return address


def path_of(person: str, path: str) -> str:
    """Addresses that depend on what the demo made."""
    with db.connection_context():
        if path == "INVOICE":
            return f"/invoices/{Invoice.of(account_of(person)).get().number}"
        if path in ("PRODUCT", "REMOVE"):
            return f"/products/{Product.of(account_of(person)).get().id}" + ("/remove" if path == "REMOVE" else "")
        if path == "ORDER":
            order = Order.get(Order.account == account_of(person))
            return f"/tiers/{order.tier}/join/{order.key}"
    return path


def account_of(person: str) -> Account:
    account: Account = Account.select().join(User).where(User.email == f"{person}@example.com").get()
    return account


def take(browser: Browser, address: str, row: list[str], target: Path, dress: tuple[int, str, str]) -> None:
    """One page in one dress: width, colour scheme, language."""
    _name, person, path = row
    width, scheme, language = dress
    context = browser.new_context(
        base_url=address,
        viewport={"width": width, "height": 800},
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    if person != "-":
        context.request.post(f"/demo/people/{person}", headers={"Origin": address}, max_redirects=0)
        context.request.post("/language", headers={"Origin": address}, form={"language": language}, max_redirects=0)
    page.goto(path_of(person, path))
    page.screenshot(path=target, full_page=True)
    context.close()


def main() -> None:
    everything = sys.argv[1:2] == ["all"]
    folder = Path(sys.argv[2]) if everything else ROOT / "docs/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        address = serve(data)
        path = os.environ.get("CHROMIUM") or subprocess.check_output([ROOT / "tools/chromium.sh"], text=True).strip()
        browser = playwright.chromium.launch(executable_path=path or None, args=["--no-sandbox", "--disable-gpu"])
        for row in rows(ALL if everything else README):
            if not everything:
                take(browser, address, row, folder / f"{row[0]}.png", DRESSES[0])
            elif len(sys.argv) < 4 or any(word in row[0] for word in sys.argv[3:]):
                for dress in DRESSES:
                    take(browser, address, row, folder / ("-".join(map(str, [row[0], *dress])) + ".png"), dress)
        browser.close()


if __name__ == "__main__":
    main()
