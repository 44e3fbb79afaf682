"""Fills an empty knowledge base with the shipped FAQs."""

from __future__ import annotations

from pathlib import Path

from bot.shared.errors import InvalidInputError
from knowledge_base.store.faq_store import FaqStore

SEED_AUTHOR = "teller"


def seed_if_empty(store: FaqStore, csv_path: Path) -> int:
    """Imports and publishes `csv_path` when the store never held an entry; returns how many entries that made.

    A store that holds, or ever held, an entry is left alone. Raises InvalidInputError naming the first bad row.
    """
    if not store.is_empty():
        return 0
    report = store.import_csv(csv_path, SEED_AUTHOR, publish=True)
    if report.errors:
        first = report.errors[0]
        raise InvalidInputError(
            f"{csv_path.name} row {first.row}, column {first.column or '-'}: {first.code}"
            f" ({len(report.errors)} errors in all)", "bad_seed",
        )
    return len(report.added)
