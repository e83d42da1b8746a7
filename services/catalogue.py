"""The catalogue: what can be registered, read from a CSV file, searched and offered in a select.

It never touches a registered product: those carry their own points (domain.md rule 24). The reading of CSV files with
a report per row lives here too; services.migration imports old accounts the same way.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from i18n import folded
from i18n import gettext as _
from i18n import points as points_text
from models import CatalogueItem, db

HEADER = ("key", "name", "kind", "points", "registrable")
MOST_POINTS = 10_000  # one product; ten times the dearest lens, so that a slipped digit is noticed


@dataclass(frozen=True, slots=True)
class ImportRow:
    """What became of one row: `line` of the file (from 1), its key, `added|changed|same|refused`, and why refused."""

    line: int
    key: str
    verdict: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Every row of an imported file, in its order."""

    rows: tuple[ImportRow, ...]

    def count(self, verdict: str) -> int:
        return sum(row.verdict == verdict for row in self.rows)

    @property
    def refused(self) -> tuple[ImportRow, ...]:
        return tuple(row for row in self.rows if row.verdict == "refused")


class RowRefused(Exception):
    """One sentence for the operator: why a row of a file was not taken."""


def read_rows(text: str, header: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str] | None, str]]:
    """(line, cells by column, why it cannot be read) of a CSV file with exactly this header, comma or semicolon.

    Cells are trimmed; blank lines are passed over. A wrong header yields a single unreadable row: nothing is imported.
    """
    text = text.removeprefix("\N{BYTE ORDER MARK}")
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","  # spreadsheets of half Europe write semicolons
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: tuple[str, ...] | None = None
    while True:
        start = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as error:
            yield start, None, f"not readable as CSV: {error}"
            continue
        if columns is None:
            columns = tuple(cells)
            if columns != header:
                break
        elif any(cells):
            if len(cells) != len(header):
                yield start, None, f"has {len(cells)} columns instead of {len(header)}"
            elif not all(cell.isprintable() for cell in cells):
                yield start, None, "holds a character that cannot be used"
            else:
                yield start, dict(zip(header, cells, strict=True)), ""
    if columns != header:
        yield 1, None, "the first line must be " + ",".join(header)


def import_catalogue(text: str) -> ImportReport:
    """Load `key,name,kind,points,registrable`. Good rows are kept, bad ones refused with their line; safe to repeat.

    Items missing from the file stay as they are, and so does every registered product (domain.md rule 24).
    """
    report: list[ImportRow] = []
    seen: dict[str, int] = {}
    with db.atomic():
        known = {item.key: item for item in CatalogueItem.select()}
        for line, row, why in read_rows(text, HEADER):
            key = row["key"] if row else ""
            try:
                if row is None:
                    raise RowRefused(why)
                values = checked(row)
                if key in seen:
                    raise RowRefused(f"the key {key} is on line {seen[key]} already")
            except RowRefused as refusal:
                report.append(ImportRow(line, key, "refused", str(refusal)))
                continue
            seen[key] = line
            report.append(ImportRow(line, key, store(known.get(key), values)))
    return ImportReport(tuple(report))


def checked(row: dict[str, str]) -> dict[str, object]:
    """The values of a readable row. Raises RowRefused."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row["key"]) or len(row["key"]) > 40:
        raise RowRefused("the key must be small letters and digits, with single hyphens, at most 40")
    if not 1 <= len(row["name"]) <= 80:
        raise RowRefused("the name must have 1 to 80 characters")
    if row["kind"] not in kinds():
        raise RowRefused(f"the kind must be one of {', '.join(kinds())}")
    if row["registrable"] not in ("yes", "no"):
        raise RowRefused("registrable must be yes or no")
    if not re.fullmatch("[0-9]{1,6}", row["points"]) or int(row["points"]) > MOST_POINTS:
        raise RowRefused(f"points must be a whole number from 0 to {MOST_POINTS}")
    return {**row, "points": int(row["points"]), "registrable": row["registrable"] == "yes"}


def store(item: CatalogueItem | None, values: dict[str, object]) -> str:
    """Write one item; what that was: added, changed or same."""
    if item is None:
        CatalogueItem.create(**values)
        return "added"
    changed = {name: value for name, value in values.items() if getattr(item, name) != value}
    if changed:
        CatalogueItem.update(changed).where(CatalogueItem.id == item.id).execute()
    return "changed" if changed else "same"


def kinds() -> dict[str, str]:
    """Kinds of products in the order of the picker, with their names in the language that speaks now."""
    return {
        "body": _("Cameras"),
        "cinema": _("Cinema cameras"),
        "lens": _("Lenses"),
        "flash": _("Flashes"),
        "printer": _("Printers"),
        "binoculars": _("Binoculars"),
        "accessory": _("Accessories"),
        "consumable": _("Consumables"),
    }


def bare(text: str) -> str:
    """Letters and digits only: `2470` finds 24-70mm."""
    return "".join(c for c in text if c.isalnum())


def find(query: str = "") -> list[CatalogueItem]:
    """The items on offer whose name or kind holds every word of `query`, in any order; all for an empty query."""
    words, kind = folded(query).split(), kinds()
    found = []
    for item in CatalogueItem.offered():
        name = folded(f"{item.name} {item.key} {kind[item.kind]}")  # the key too: `mk2` finds Mark II
        if all(word in name or (bare(word) and bare(word) in bare(name)) for word in words):
            found.append(item)
    return found


def options(items: Iterable[CatalogueItem]) -> list[tuple[str, list[tuple[str, str]]]]:
    """For ui.select: (kind, [(key, "EOS R5 · 325 points"), …]) in the order of the picker."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for item in sorted(items, key=lambda item: item.name):
        groups.setdefault(item.kind, []).append((item.key, f"{item.name} · {points_text(item.points)}"))
    return [(name, groups[kind]) for kind, name in kinds().items() if kind in groups]
