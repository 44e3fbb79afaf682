"""The FAQ store's SQL, one step a function. Each works inside a transaction that FaqStore opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.engine import Connection, Row

from bot.shared.errors import NotFoundError
from knowledge_base.store.content import ARCHIVED, CHANGED, DRAFT, LANGUAGES, PUBLISHED, FaqContent, FaqEntry
from knowledge_base.store.tables import audit, entries, revisions, state

NEWEST = and_(revisions.c.entry_id == entries.c.id, revisions.c.number == entries.c.latest_revision)
LIVE = and_(revisions.c.entry_id == entries.c.id, revisions.c.number == entries.c.published_revision)


def search_conditions(
    text: str, language: str | None, status: str | None, category: str | None, missing: str | None
) -> list[Any]:
    """WHERE clauses for FaqStore.search; the arguments as there."""
    columns = {"en": entries.c.search_en, "zh": entries.c.search_zh}
    conditions: list[Any] = []
    searched = [columns[language]] if language else list(columns.values())
    if language:
        conditions.append(columns[language] != "")
    for word in text.casefold().replace("\0", " ").split():
        fields = [column.contains(word, autoescape=True) for column in searched]
        conditions.append(or_(func.lower(entries.c.id).contains(word, autoescape=True), *fields))
    if missing:
        conditions.append(columns[missing] == "")
    if category:
        conditions.append(entries.c.category == category)
    live, draft = entries.c.published_revision.is_not(None), entries.c.draft_revision.is_not(None)
    by_status = {
        DRAFT: and_(entries.c.archived.is_(False), ~live),
        PUBLISHED: and_(live, ~draft),
        CHANGED: and_(live, draft),
        ARCHIVED: entries.c.archived.is_(True),
    }
    conditions.append(by_status[status] if status else entries.c.archived.is_(False))
    return conditions


def current_revision(connection: Connection) -> int:
    """The publication count."""
    return connection.execute(select(state.c.revision)).scalar_one()


def count_publication(connection: Connection) -> int:
    """Adds one publication and returns the new count."""
    connection.execute(update(state).values(revision=state.c.revision + 1))
    return current_revision(connection)


def find_row(connection: Connection, entry_id: str) -> Row | None:
    """The entry's row, or None."""
    if "\0" in entry_id:  # PostgreSQL refuses the character outright
        return None
    return connection.execute(select(entries).where(entries.c.id == entry_id)).first()


def require_row(connection: Connection, entry_id: str) -> Row:
    """The entry's row; raises NotFoundError."""
    row = find_row(connection, entry_id)
    if row is None:
        raise NotFoundError(f"no FAQ entry {entry_id!r}")
    return row


def load_content(connection: Connection, entry_id: str, number: int) -> FaqContent:
    """One version of an entry; raises NotFoundError."""
    query = select(revisions.c.content).where(revisions.c.entry_id == entry_id, revisions.c.number == number)
    data = connection.execute(query).scalar()
    if data is None:
        raise NotFoundError(f"no revision {number} of FAQ entry {entry_id!r}")
    return FaqContent.from_json(data)


def newest_contents(connection: Connection) -> dict[str, FaqContent]:
    """Every entry's newest version by id, archived ones too."""
    query = select(entries.c.id, revisions.c.content).join(revisions, NEWEST)
    return {row.id: FaqContent.from_json(row.content) for row in connection.execute(query)}


def load_entry(connection: Connection, entry_id: str) -> FaqEntry:
    """The entry with its newest version; raises NotFoundError."""
    row = require_row(connection, entry_id)
    return to_entry(row, load_content(connection, entry_id, row.latest_revision).to_json(), row.latest_revision)


def to_entry(row: Row, content: dict[str, Any], number: int) -> FaqEntry:
    """An FaqEntry from a row of `faq_entries` and one version's content."""
    if row.archived:
        status = ARCHIVED
    elif row.published_revision is None:
        status = DRAFT
    else:
        status = PUBLISHED if row.draft_revision is None else CHANGED
    return FaqEntry(
        row.id, status, FaqContent.from_json(content), number, row.published_revision, row.updated_at, row.updated_by
    )


def create_entry(connection: Connection, entry_id: str, content: FaqContent, author: str, action: str) -> None:
    """A new draft, its first revision and its audit row."""
    connection.execute(insert(entries).values(
        id=entry_id, draft_revision=1, latest_revision=1, archived=False, updated_at=now(), updated_by=author,
        **copies(content),
    ))
    add_revision(connection, entry_id, 1, content, author, action)


def save_version(connection: Connection, row: Row, content: FaqContent, author: str, action: str) -> int:
    """A new draft revision; an archived entry comes back with it. Returns the number."""
    number = row.latest_revision + 1
    add_revision(connection, row.id, number, content, author, action)
    set_entry(
        connection, row.id, author, draft_revision=number, latest_revision=number, archived=False, **copies(content)
    )
    return number


def add_revision(
    connection: Connection, entry_id: str, number: int, content: FaqContent, author: str, action: str
) -> None:
    """Adds the immutable row and its audit row."""
    connection.execute(insert(revisions).values(
        entry_id=entry_id, number=number, content=content.to_json(), action=action, author=author, created_at=now()
    ))
    record(connection, author, action, entry_id, number)


def publish_entry(connection: Connection, row: Row, author: str, publication: int) -> None:
    """Makes the newest revision the live one."""
    set_entry(connection, row.id, author, published_revision=row.latest_revision, draft_revision=None, archived=False)
    record(connection, author, "publish", row.id, row.latest_revision, publication)


def publish_all(connection: Connection, entry_ids: Sequence[str], author: str) -> None:
    """Publishes what is not live yet, as one publication."""
    rows = [require_row(connection, entry_id) for entry_id in entry_ids]
    waiting = [row for row in rows if row.published_revision != row.latest_revision]
    if waiting:
        publication = count_publication(connection)
        for row in waiting:
            publish_entry(connection, row, author, publication)


def set_entry(connection: Connection, entry_id: str, author: str, **values: object) -> None:
    """Changes columns of the entry's row."""
    connection.execute(
        update(entries).where(entries.c.id == entry_id).values(updated_at=now(), updated_by=author, **values)
    )


def record(
    connection: Connection, author: str, action: str, entry_id: str, revision: int | None,
    publication: int | None = None,
) -> None:
    """Adds an audit row."""
    connection.execute(insert(audit).values(
        at=now(), author=author, action=action, entry_id=entry_id, revision=revision, publication=publication
    ))


def copies(content: FaqContent) -> dict[str, str]:
    """The values that `faq_entries` repeats from the newest revision."""
    copies = {"category": content.category}
    for language in LANGUAGES:
        text = content.translations.get(language)
        lines = [text.question, *text.phrasings, text.answer] if text else []
        copies[f"search_{language}"] = "\n".join(lines).casefold()
    return copies


def now() -> datetime:
    """UTC."""
    return datetime.now(timezone.utc)
