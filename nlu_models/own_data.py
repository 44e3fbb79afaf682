"""Reads the project's own training files beside Rasa's YAML: FAQ questions (examples of the intent `faq`) and sentiment."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from nlu_models.errors import DataError

FAQ_INTENT = "faq"
_FAQ_COLUMNS = ("question_en", "question_zh", "phrasings_en", "phrasings_zh")


def faq_examples(path: Path) -> list[tuple[str, str]]:
    """(text, "faq") for every question and phrasing in the FAQ CSV."""
    found = []
    for _, row in _rows(path, _FAQ_COLUMNS):
        for column in _FAQ_COLUMNS:
            found += [(text.strip(), FAQ_INTENT) for text in row[column].split("|") if text.strip()]
    return list(dict.fromkeys(found))


def sentiment_examples(path: Path) -> list[tuple[str, str]]:
    """(text, label) with label negative, neutral or positive. Raises DataError naming the line."""
    found = []
    for number, row in _rows(path, ("text", "label")):
        if row["label"] not in ("negative", "neutral", "positive"):
            raise DataError(f"{path.name} line {number}: label {row['label']!r} is not negative, neutral or positive")
        found.append((row["text"].strip(), row["label"]))
    return found


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        file = path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    with file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or [])]
        if missing:
            raise DataError(f"{path.name}: column {missing[0]!r} is missing")
        for row in reader:
            yield reader.line_num, row
