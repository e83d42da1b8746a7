"""The FAQ: the same 39 questions in both languages, true addresses, every placeholder filled, bad files refused."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest

from market import LANGUAGES, load_market
from services.faq import Question, load_faq, parse_faq, placeholders

MARKETS = ("hu", "at")
# DESIGN.md section 5: the addresses an answer may lead to
ADDRESSES = {
    "/", "/points", "/faq", "/account/new", "/account/password", "/login", "/account", "/products",
    "/products/migration", "/tiers", "/tiers?corporate=on", "/membership", "/invoices",
}  # fmt: skip
BOTH = pytest.mark.parametrize("code", MARKETS)
SPOKEN = pytest.mark.parametrize("language", LANGUAGES)


def questions(language: str, code: str = "hu") -> list[Question]:
    return [question for section in load_faq(language, load_market(code)) for question in section.questions]


def text_of(question: Question) -> str:
    return unescape(re.sub(r"<[^>]+>", "", question.answer_html))


@BOTH
def test_both_languages_hold_the_same_39_questions_in_the_same_order(code):
    hungarian, english = (load_faq(language, load_market(code)) for language in ("hu", "en"))
    in_sections = [[question.anchor for question in section.questions] for section in hungarian]
    assert in_sections == [[question.anchor for question in section.questions] for section in english]
    anchors = [anchor for section in in_sections for anchor in section]
    assert len(anchors) == len(set(anchors)) == 39
    assert len(hungarian) == len(english) == 7


@BOTH
@SPOKEN
def test_every_question_is_one_and_has_a_complete_answer(language, code):
    for question in questions(language, code):
        assert question.question.endswith("?"), question.anchor
        assert len(text_of(question)) > 40, question.anchor
        assert set(re.findall(r"<(\w+)", question.answer_html)) <= {"p", "a", "strong", "em"}, question.anchor


@BOTH
@SPOKEN
def test_no_placeholder_no_exclamation_mark_and_no_brand_is_left(language, code):
    for section in load_faq(language, load_market(code)):
        for question in section.questions:
            whole = f"{section.title} {question.question} {question.answer_html}"
            assert not re.search(r"[$!\\]|canon", whole, re.IGNORECASE), question.anchor


@SPOKEN
def test_every_link_leads_to_an_address_of_the_portal_or_to_the_helpdesk(language):
    contacts = load_market("hu").contacts
    links = [link for q in questions(language) for link in re.findall(r'href="([^"]*)"', q.answer_html)]
    assert len(links) > 30  # the search itself found them
    assert set(links) <= ADDRESSES | {f"mailto:{contacts.helpdesk_email}"}


@SPOKEN
def test_both_languages_link_to_the_same_addresses(language):
    """A translation that lost a way onward would be the poorer one."""
    for question, other in zip(questions(language), questions("en"), strict=True):
        links, others = (sorted(re.findall(r'href="([^"]*)"', q.answer_html)) for q in (question, other))
        assert links == others, question.anchor


def answer(language: str, anchor: str, code: str = "hu") -> str:
    return next(text_of(question) for question in questions(language, code) if question.anchor == anchor)


def test_numbers_and_names_are_the_markets_own_in_the_reader_s_language():
    assert "1\N{NO-BREAK SPACE}000" in answer("hu", "which-tier")
    assert "1,600" in answer("en", "which-tier")
    assert "1, 7 és 14 nappal" in answer("hu", "not-paying")
    assert "1, 7 and 14 days" in answer("en", "not-paying")
    assert "Ausztria" in answer("hu", "no-vat", "at")
    assert "Hungary" in answer("en", "no-vat")
    assert "hilfe@cps.example" in answer("en", "upgrade", "at")


def test_a_changed_market_of_the_same_code_is_not_answered_from_the_cache():
    market = load_market("hu")
    assert load_faq("en", market) is load_faq("en", load_market("hu"))
    longer = replace(market, terms=replace(market.terms, due_days=45))
    assert load_faq("en", longer) != load_faq("en", market)


@SPOKEN
def test_every_placeholder_is_in_use(language):
    source = "".join(f"{q.question}{text_of(q)}" for q in questions(language))
    for name, value in placeholders(language, load_market("hu")).items():
        assert value in source, name


def test_a_value_is_text_and_never_markup():
    source = "# S\n\n## a: What is $name?\n\n$name costs $$5, see [$name](mailto:$name).\n"
    (section,) = parse_faq(source, {"name": "*<b>_x](/y)"}, "faq.md")
    (question,) = section.questions
    assert question.question == "What is *<b>_x](/y)?"
    assert "<b>" not in question.answer_html and "<em>" not in question.answer_html
    assert text_of(question) == "*<b>_x](/y) costs $5, see *<b>_x](/y)."


def test_raw_html_in_the_file_is_shown_and_never_obeyed():
    (section,) = parse_faq("# S\n## a: Q?\n<script>x</script>\n\n[x](javascript:1)\n", {}, "faq.md")
    assert "<script" not in section.questions[0].answer_html
    assert "<a" not in section.questions[0].answer_html


@pytest.mark.parametrize(
    ("source", "line", "why"),
    [
        ("# S\n## no anchor?\nText.", 2, "a heading is"),
        ("# S\n## Upper-Case: Q?\nText.", 2, "a heading is"),
        ("# S\n## a--b: Q?\nText.", 2, "a heading is"),
        ("#S\n## a: Q?\nText.", 1, "a heading is"),
        ("# S\n## a: Q?\nText.\n### b: Q?\nText.", 4, "a heading is"),
        ("# S\n## a: Q?\nText.\n## a: Q?\nText.", 4, "is used twice"),
        ("# S\n## a: Q?\nText.\n# T\n## a: Q?\nText.", 5, "is used twice"),
        ("# S\n## a: Q?\n\n$nobody knows.", 4, "unknown placeholder $nobody"),
        ("# S\n## a: $nobody?\nText.", 2, "unknown placeholder $nobody"),
        ("# S\n## a: Q?\nFor 5 $ only.", 3, "a literal dollar"),
        ("# S\n## a: Q?\n\n## b: Q?\nText.", 2, "has no answer"),
        ("# S\nText.", 2, "text before the first question"),
        ("## a: Q?\nText.", 1, "before the first section"),
        ("# S\n# T\n## a: Q?\nText.", 1, "has no questions"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(source, line, why):
    with pytest.raises(ValueError, match=f"^faq.md, line {line}: .*{re.escape(why)}"):
        parse_faq(source, {}, "faq.md")


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="no FAQ"):
        load_faq("../hu", load_market("hu"))
