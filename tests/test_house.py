"""The house rules that no type checker sees: arrows, the environment, documents, templates, pins (DESIGN 3 and 8)."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask import Flask
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import config
from tests.page import check

ROOT = Path(__file__).parent.parent
SOURCES = [*ROOT.glob("*.py"), *(path for area in ("services", "views") for path in (ROOT / area).rglob("*.py"))]
EVERYTHING = [*SOURCES, *(path for area in ("migrations", "tests", "tools") for path in (ROOT / area).rglob("*.py"))]
TEMPLATES = sorted((ROOT / "templates").rglob("*.*"))
OURS = {path.stem for path in ROOT.glob("*.py")} | {"services", "views"}
PURE = ("tiers", "money", "vat")  # they may know each other, and market
IMPURE = sorted(
    f"services.{path.stem}" for path in (ROOT / "services").iterdir() if path.stem not in (*PURE, "__init__")
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(source: str) -> set[str]:
    """Every module a source imports, at whatever depth: `from a import b` counts as `a` and `a.b`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def wrong_arrows(path: str, source: str) -> list[str]:
    """What a module imports against DESIGN 3: views → services → models; pure services know only market."""
    forbidden: tuple[str, ...] = ()
    if path.startswith("services/"):
        forbidden = ("flask", "flask_login", "werkzeug", "views", "app", "cli", "assets", "database")
        if Path(path).parent.name == "services" and Path(path).stem in PURE:
            forbidden += (*(OURS - {"market", "services"}), *IMPURE, "peewee", "playhouse")
    elif path.startswith("views/"):
        forbidden = ("peewee", "playhouse", "smtplib", "sqlite3", "psycopg", "app", "cli")
    elif path == "models.py":
        forbidden = ("flask", "werkzeug", "views", "services", "app", "cli", "database", "config")
    elif path in ("market.py", "config.py"):
        forbidden = (*(OURS - {"market"}), "flask", "peewee")
    elif path == "database.py":
        forbidden = ("flask", "views", "services", "app", "cli")
    used = imports(source)
    return sorted(word for word in forbidden if any(one == word or one.startswith(word + ".") for one in used))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_arrows_run_one_way(path: Path) -> None:
    assert wrong_arrows(name(path), path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source", "wrong"),
    [
        ("services/orders.py", "from flask import request", ["flask"]),
        ("services/orders.py", "def f():\n    from views.rendering import page", ["views"]),
        ("services/payments/demo.py", "import views", ["views"]),
        ("services/tiers.py", "from models import Product", ["models"]),
        ("services/tiers.py", "from services import clock", ["services.clock"]),
        ("services/vat.py", "from services.money import rounded", []),
        ("services/tiers.py", "from market import Tier", []),
        ("views/tiers.py", "from peewee import fn", ["peewee"]),
        ("views/tiers.py", "from models import Account", []),
        ("models.py", "import services.tiers", ["services"]),
    ],
)
def test_a_wrong_arrow_is_seen(path: str, source: str, wrong: list[str]) -> None:
    assert wrong_arrows(path, source) == wrong


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name != "config.py"], ids=name)
def test_only_config_reads_the_environment(path: Path) -> None:
    assert not re.search(r"\bos\.(environ|getenv)\b|from os import .*(environ|getenv)", path.read_text("utf-8"))


@pytest.mark.parametrize("path", [path for path in EVERYTHING if path.stat().st_size], ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    words = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert words, "no module docstring"
    assert words.split("\n")[0].rstrip().endswith((".", "?", ")")) or "\n" in words, "the first line is no sentence"


def test_every_setting_is_documented_and_nothing_else() -> None:
    named = set(re.findall(r"\bPORTAL_[A-Z_]+[A-Z]\b", (ROOT / "README.md").read_text("utf-8")))
    assert {word.removesuffix("_FILE") for word in named} == set(config.VARIABLES)


def test_every_template_compiles(app: Flask) -> None:
    names = app.jinja_env.list_templates()
    assert len(names) > 5
    for template in names:
        app.jinja_env.get_template(template)


FORBIDDEN_IN_TEMPLATES = {
    "inline handler": r"\son[a-z]+\s*=",
    "style attribute": r"\sstyle\s*=",
    "style element": r"<style\b",
    "inline script": r"<script\b(?![^>]*\ssrc=)",
    "needs eval or history": r"\bhx-(on|boost|push-url|replace-url|vars|ext)\b",
    "unescaped, and no QR code of ours": r"(?<!\bcode)\|\s*safe\b|autoescape\s+false",
    "static file past asset()": r"[\"']/static/|url_for\(\s*[\"']static",
}


@pytest.mark.parametrize("path", [path for path in TEMPLATES if "mail" not in path.parts], ids=name)
def test_templates_hold_nothing_inline(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [what for what, pattern in FORBIDDEN_IN_TEMPLATES.items() if re.search(pattern, text)] == []


# --- pins ------------------------------------------------------------------------------------------------------------


def pins(file: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in (ROOT / file).read_text("utf-8").splitlines():
        if line and not line.startswith(("#", "-r ")):
            pinned = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[\w+\])?==([0-9][\w.]*)", line)
            assert pinned, f"{file}: not an exact pin: {line}"
            found[canonicalize_name(pinned[1])] = pinned[2]
    return found


@pytest.mark.parametrize("files", [["requirements.txt"], ["requirements.txt", "requirements-dev.txt"]], ids=str)
def test_everything_that_is_installed_is_pinned(files: list[str]) -> None:
    pinned: dict[str, str] = {}
    for file in files:
        pinned |= pins(file)
    for package, version in pinned.items():
        assert metadata.version(package) == version, f"{package}: run make test to install the pinned version"
        for line in metadata.requires(package) or []:
            needs = Requirement(line)
            if needs.marker is None or needs.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needs.name) in pinned, f"{package} needs {needs.name}, which is not pinned"


def test_no_package_is_pinned_for_nothing() -> None:
    """What was brought along is needed by something; what we chose is at the head of its file."""
    everything = pins("requirements.txt") | pins("requirements-dev.txt")
    needed = {
        canonicalize_name(Requirement(line).name) for package in everything for line in metadata.requires(package) or []
    }
    for file in ("requirements.txt", "requirements-dev.txt"):
        brought = (ROOT / file).read_text("utf-8").partition("# brought along\n")[2]
        for line in brought.splitlines():
            assert canonicalize_name(line.partition("==")[0]) in needed, line


def test_tools_speak_of_the_oldest_python_we_promise() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    assert tools["ruff"]["target-version"] == "py311"
    assert tools["mypy"]["python_version"] == "3.11"


# --- the page harness itself: each rule seen failing -----------------------------------------------------------------

GOOD = """<!doctype html>
<html lang="hu"><head><meta charset="utf-8"><title>Szintek</title></head>
<body><main><h1 id="top">Szintek</h1>{}</main></body></html>"""

BROKEN = {
    "line 3:": "<p><div></p></div>",
    "id 'a' 2 times": '<p id="a"></p><p id="a"></p>',
    "2 <h1> instead of one": "<h1>Még egy</h1>",
    "no label for": '<form action="/x"><input name="q"></form>',
    "no name on": '<form action="/x"><label>Q <input></label></form>',
    "no words on": '<form action="/x"><button></button></form>',
    "no real action on": '<form method="post"><button>Mehet</button></form>',
    "is no address that works": '<form action="/a" method="post" hx-post="/b"><button>Mehet</button></form>',
    "hx-post without method=post": '<form action="/a" hx-post="/a"><button>Mehet</button></form>',
    "cannot work without htmx": '<button hx-delete="/a">Törlés</button>',
    "inline script": "<script>1</script>",
    "style on": '<p style="color:red">x</p>',
    "onclick on": '<p onclick="x()">x</p>',
    "hx-on:click on": '<p hx-on:click="x()">x</p>',
    "hx-boost on": '<p hx-boost="true">x</p>',
    "trigger filter": '<p hx-get="/tiers" hx-trigger="click[ctrlKey]">x</p>',
    "<style> in the page": "<style>p {}</style>",
    "href='javascript:x()'": '<a href="javascript:x()">x</a>',
    "a link to nowhere": '<a href="#">x</a>',
    "a link to #none": '<a href="#none">x</a>',
    "src from elsewhere": '<img src="https://cdn.example/x.png" alt="">',
    "no alt on": '<img src="/static/x.png">',
    "aria-describedby='hint'": '<p aria-describedby="hint">x</p>',
}


@pytest.mark.parametrize("complaint", BROKEN)
def test_the_harness_sees_a_broken_page(complaint: str) -> None:
    broken, _ = check(GOOD.format(BROKEN[complaint]), "/tiers")
    assert any(complaint in rule for rule in broken), broken


def test_the_harness_lets_a_good_page_through() -> None:
    fine = """<form action="/tiers?corporate=on" hx-get="/tiers"><label for="q">Q</label><input id="q" name="q">
    <button>Mehet</button></form><a href="#top">Fel</a>
    <section hx-get="/tiers" hx-trigger="visibilitychange"></section>"""
    assert check(GOOD.format(fine), "/tiers")[0] == []


@pytest.mark.parametrize(
    ("fragment", "complaint"),
    [
        ("<html><body><p>x</p></body></html>", "<html> in a fragment"),
        ("<title>x</title>", "<title> in a fragment"),
        ('<p>x</p><hx-partial hx-target="#meter"><p id="other"></p></hx-partial>', "does not bring"),
        ("<tr><td>x</td></tr>", ""),
        ('<li id="product-1">x</li><hx-partial hx-target="#meter"><p id="meter">5</p></hx-partial>', ""),
    ],
)
def test_the_harness_reads_fragments(fragment: str, complaint: str) -> None:
    broken, _ = check(fragment, "/products")
    assert any(complaint in rule for rule in broken) if complaint else broken == []


@pytest.mark.parametrize("page", [GOOD.replace(' lang="hu"', ""), GOOD.replace("Szintek</title>", "</title>")])
def test_the_harness_wants_language_and_title(page: str) -> None:
    assert check(page.format(""))[0]


# --- languages -------------------------------------------------------------------------------------------------------


def test_every_sentence_is_in_hungarian_and_no_other() -> None:
    """What pages and code say, extracted anew, is just what the catalogue holds: nothing missing, nothing left over."""
    words: dict[str, Any] = {"_": None, "gettext": None, "ngettext": (1, 2)}
    said = set()
    for folder in (ROOT / "views", ROOT / "services", ROOT / "templates"):
        inside = [("**", "jinja2" if folder.name == "templates" else "python")]
        for _file, _line, message, _comments, _context in extract_from_dir(str(folder), inside, keywords=words):
            said.add(message)
    with (ROOT / "translations/hu/LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = {message.id: message for message in read_po(file) if message.id}
    assert said - set(catalogue) == set()
    assert {message_id for message_id in catalogue if message_id not in said and message_id not in ELSEWHERE} == set()
    assert [message.id for message in catalogue.values() if message.fuzzy or not all(texts(message.string))] == []


ELSEWHERE = {("%(n)s point", "%(n)s points")}  # said by i18n.py itself


def texts(string: object) -> list[str]:
    return list(string) if isinstance(string, tuple | list) else [str(string)]
