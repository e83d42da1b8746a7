"""A tiny form: what was typed, and one sentence per field that is wrong. No HTML, no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from email_validator import EmailNotValidError, validate_email

from i18n import gettext as _


class Form:
    """`values` keeps every typed text for showing it again; `errors` maps a field's name to its sentence.

    Each reader returns the cleaned value and notes an error; use the values only when `ok`.
    """

    def __init__(self, typed: Mapping[str, str] | None = None, **defaults: str) -> None:
        self.values: dict[str, str] = {**defaults, **(dict(typed.items()) if typed else {})}
        self.errors: dict[str, str] = {}

    @property
    def ok(self) -> bool:
        return not self.errors

    def fail(self, name: str, sentence: str) -> str:
        """Note what is wrong with a field; the first word on a field stands."""
        self.errors.setdefault(name, sentence)
        return ""

    def text(self, name: str, label: str, limit: int = 120, optional: bool = False) -> str:
        """A line of text: trimmed, no control characters, at most `limit` characters."""
        value = " ".join(self.values.get(name, "").split())
        if not value:
            return "" if optional else self.fail(name, _("%(label)s: this is missing.", label=label))
        if not value.isprintable():
            return self.fail(name, _("%(label)s: there is a character in it that cannot be used.", label=label))
        if len(value) > limit:
            return self.fail(name, _("%(label)s: at most %(limit)s characters.", label=label, limit=limit))
        return value

    def choice(self, name: str, label: str, allowed: Iterable[str], optional: bool = False) -> str:
        """One of `allowed`."""
        value = self.values.get(name, "").strip()
        if not value and optional:
            return ""
        if value not in set(allowed):
            return self.fail(name, _("%(label)s: choose one from the list.", label=label))
        return value

    def email(self, name: str, label: str, optional: bool = False) -> str:
        """An e-mail address in normal form, lower case (addresses are compared, DESIGN 5)."""
        value = self.values.get(name, "").strip()
        if not value:
            return "" if optional else self.fail(name, _("%(label)s: this is missing.", label=label))
        try:
            return validate_email(value, check_deliverability=False).normalized.lower()
        except EmailNotValidError:
            return self.fail(
                name, _("%(label)s: this is not an e-mail address, such as name@company.com.", label=label)
            )

    def checked(self, name: str) -> bool:
        return self.values.get(name, "") not in ("", "0", "off")
