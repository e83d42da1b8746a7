"""parse(response): the page as soup, after the house rules every page and fragment must keep (DESIGN 8)."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlsplit

import html5lib
from bs4 import BeautifulSoup, Tag
from html5lib.constants import E
from werkzeug.test import TestResponse

CONTAINERS = {"tr": "tbody", "td": "tr", "th": "tr", "tbody": "table", "option": "select", "dt": "dl", "dd": "dl"}
UNLABELLED = ("hidden", "submit", "button", "reset", "image")
FETCHED = (("script", "src"), ("img", "src"), ("link", "href"), ("source", "src"), ("iframe", "src"))
FORBIDDEN = ("hx-boost", "hx-push-url", "hx-replace-url", "hx-ext", "hx-sse", "hx-ws", "hx-vars")


def parse(response: TestResponse | str, path: str = "") -> BeautifulSoup:
    """The answer's HTML as soup. Raises AssertionError with every house rule it breaks."""
    if not isinstance(response, str):
        assert response.mimetype == "text/html", f"{response.request.path}: not a page but {response.mimetype}"
        path = path or response.request.path
    html = response if isinstance(response, str) else response.text
    broken, soup = check(html, path)
    assert not broken, f"{path or 'page'} breaks the house rules:\n  " + "\n  ".join(broken)
    return soup


def check(html: str, path: str = "") -> tuple[list[str], BeautifulSoup]:
    """Every broken house rule in words, and the soup. Text with a doctype is a page, anything else a fragment."""
    whole = html.lstrip().lower().startswith("<!doctype")
    soup = BeautifulSoup(html, "html.parser")
    broken = [
        *syntax(html, whole),
        *identity(soup, whole),
        *labels(soup),
        *forms(soup, path),
        *inline(soup),
        *links(soup),
    ]
    broken += page_rules(soup) if whole else fragment_rules(soup)
    return broken, soup


def syntax(html: str, whole: bool) -> list[str]:
    """What a strict HTML5 parser objects to."""
    parser = html5lib.HTMLParser()
    if whole:
        parser.parse(html)
    else:
        first = re.match(r"\s*<([a-z0-9]+)", html)
        parser.parseFragment(html, container=CONTAINERS.get(first[1] if first else "", "div"))
    return [f"line {place[0]}: {E[code] % values}" for place, code, values in parser.errors]


def page_rules(soup: BeautifulSoup) -> list[str]:
    broken = []
    if not soup.html or not soup.html.get("lang"):
        broken.append("no lang on <html>")
    if not soup.title or not soup.title.get_text(strip=True).strip("– "):
        broken.append("no title")
    for name in ("h1", "main"):
        if (count := len(soup.find_all(name))) != 1:
            broken.append(f"{count} <{name}> instead of one")
    for link in soup.select('a[href^="#"]'):
        if not soup.find(id=str(link["href"])[1:]):
            broken.append(f"a link to {link['href']}, which is not on the page")
    return broken


def fragment_rules(soup: BeautifulSoup) -> list[str]:
    broken = [f"<{name}> in a fragment" for name in ("html", "head", "body", "title", "main") if soup.find(name)]
    for part in soup.find_all("hx-partial"):
        if part.get("hx-swap") == "afterbegin":  # puts something new into its target instead of replacing it
            continue
        if not str(part.get("hx-target", "")).startswith("#") or not part.find(id=str(part.get("hx-target"))[1:]):
            broken.append(f"hx-partial for {part.get('hx-target')} does not bring that element")
    return broken


def identity(soup: BeautifulSoup, whole: bool) -> list[str]:
    """Ids are unique, and what refers to one finds it (in a fragment it may be on the page around it)."""
    ids = Counter(str(tag["id"]) for tag in soup.find_all(id=True))
    broken = [f"id {name!r} {count} times" for name, count in ids.items() if count > 1]
    if whole:
        for attribute in ("for", "aria-labelledby", "aria-describedby", "aria-controls", "list", "form"):
            for tag in soup.select(f"[{attribute}]"):
                for name in words(tag, attribute):
                    if name not in ids:
                        broken.append(f"{attribute}={name!r} of {show(tag)} is not on the page")
    return broken


def labels(soup: BeautifulSoup) -> list[str]:
    """Every control says what it is; every button has words; every picture has an alt."""
    broken = []
    for field in soup.find_all(["input", "select", "textarea"]):
        if field.get("type") in UNLABELLED:
            continue
        named = field.get("aria-label") or field.get("aria-labelledby") or field.find_parent("label")
        if not named and not (field.get("id") and soup.find("label", attrs={"for": field["id"]})):
            broken.append(f"no label for {show(field)}")
        if not field.get("name"):
            broken.append(f"no name on {show(field)}")
    for button in soup.find_all(["button", "a"]):
        if not button.get_text(strip=True) and not button.get("aria-label"):
            broken.append(f"no words on {show(button)}")
    broken += [f"no alt on {show(image)}" for image in soup.find_all("img") if image.get("alt") is None]
    return broken


def forms(soup: BeautifulSoup, path: str) -> list[str]:
    """Forms go somewhere real, and htmx asks the very address that works without it."""
    broken = []
    for form in soup.find_all("form"):
        if not re.match(r"/(?!/)|https://", str(form.get("action", ""))):
            broken.append(f"no real action on {show(form)}")
        if form.get("method", "get") not in ("get", "post"):
            broken.append(f"method {form['method']!r} on {show(form)}")
        if form.get("hx-post") is not None and form.get("method") != "post":
            broken.append(f"hx-post without method=post on {show(form)}")
    for tag in soup.find_all(True):
        for attribute in ("hx-get", "hx-post"):
            if attribute in tag.attrs and not is_fallback(str(tag[attribute]), tag, path):
                broken.append(f"{attribute}={tag[attribute]!r} is no address that works without htmx: {show(tag)}")
        for attribute in ("hx-put", "hx-patch", "hx-delete"):
            if attribute in tag.attrs:
                broken.append(f"{attribute} cannot work without htmx: {show(tag)}")
    return broken


def is_fallback(url: str, tag: Tag, path: str) -> bool:
    """Whether plain HTML would ask the same address: the form's action, the button's, the link's, or the page."""
    form = tag if tag.name == "form" else tag.find_parent("form")
    plain = [tag.get("formaction"), tag.get("href"), form.get("action") if form else None]
    known = [urlsplit(str(address)).path for address in plain if address]
    return urlsplit(url).path in (known or [path])


def inline(soup: BeautifulSoup) -> list[str]:
    """Nothing the Content-Security-Policy would block, and nothing of htmx that needs eval."""
    broken = [f"<style> in the page: {show(tag)}" for tag in soup.find_all("style")]
    broken += [
        f"inline script: {show(tag)}"
        for tag in soup.find_all("script")
        if not tag.get("src") or tag.get_text(strip=True)
    ]
    for tag in soup.find_all(True):
        for name, value in tag.attrs.items():
            if name == "style" or name.startswith(("on", "hx-on")) or name.split(":")[0] in FORBIDDEN:
                broken.append(f"{name} on {show(tag)}")
            elif str(value).lstrip().lower().startswith(("javascript:", "js:", "data:")):
                broken.append(f"{name}={value!r} on {show(tag)}")
            elif name == "hx-trigger" and "[" in str(value):
                broken.append(f"a trigger filter needs eval: {show(tag)}")
    return broken


def links(soup: BeautifulSoup) -> list[str]:
    """Links lead somewhere, and nothing is fetched from another host."""
    broken = [f"a link to nowhere: {show(tag)}" for tag in soup.find_all("a") if str(tag.get("href", "")) in ("", "#")]
    for name, attribute in FETCHED:
        for tag in soup.find_all(name, attrs={attribute: True}):
            if not re.match(r"/(?!/)", str(tag[attribute])):
                broken.append(f"{attribute} from elsewhere: {show(tag)}")
    return broken


def words(tag: Tag, attribute: str) -> list[str]:
    value = tag[attribute]
    return value.split() if isinstance(value, str) else [str(word) for word in value]


def show(tag: Tag) -> str:
    """The start of a tag, for a message."""
    return re.sub(r"\s+", " ", str(tag))[:100]
