"""The catalogue: its file, its report with line numbers, the search and the picker."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

import i18n
from models import Account, CatalogueItem, Product
from services import catalogue

SHIPPED = (Path(__file__).parent.parent / "data" / "catalogue.csv").read_text("utf-8")
HEADER = "key,name,kind,points,registrable\n"
NOW = dt.datetime(2026, 11, 24, 9, 0)

pytestmark = pytest.mark.usefixtures("connected")


def found(query: str) -> list[str]:
    return [item.key for item in catalogue.find(query)]


def test_the_shipped_catalogue_has_45_registrable_items_and_two_that_are_not() -> None:
    report = catalogue.import_catalogue(SHIPPED)
    assert report.count("added") == 47
    assert not report.refused
    assert CatalogueItem.offered().count() == 45
    assert CatalogueItem.get(CatalogueItem.key == "eos-5d-mk3").points == 235  # the one value known for certain


def test_a_second_import_changes_nothing() -> None:
    catalogue.import_catalogue(SHIPPED)
    assert catalogue.import_catalogue(SHIPPED).count("same") == 47


def test_bad_rows_are_refused_with_their_line_and_good_ones_kept() -> None:
    report = catalogue.import_catalogue(
        HEADER
        + "eos-r5,EOS R5,body,325,yes\n"
        + "EOS R6,EOS R6,body,215,yes\n"  # 3: capitals and a blank in the key
        + "\n"
        + "eos-r7,EOS R7,drone,115,yes\n"  # 5: no such kind
        + "eos-r8,EOS R8,body,-1,yes\n"  # 6
        + "eos-r8,EOS R8,body,10001,yes\n"  # 7: a slipped digit
        + "eos-r8,EOS R8,body,1.5,yes\n"  # 8
        + "eos-r8,EOS R8,body,135,perhaps\n"  # 9
        + "eos-r8,,body,135,yes\n"  # 10
        + "eos-r8,EOS R8,body,135\n"  # 11: a column short
        + "eos-r5,EOS R5 again,body,300,yes\n"  # 12: twice
        + 'eos-r8,"EOS\x07R8",body,135,yes\n'  # 13: a bell
        + "eos-r8,EOS R8,body,0,yes\n"  # 14: good, no points
        + "el-1,Speedlite EL-1,flash,10000,no\n"  # 15: good, the most there can be
    )
    assert [(row.line, row.verdict) for row in report.rows] == [
        (2, "added"),
        *((line, "refused") for line in (3, 5, 6, 7, 8, 9, 10, 11, 12, 13)),
        (14, "added"),
        (15, "added"),
    ]
    assert all(row.why for row in report.refused)
    assert "line 2" in next(row.why for row in report.rows if row.line == 12)
    assert {item.key for item in CatalogueItem.select()} == {"eos-r5", "eos-r8", "el-1"}


@pytest.mark.parametrize(
    "text", ["", "\n", "key,name,kind,points\neos-r5,EOS R5,body,325\n", "eos-r5,EOS R5,body,325,yes\n"]
)
def test_a_wrong_header_imports_nothing(text: str) -> None:
    report = catalogue.import_catalogue(text)
    assert [(row.line, row.verdict) for row in report.rows] == [(1, "refused")]
    assert "key,name,kind,points,registrable" in report.rows[0].why
    assert CatalogueItem.select().count() == 0


def test_semicolons_and_a_byte_order_mark_as_spreadsheets_write_them() -> None:
    text = "\N{BYTE ORDER MARK}key;name;kind;points;registrable\r\neos-r5;EOS R5;body;325;yes\r\n"
    assert catalogue.import_catalogue(text).count("added") == 1


def test_an_unclosed_quote_is_refused_at_the_line_where_it_starts() -> None:
    report = catalogue.import_catalogue(HEADER + 'eos-r5,EOS R5,body,325,yes\neos-r8,"EOS R8,body,135,yes\n')
    assert [(row.line, row.verdict) for row in report.rows] == [(2, "added"), (3, "refused")]


def test_new_points_count_for_new_registrations_only() -> None:
    catalogue.import_catalogue(HEADER + "eos-r5,EOS R5,body,325,yes\n")
    anna: Any = Account.create(company="Anna", country="HU", street="", postcode="", city="", created_at=NOW)
    item = CatalogueItem.get()
    kept = Product.create(account=anna, item=item, points=item.points, source="manual", registered_at=NOW)
    report = catalogue.import_catalogue(HEADER + "eos-r5,EOS R5,body,300,yes\n")
    assert [row.verdict for row in report.rows] == ["changed"]
    assert CatalogueItem.get().points == 300
    assert Product.get_by_id(kept.id).points == 325


def test_an_item_that_is_no_longer_registrable_leaves_the_picker() -> None:
    catalogue.import_catalogue(HEADER + "eos-r5,EOS R5,body,325,yes\n")
    catalogue.import_catalogue(HEADER + "eos-r5,EOS R5,body,325,no\n")
    assert found("") == []


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("r5", {"eos-r5", "eos-r5-mk2", "eos-r5c"}),
        ("R5 EOS ii", {"eos-r5-mk2"}),  # any order, any case
        ("mark ii r5", {"eos-r5-mk2"}),
        ("mk2 r5", {"eos-r5-mk2"}),
        ("70-200", {"rf-70-200-28", "ef-70-200-28-3"}),
        ("70200", {"rf-70-200-28", "ef-70-200-28-3"}),  # without the dash
        ("  lp-e6p ", set()),  # not registrable
        ("spéédlíte", {"el-1", "600ex2"}),  # accents do not matter
        ("nikon", set()),
        ("%", set()),
        ("'", set()),
    ],
)
def test_a_few_letters_find_the_item(query: str, keys: set[str]) -> None:
    catalogue.import_catalogue(SHIPPED)
    assert set(found(query)) == keys


def test_the_picker_groups_by_kind_and_shows_the_points() -> None:
    catalogue.import_catalogue(SHIPPED)
    with i18n.speaking("en"):
        groups = dict(catalogue.options(catalogue.find("r5")))
    assert list(groups) == ["Cameras", "Cinema cameras"]
    assert groups["Cameras"][0] == ("eos-r5", "EOS R5 · 325\N{NO-BREAK SPACE}points")
    assert catalogue.options([]) == []
