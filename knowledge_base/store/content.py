"""What an FAQ entry consists of, and the rules its text must keep. No database here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.shared.errors import ConflictError, InvalidInputError

LANGUAGES = ("en", "zh")

DRAFT = "draft"          # never published, or restored from the archive
PUBLISHED = "published"  # what customers see is the newest version
CHANGED = "changed"      # published, and a newer draft is waiting
ARCHIVED = "archived"    # kept for its history, shown to nobody
STATUSES = (DRAFT, PUBLISHED, CHANGED, ARCHIVED)

MAX_ID = 80
MAX_CATEGORY = 60
MAX_QUESTION = 300
MAX_ANSWER = 6000
MAX_PHRASING = 300
MAX_PHRASINGS = 60

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True)
class FaqText:
    """One language of an entry: the question, a markdown answer, and other ways to ask the same."""

    question: str
    answer: str
    phrasings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FaqContent:
    """A category and one FaqText for each language the entry has (`en`, `zh`)."""

    category: str
    translations: dict[str, FaqText]

    def to_json(self) -> dict[str, Any]:
        return {
            "category": self.category,
            "translations": {
                language: {"question": text.question, "answer": text.answer, "phrasings": list(text.phrasings)}
                for language, text in self.translations.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FaqContent:
        return cls(data["category"], {language: FaqText(**text) for language, text in data["translations"].items()})


@dataclass(frozen=True)
class FaqEntry:
    """An entry as one reader sees it.

    `content` is what that reader asked for: `get` and `search` give the newest version (the draft, when there is one),
    `published` gives the live version. `revision` is that version's number within the entry, counting from 1.
    """

    id: str
    status: str
    content: FaqContent
    revision: int
    published_revision: int | None
    updated_at: datetime
    updated_by: str

    @property
    def category(self) -> str:
        return self.content.category

    @property
    def translations(self) -> dict[str, FaqText]:
        return self.content.translations


@dataclass(frozen=True)
class PublishedAnswer:
    """What a customer is told. `language` is the text's own language; `revision` the entry's published revision."""

    entry_id: str
    language: str
    question: str
    answer: str
    revision: int


@dataclass(frozen=True)
class Change:
    """One line of an entry's history: who did what when; `revision` is the version concerned."""

    action: str
    author: str
    at: datetime
    revision: int | None
    publication: int | None


class RevisionConflict(ConflictError):
    """Somebody saved first. `current` is the entry as it now stands, `submitted` the content that was not saved."""

    def __init__(self, current: FaqEntry, submitted: FaqContent) -> None:
        super().__init__(f"{current.id} was changed to revision {current.revision} by {current.updated_by}")
        self.current = current
        self.submitted = submitted


class ContentError(InvalidInputError):
    """A field breaks a rule. `code` says which rule, `column` where (as in the CSV), `limit` the number involved."""

    def __init__(self, code: str, column: str, limit: int = 0) -> None:
        super().__init__(f"{column}: {code}" + (f" ({limit})" if limit else ""), code)
        self.column = column
        self.limit = limit


def check_entry_id(raw: str) -> str:
    """The id, stripped. Raises ContentError: ids are letters, digits, dot, dash and underscore, at most 80."""
    entry_id = raw.strip()
    if not entry_id:
        raise ContentError("required", "id")
    if len(entry_id) > MAX_ID:
        raise ContentError("too_long", "id", MAX_ID)
    if not _ID.match(entry_id):
        raise ContentError("bad_id", "id")
    return entry_id


def check_content(content: FaqContent) -> FaqContent:
    """The content as it will be stored: tidied, empty languages and repeated phrasings dropped.

    Raises ContentError for a missing question or answer, a text over its limit, or characters no database can keep.
    """
    errors: list[ContentError] = []
    checked = collect_content(content, errors)
    if errors:
        raise errors[0]
    return checked


def collect_content(content: FaqContent, errors: list[ContentError]) -> FaqContent:
    """Like check_content, but appends every problem to `errors` instead of raising the first."""
    category = _field(content.category, "category", MAX_CATEGORY, errors)
    translations: dict[str, FaqText] = {}
    for language, text in content.translations.items():
        if language not in LANGUAGES:
            errors.append(ContentError("unknown_language", f"question_{language}"))
            continue
        phrasings_given = any(phrasing.strip() for phrasing in text.phrasings)
        if not (text.question.strip() or text.answer.strip() or phrasings_given):
            continue
        question = _field(text.question, f"question_{language}", MAX_QUESTION, errors)
        answer = _field(text.answer, f"answer_{language}", MAX_ANSWER, errors, lines=True)
        translations[language] = FaqText(question, answer, _phrasings(text, language, question, errors))
    if not translations and not any(error.column.startswith("question_") for error in errors):
        errors.append(ContentError("no_language", f"question_{LANGUAGES[0]}"))
    ordered = {language: translations[language] for language in LANGUAGES if language in translations}
    return FaqContent(category, ordered)


def _phrasings(text: FaqText, language: str, question: str, errors: list[ContentError]) -> list[str]:
    column = f"phrasings_{language}"
    kept: list[str] = []
    for raw in text.phrasings:
        if not raw.strip():
            continue
        phrasing = _field(raw, column, MAX_PHRASING, errors)
        if phrasing and phrasing != question and phrasing not in kept:
            kept.append(phrasing)
    if len(kept) > MAX_PHRASINGS:
        errors.append(ContentError("too_many", column, MAX_PHRASINGS))
    return kept


def _field(raw: str, column: str, limit: int, errors: list[ContentError], *, lines: bool = False) -> str:
    try:
        text = _tidy(raw, lines)
    except UnicodeEncodeError:
        errors.append(ContentError("bad_character", column))
        return ""
    if "\0" in text:
        errors.append(ContentError("bad_character", column))
        return ""
    if not text:
        errors.append(ContentError("required", column))
    elif len(text) > limit:
        errors.append(ContentError("too_long", column, limit))
    return text


def _tidy(raw: str, lines: bool) -> str:
    """NFC (never NFKC: it would turn Chinese full-width punctuation into ASCII), one kind of line end, no controls."""
    raw.encode("utf-8")  # a lone surrogate fails here, before a database chokes on it
    text = unicodedata.normalize("NFC", raw).replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(c for c in text if c in "\n\t\0" or unicodedata.category(c) != "Cc")
    if lines:
        return text.strip()
    return re.sub(r"\s+", " ", text).strip()
