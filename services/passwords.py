"""Passwords: which are refused, how they are hashed, and how one is compared. Knows no user and no table.

Length instead of composition rules (NIST SP 800-63B-4; server.md c1, c6): 15 to 128 characters, any of them,
pasted or typed; what everybody tries first is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

SHORTEST = 15
LONGEST = 128
CORE = 10  # letters and digits that must be left without the numbers at the ends
OWN = 8  # and of these, without the words a stranger could guess
COMMON = Path(__file__).parent.parent / "data" / "common-passwords.txt"

hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)  # OWASP's least: 19 MiB, 20 ms (server.md c4)


def problem(password: str, context: Iterable[str]) -> str:
    """Why a new password is refused: `short`, `long`, `characters`, `common` or `context`; an empty text if it is not.

    `context` are texts that a stranger would guess with: the company, the names, the address, what the portal is called
    and what it registers. A password is refused when they are nearly all of it, not when it merely contains one.
    """
    password = normal(password)
    if len(password) < SHORTEST:
        return "short"
    if len(password) > LONGEST:
        return "long"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        return "characters"
    squeezed = squeeze(password)
    core = squeezed.strip("0123456789")
    if len(set(password)) < 5 or squeezed in common() or core in common() or re.fullmatch(r"(.{1,12}?)\1+", core):
        return "common"
    if squeezed and len(core) < CORE:  # a word and a number, or only a number
        return "common"
    rest = core
    for word in sorted(context_words(context), key=len, reverse=True):
        rest = rest.replace(word, "")
    return "context" if rest != core and len(rest) < OWN else ""


def normal(password: str) -> str:
    """NFKC, so that the same keys on two machines give the same password; nothing is trimmed or cut."""
    return unicodedata.normalize("NFKC", password)


def squeeze(text: str) -> str:
    """Letters and digits only, without accents or case: what guessing programs vary first."""
    return "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalnum())


def context_words(texts: Iterable[str]) -> set[str]:
    """The words of `texts` of three letters or more, and each text as one word."""
    words = {squeeze(word) for text in texts for word in (text, *re.split(r"[\W_]+", text))}
    return {word for word in words if len(word) >= 3}


@lru_cache
def common() -> frozenset[str]:
    """Well-known passwords that are long enough, squeezed; a repeated or numbered word needs no entry."""
    return frozenset(squeeze(line) for line in COMMON.read_text("utf-8").split())


def digest(password: str) -> str:
    """The argon2id hash to store. Takes about 20 ms: never inside a transaction."""
    return hasher.hash(encoded(password))


def matches(stored: str | None, password: str) -> bool:
    """Whether the password is the stored one. Without a stored one it costs the same time and is never right."""
    try:
        hasher.verify(stored or stand_in(), encoded(password))
    except (VerifyMismatchError, InvalidHashError):
        return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other settings than today's."""
    return hasher.check_needs_rehash(stored)


def encoded(password: str) -> bytes:
    return normal(password).encode("utf-8", "surrogatepass")


@lru_cache
def stand_in() -> str:
    """The hash that is verified for people who do not exist, so that they cost as much as those who do."""
    return hasher.hash(b"nobody has this password")
