"""QR codes that fill in a bank transfer: EPC069-12 for euro, the Hungarian central bank's for forint (payments.md 3).

Value in, value out. A code that would not be read is not drawn: the text beside it always suffices.
"""

from __future__ import annotations

import datetime as dt
import re

import segno
from segno import helpers

from services.money import from_minor

HUNGARIAN = re.compile("[\x20-\x7eáéíóöőúüűÁÉÍÓÖŐÚÜŰ]*")
LARGEST_VERSION = 13  # of both standards, at error correction M


def transfer_code(
    *, payee: str, iban: str, bic: str, amount: int, currency: str, reference: str, invoice: str, member: str,
    valid_until: dt.datetime,
) -> segno.QRCode | None:  # fmt: skip
    """The code for one transfer of `amount` minor units; None if no standard covers it or it does not fit."""
    try:
        if currency == "EUR":
            return helpers.make_epc_qr(
                payee[:70], iban, from_minor(amount, currency), reference=reference, bic=bic, encoding="utf-8"
            )
        if currency == "HUF" and iban.startswith("HU"):
            return draw(hct(payee, iban, bic, amount, reference, invoice, member, valid_until))
    except ValueError:  # also segno's DataOverflowError
        return None
    return None


def hct(
    payee: str, iban: str, bic: str, amount: int, reference: str, invoice: str, member: str, valid_until: dt.datetime
) -> str:
    """The text of a Hungarian code (MNB guideline of 2019-07-12, kind HCT): 17 fields, each ended by a line feed.

    `amount` in forints, `valid_until` with its zone. Raises ValueError for what a banking app would refuse.
    """
    offset = valid_until.utcoffset()
    if offset is None or not 0 < amount < 10**12:
        raise ValueError("needs a time zone and an amount of 1 to 12 digits")
    limits = ((payee, 70), (reference, 70), (invoice, 35), (member, 35))
    if any(len(text) > most or not HUNGARIAN.fullmatch(text) for text, most in limits):
        raise ValueError("a text is too long or holds a letter outside ASCII and Hungarian")
    hours = int(offset.total_seconds() // 3600)
    fields = [
        "HCT", "001", "1", bic.ljust(11, "X"), payee, iban, f"HUF{amount}", f"{valid_until:%Y%m%d%H%M%S}{hours:+d}",
        "", reference, "", "", invoice, member, "", "", "",
    ]  # fmt: skip
    return "\n".join(fields) + "\n"


def draw(text: str) -> segno.QRCode:
    code = segno.make_qr(text, error="m", boost_error=False, encoding="utf-8")
    if int(code.version) > LARGEST_VERSION:
        raise ValueError("larger than banking apps read")
    return code


def svg(code: segno.QRCode, size: int) -> str:
    """Inline SVG of `size` pixels (CSS may overrule), attributes only; dark on white whatever the colour scheme."""
    drawn = code.svg_inline(border=3, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None)
    return drawn.replace("<svg ", f'<svg width="{size}" height="{size}" ', 1)
