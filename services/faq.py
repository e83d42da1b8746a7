"""The FAQ (source document, promise 18): content/faq.<language>.md as sections, questions and answers.

It owns the file's format and fills in the market's numbers and contacts. The sentences live in the file, the page in
views and templates. Format: `# Section title`, `## anchor: Question?`, then the answer in CommonMark; `$name` is a
placeholder, `$$` a dollar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from string import Template

from babel.lists import format_list
from markdown_it import MarkdownIt

import i18n
from market import LANGUAGES, Market

FOLDER = Path(__file__).parent.parent / "content"
TITLE = re.compile(r"# (?P<title>\S.*)")
HEADING = re.compile(r"## (?P<anchor>[a-z][a-z0-9]*(?:-[a-z0-9]+)*): (?P<question>\S.*)")
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")  # all that CommonMark lets a backslash make literal

# Headings are ours (by hand, with anchors); pictures have no place in an answer; raw HTML is shown, never obeyed
markdown = MarkdownIt("commonmark", {"html": False}).disable(["heading", "lheading", "image"])


@dataclass(frozen=True, slots=True)
class Question:
    """`anchor` is the element's id, the same in every language; `question` is plain, `answer_html` safe HTML."""

    anchor: str
    question: str
    answer_html: str


@dataclass(frozen=True, slots=True)
class Section:
    """A titled group of questions, in the file's order."""

    title: str
    questions: tuple[Question, ...]


@dataclass(slots=True)
class Draft:
    """A question while its answer is still being read; `number` is the line of its heading."""

    number: int
    anchor: str
    question: str
    lines: list[str] = field(default_factory=list)


def load_faq(language: str, market: Market) -> tuple[Section, ...]:
    """The FAQ in `language` with the market's values. Raises ValueError for a language or a file that is wrong."""
    if language not in LANGUAGES:
        raise ValueError(f"There is no FAQ in {language!r}.")
    # A market holds dicts and cannot be a cache key; what the file may show of it can
    return read_faq(language, tuple(placeholders(language, market).items()))


def title(anchor: str, language: str, market: Market) -> str:
    """The question behind an anchor, for a link to its answer. Raises KeyError if there is none."""
    for section in load_faq(language, market):
        for question in section.questions:
            if question.anchor == anchor:
                return question.question
    raise KeyError(anchor)


@lru_cache(maxsize=8)
def read_faq(language: str, values: tuple[tuple[str, str], ...]) -> tuple[Section, ...]:
    """Reads and parses the file once per language and set of values."""
    path = FOLDER / f"faq.{language}.md"
    return parse_faq(path.read_text("utf-8"), dict(values), path.name)


def placeholders(language: str, market: Market) -> dict[str, str]:
    """What an answer may name of the market, as plain text in `language`. Points and days are whole numbers."""
    with i18n.speaking(language):
        tiers = {f"{tier.key}_points": i18n.number(tier.min_points) for tier in market.tiers if not tier.strict}
        return tiers | {
            "programme": market.programme,
            "invited_at": i18n.number(market.invited_at),
            "corporate_above": i18n.number(market.corporate_above),
            "due_days": i18n.number(market.terms.due_days),
            "reminder_days": format_list([str(n) for n in market.terms.reminder_days], locale=i18n.LOCALES[language]),
            "suspend_days": i18n.number(market.terms.suspend_days),
            "cancel_days": i18n.number(market.terms.cancel_days),
            "helpdesk_email": market.contacts.helpdesk_email,
            "helpdesk_phone": market.contacts.helpdesk_phone.replace(" ", i18n.NBSP),
            "countries": ", ".join(name for _, name in i18n.countries(market.countries)),
            "seller_country": i18n.country(market.seller.country),
        }


def parse_faq(source: str, values: dict[str, str], name: str) -> tuple[Section, ...]:
    """The sections of one file. Raises ValueError naming the line of a wrong heading, a second use of an anchor, an
    unknown placeholder, a section without questions, or a question without an answer."""
    literal = {key: PUNCTUATION.sub(r"\\\1", value) for key, value in values.items()}
    sections: list[tuple[int, str, list[Draft]]] = []
    anchors: set[str] = set()
    for number, line in enumerate(source.splitlines(), 1):
        where = f"{name}, line {number}"
        if found := TITLE.fullmatch(line):
            sections.append((number, fill(found["title"], values, where), []))
        elif found := HEADING.fullmatch(line):
            if not sections:
                raise ValueError(f"{where}: a question before the first section")
            if found["anchor"] in anchors:
                raise ValueError(f"{where}: the anchor {found['anchor']} is used twice")
            anchors.add(found["anchor"])
            sections[-1][2].append(Draft(number, found["anchor"], fill(found["question"], values, where)))
        elif line.startswith("#"):
            raise ValueError(f"{where}: a heading is '# Section title' or '## anchor: Question?', not {line!r}")
        elif sections and sections[-1][2]:
            sections[-1][2][-1].lines.append(fill(line, literal, where))
        elif line.strip():
            raise ValueError(f"{where}: text before the first question of a section")
    for number, title, drafts in sections:
        if not drafts:
            raise ValueError(f"{name}, line {number}: the section {title!r} has no questions")
    return tuple(Section(title, tuple(render(draft, name) for draft in drafts)) for _, title, drafts in sections)


def fill(text: str, values: dict[str, str], where: str) -> str:
    """`text` with its placeholders filled. Raises ValueError for an unknown one or a lone dollar."""
    try:
        return Template(text).substitute(values)
    except KeyError as error:
        raise ValueError(f"{where}: unknown placeholder ${error.args[0]}") from error
    except ValueError as error:
        raise ValueError(f"{where}: a literal dollar is written $$") from error


def render(draft: Draft, name: str) -> Question:
    """One question with its answer as HTML. Raises ValueError if the answer is empty."""
    answer = markdown.render("\n".join(draft.lines)).strip()
    if not answer:
        raise ValueError(f"{name}, line {draft.number}: the question {draft.anchor} has no answer")
    return Question(draft.anchor, draft.question, answer)
