"""FAQ entries as CSV: one row an entry, UTF-8 (a byte-order mark is accepted), phrasings separated by `|`.

A cell that a spreadsheet would run as a formula (`=1+1`, `@x`, `-2`) is written with an apostrophe in front and read
back without it; a `|` or a backslash inside a phrasing is written with a backslash before it. So export and import lose
nothing.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bot.shared.errors import InvalidInputError
from knowledge_base.store.content import (
    LANGUAGES,
    ContentError,
    FaqContent,
    FaqEntry,
    FaqText,
    check_entry_id,
    collect_content,
)

COLUMNS = ("id", "category") + tuple(
    f"{part}_{language}" for language in LANGUAGES for part in ("question", "answer", "phrasings")
)
MAX_BYTES = 5 * 1024 * 1024
MAX_ROWS = 5000
MAX_ERRORS = 200  # enough to see what is wrong with a file; more would only slow the page down

CsvFile = str | Path | BinaryIO

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


@dataclass(frozen=True)
class RowError:
    """`row` counts as a spreadsheet does (the header is row 1); `code` and `limit` as in ContentError."""

    row: int
    column: str
    code: str
    limit: int = 0
    entry_id: str = ""

    def __str__(self) -> str:
        limit = f" ({self.limit})" if self.limit else ""
        return f"row {self.row}, {self.column or 'file'}: {self.code}{limit}"


@dataclass
class ImportReport:
    """What an import would do (`applied` False) or did. With errors nothing was changed.

    `revision` is the store's publication count afterwards.
    """

    rows: int = 0
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    applied: bool = False
    revision: int = 0

    @property
    def ok(self) -> bool:
        return not self.errors


def read(source: CsvFile) -> tuple[list[tuple[str, FaqContent]], list[RowError]]:
    """(entry id, content) of every row, and everything that is wrong with the file. Blank rows are skipped."""
    errors: list[RowError] = []
    data = _read_bytes(source)
    if len(data) > MAX_BYTES:
        return [], [RowError(1, "", "file_too_big", MAX_BYTES // (1024 * 1024))]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return [], [RowError(1, "", "not_utf8")]
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[tuple[str, FaqContent]] = []
    number = 0
    try:
        header = [cell.strip().lower() for cell in next(rows, [])]
        number = 1
        errors.extend(_header_errors(header))
        if errors:
            return [], errors
        first_row: dict[str, int] = {}
        for cells in rows:
            number += 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(found) >= MAX_ROWS:
                errors.append(RowError(number, "", "too_many_rows", MAX_ROWS))
                break
            if len(cells) != len(header):
                errors.append(RowError(number, "", "wrong_cell_count", len(header)))
                continue
            row = {name: _from_cell(cell) for name, cell in zip(header, cells, strict=True)}
            entry_id, content = _entry(row, number, errors)
            if entry_id in first_row:
                errors.append(RowError(number, "id", "duplicate_id", first_row[entry_id], entry_id))
            first_row.setdefault(entry_id, number)
            found.append((entry_id, content))
            if len(errors) >= MAX_ERRORS:
                break
    except csv.Error:
        errors.append(RowError(number + 1, "", "bad_csv"))
    if not found and not errors:
        errors.append(RowError(1, "", "empty_file"))
    return found, errors[:MAX_ERRORS]


def write(entries: Iterable[FaqEntry], target: CsvFile) -> int:
    """Writes the entries' contents, returns how many. The byte-order mark makes Excel read the file as UTF-8."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    count = 0
    for entry in entries:
        cells = [entry.id, entry.content.category]
        for language in LANGUAGES:
            text = entry.content.translations.get(language)
            cells += [text.question, text.answer, join_phrasings(text.phrasings)] if text else ["", "", ""]
        writer.writerow([_to_cell(cell) for cell in cells])
        count += 1
    data = buffer.getvalue().encode("utf-8-sig")
    if isinstance(target, (str, Path)):
        Path(target).write_bytes(data)
    else:
        target.write(data)
    return count


def join_phrasings(phrasings: Iterable[str]) -> str:
    """`["a|b", "c"]` -> `a\\|b|c`."""
    return "|".join(phrasing.replace("\\", "\\\\").replace("|", "\\|") for phrasing in phrasings)


def split_phrasings(cell: str) -> list[str]:
    """The reverse of join_phrasings; a backslash before anything else stands for itself."""
    parts = [""]
    position = 0
    while position < len(cell):
        character = cell[position]
        following = cell[position + 1:position + 2]
        if character == "\\" and following in ("\\", "|") and following:
            parts[-1] += following
            position += 2
            continue
        if character == "|":
            parts.append("")
        else:
            parts[-1] += character
        position += 1
    return [part for part in (part.strip() for part in parts) if part]


def _read_bytes(source: CsvFile) -> bytes:
    if isinstance(source, (str, Path)):
        with open(source, "rb") as file:
            return file.read(MAX_BYTES + 1)
    data = source.read(MAX_BYTES + 1)
    if not isinstance(data, bytes):
        raise InvalidInputError("open the CSV file in binary mode", "not_binary")
    return data


def _header_errors(header: list[str]) -> list[RowError]:
    errors = [RowError(1, name, "unknown_column") for name in header if name not in COLUMNS]
    errors += [RowError(1, name, "duplicate_column") for name in sorted(set(header)) if header.count(name) > 1]
    missing = [name for name in ("id", "category") if name not in header]
    # A bank with one language needs only that language's columns.
    if not any({f"question_{language}", f"answer_{language}"} <= set(header) for language in LANGUAGES):
        missing += [f"{part}_{LANGUAGES[0]}" for part in ("question", "answer")]
    return errors + [RowError(1, name, "missing_column") for name in missing if name not in header]


def _entry(row: dict[str, str], number: int, errors: list[RowError]) -> tuple[str, FaqContent]:
    entry_id = row["id"].strip()
    problems: list[ContentError] = []
    try:
        entry_id = check_entry_id(entry_id)
    except ContentError as error:
        problems.append(error)
    texts = {
        language: FaqText(
            row.get(f"question_{language}", ""),
            row.get(f"answer_{language}", ""),
            split_phrasings(row.get(f"phrasings_{language}", "")),
        )
        for language in LANGUAGES
    }
    content = collect_content(FaqContent(row["category"], texts), problems)
    errors.extend(RowError(number, problem.column, problem.code, problem.limit, entry_id) for problem in problems)
    return entry_id, content


def _to_cell(text: str) -> str:
    return "'" + text if _FORMULA.match(text) else text


def _from_cell(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
