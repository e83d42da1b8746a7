"""Passwords: the limits of length, what is refused and what is not, hashing without cutting (server.md c7.12)."""

from __future__ import annotations

import pytest

from services import passwords

CONTEXT = [
    "Kovács Fotó Bt.",
    "anna.kovacs@kovacsfoto.hu",
    "Kovács Anna",
    "CPS",
    "EOS R5 Mark II",
    "RF 24-70mm F2.8 L IS USM",
]
GOOD = "négy szürke ló fut"


@pytest.mark.parametrize(
    ("length", "why"),
    [(0, "short"), (1, "short"), (14, "short"), (15, ""), (16, ""), (128, ""), (129, "long"), (4000, "long")],
)
def test_length_counts_characters(length: int, why: str) -> None:
    password = ("a quiet grey heron waits by slow water ő " * 100)[:length]
    assert passwords.problem(password, CONTEXT) == why


def test_accents_count_once_however_they_are_typed() -> None:
    composed, decomposed = (
        "őőőőő árvíz fölött",
        "o\u030bo\u030bo\u030bo\u030bo\u030b a\u0301rvi\u0301z fo\u0308lo\u0308tt",
    )
    assert passwords.normal(decomposed) == composed
    assert passwords.matches(passwords.digest(composed), decomposed)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        GOOD,
        "  leading and trailing  ",
        "цапля стоит в воде",
        "灰色的鷺在安靜的水邊等待著清晨的光",
        "🐎🐄🐖🐑🐐🐓🦆🐈🐕🐇🐁🦔🦊🦡🦌",
        "x7Kp2mQ9vL4tR8w",
        "my canon in the attic",
        "lenses for a rainy afternoon",
    ],
)
def test_any_characters_and_no_composition_rule(password: str) -> None:
    assert passwords.problem(password, CONTEXT) == ""


@pytest.mark.parametrize("character", ["\0", "\n", "\x7f", "\ud800"])
def test_what_cannot_be_typed_again_is_refused(character: str) -> None:
    assert passwords.problem(GOOD + character, []) == "characters"


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "Password12345678",
        "P a s s w o r d 1 2 3 4 5 6 7 8",
        "jelszojelszojelszo",
        "Jelszó1234567890",
        "qwertzuiopasdfg",
        "1qaz2wsx3edc4rfv",
        "123456789012345",
        "482910573829104",
        "aaaaaaaaaaaaaaaaaaaa",
        "abababababababab",
        "correcthorsebatterystaple",
        "Correct Horse Battery Staple 1",
        "boldog karácsonyt 2026",
        "arvizturo tukorfurogep",
        "Budapest20262026",
    ],
)
def test_what_everybody_tries_first_is_refused(password: str) -> None:
    assert passwords.problem(password, []) == "common"


@pytest.mark.parametrize(
    "password",
    [
        "kovacsfoto kovacs",
        "KovácsFotóBt2026",
        "anna.kovacs@kovacsfoto.hu",
        "cps anna kovacs foto",
        "EOS R5 Mark II EOS R5",
        "rf 24-70mm f2.8 l is usm",
    ],
)
def test_names_a_stranger_knows_are_refused(password: str) -> None:
    assert passwords.problem(password, CONTEXT) == "context"


def test_a_known_name_with_enough_beside_it_is_fine() -> None:
    assert passwords.problem("Kovács and seven grey herons", CONTEXT) == ""


def test_the_list_holds_nothing_that_other_rules_refuse() -> None:
    lines = passwords.COMMON.read_text("utf-8").split()
    assert len(lines) == len(set(lines)) > 500
    for line in lines:
        assert len(line) >= passwords.SHORTEST
        assert passwords.problem(line, []) == "common"


def test_a_hash_is_argon2id_and_cuts_nothing() -> None:
    stored = passwords.digest("x" * 127 + "y")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.matches(stored, "x" * 127 + "y")
    assert not passwords.matches(stored, "x" * 127 + "z")
    assert not passwords.matches(stored, "x" * 127)
    assert not passwords.matches(stored, "x" * 127 + "y ")


def test_nobody_has_no_password() -> None:
    assert not passwords.matches(None, "nobody has this password")
    assert not passwords.matches("no hash at all", GOOD)


def test_an_old_hash_is_seen() -> None:
    from argon2 import PasswordHasher

    assert passwords.is_outdated(PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD))
    assert not passwords.is_outdated(passwords.digest(GOOD))
