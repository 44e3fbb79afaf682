"""The FAQ store: entries, drafts, publications, history, CSV. SQLite and PostgreSQL behave alike.

Every writer first locks the one row of `faq_state`, so writers follow one another and a publication is counted in the
transaction that makes it. Readers never wait for writers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.shared.errors import StorageError
from knowledge_base.store import faq_csv
from knowledge_base.store.content import (
    Change,
    FaqContent,
    FaqEntry,
    PublishedAnswer,
    RevisionConflict,
    check_content,
    check_entry_id,
)
from knowledge_base.store.faq_rows import (
    LIVE,
    NEWEST,
    count_publication,
    create_entry,
    current_revision,
    find_row,
    load_content,
    load_entry,
    newest_contents,
    publish_all,
    publish_entry,
    record,
    require_row,
    save_version,
    search_conditions,
    set_entry,
    to_entry,
)
from knowledge_base.store.tables import audit, entries, revisions, state


class FaqStore:
    """FAQ entries over `engine` (from bot.shared.database.open_engine; run `migrate` first).

    Methods raise StorageError when the database fails, NotFoundError for an unknown id, ContentError for text that
    breaks a rule, RevisionConflict when somebody else saved first. `author` is a user name, kept in the history.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reader = engine.execution_options(readonly=True)

    # Writing

    def create(self, entry_id: str, content: FaqContent, author: str) -> FaqEntry:
        """A new draft. Raises RevisionConflict when the id is taken (by an archived entry too)."""
        entry_id = check_entry_id(entry_id)
        content = check_content(content)
        with self._writing() as connection:
            if find_row(connection, entry_id) is not None:
                raise RevisionConflict(load_entry(connection, entry_id), content)
            create_entry(connection, entry_id, content, author, "create")
            return load_entry(connection, entry_id)

    def save_draft(self, entry_id: str, content: FaqContent, author: str, expected_revision: int) -> int:
        """Saves a new draft over revision `expected_revision` and returns the draft's number.

        Content equal to that revision saves nothing and returns its number.
        """
        content = check_content(content)
        with self._writing() as connection:
            row = require_row(connection, entry_id)
            if row.latest_revision != expected_revision:
                raise RevisionConflict(load_entry(connection, entry_id), content)
            if load_content(connection, entry_id, row.latest_revision) == content:
                return row.latest_revision
            return save_version(connection, row, content, author, "edit")

    def publish(self, entry_id: str, author: str, expected_revision: int | None = None) -> int:
        """Makes the newest version the live one and returns the store's publication count.

        Nothing new to publish changes nothing. With `expected_revision`, raises RevisionConflict when the newest
        version is another one: an editor publishes what they have read.
        """
        with self._writing() as connection:
            row = require_row(connection, entry_id)
            if expected_revision is not None and row.latest_revision != expected_revision:
                read = load_content(connection, entry_id, expected_revision)
                raise RevisionConflict(load_entry(connection, entry_id), read)
            if row.published_revision == row.latest_revision:
                return current_revision(connection)
            publication = count_publication(connection)
            publish_entry(connection, row, author, publication)
            return publication

    def archive(self, entry_id: str, author: str) -> None:
        """Takes the entry away from customers; its history stays and `restore` brings it back as a draft."""
        with self._writing() as connection:
            row = require_row(connection, entry_id)
            if row.archived:
                return
            publication = count_publication(connection) if row.published_revision is not None else None
            set_entry(
                connection, entry_id, author, archived=True, published_revision=None, draft_revision=row.latest_revision
            )
            record(connection, author, "archive", entry_id, row.latest_revision, publication)

    def restore(self, entry_id: str, author: str) -> None:
        """An archived entry becomes a draft again."""
        with self._writing() as connection:
            row = require_row(connection, entry_id)
            if row.archived:
                set_entry(connection, entry_id, author, archived=False)
                record(connection, author, "restore", entry_id, row.latest_revision)

    def import_csv(
        self, file: faq_csv.CsvFile, author: str, publish: bool = False, dry_run: bool = False
    ) -> faq_csv.ImportReport:
        """Creates and updates entries from a CSV file (path or binary file) in one transaction.

        Any error in the file, or `dry_run`, changes nothing; the report says what would happen. Rows equal to the
        newest version are left alone; an archived entry named in the file becomes a draft again. Entries that are not
        in the file stay. With `publish` the rows go live together, as one publication.
        """
        rows, errors = faq_csv.read(file)
        report = faq_csv.ImportReport(rows=len(rows), errors=errors)
        apply = not errors and not dry_run
        with self._writing() if apply else self._reading() as connection:
            known = {} if errors else newest_contents(connection)
            for entry_id, content in rows if not errors else []:
                old = known.get(entry_id)
                kind = report.added if old is None else report.unchanged if old == content else report.changed
                kind.append(entry_id)
            if apply:
                contents = dict(rows)
                for entry_id in report.added:
                    create_entry(connection, entry_id, contents[entry_id], author, "import")
                for entry_id in report.changed:
                    save_version(connection, require_row(connection, entry_id), contents[entry_id], author, "import")
                for entry_id in report.unchanged:
                    if require_row(connection, entry_id).archived:
                        set_entry(connection, entry_id, author, archived=False)
                        record(connection, author, "restore", entry_id, None)
                if publish:
                    publish_all(connection, list(contents), author)
                report.applied = True
            report.revision = current_revision(connection)
        return report

    # Reading

    def get(self, entry_id: str) -> FaqEntry:
        """The entry with its newest version, draft or not."""
        with self._reading() as connection:
            return load_entry(connection, entry_id)

    def version(self, entry_id: str, number: int) -> FaqContent:
        """The content of one revision of an entry."""
        with self._reading() as connection:
            return load_content(connection, entry_id, number)

    def published(self) -> list[FaqEntry]:
        """Every live entry with its live version, by id."""
        query = (
            select(entries, revisions.c.content)
            .join(revisions, LIVE)
            .order_by(entries.c.id)
        )
        with self._reading() as connection:
            return [to_entry(row, row.content, row.published_revision) for row in connection.execute(query)]

    def answer(self, entry_id: str, language: str) -> PublishedAnswer | None:
        """The live answer in `language`, or in the entry's other language if it has none in that one (the result's
        `language` says which); None when the entry is not live or unknown."""
        query = (
            select(revisions.c.content, revisions.c.number)
            .join(entries, LIVE)
            .where(entries.c.id == entry_id.replace("\0", ""))  # PostgreSQL refuses the character outright
        )
        with self._reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        content = FaqContent.from_json(row.content)
        found = language if language in content.translations else next(iter(content.translations))
        text = content.translations[found]
        return PublishedAnswer(entry_id, found, text.question, text.answer, row.number)

    def search(
        self, text: str = "", language: str | None = None, status: str | None = None, *, category: str | None = None,
        missing: str | None = None, limit: int | None = None, offset: int = 0,
    ) -> list[FaqEntry]:
        """Entries whose newest version holds every word of `text` (questions, phrasings, answers, id), by category, id.

        `language` searches, and lists only entries that have, that language; `missing` lists entries without that
        language; `status` is one of STATUSES (None: all but archived).
        """
        query = (
            select(entries, revisions.c.content)
            .join(revisions, NEWEST)
            .where(*search_conditions(text, language, status, category, missing))
            .order_by(entries.c.category, entries.c.id)
            .offset(offset)
        )
        if limit is not None:
            query = query.limit(limit)
        with self._reading() as connection:
            return [to_entry(row, row.content, row.latest_revision) for row in connection.execute(query)]

    def count(
        self, text: str = "", language: str | None = None, status: str | None = None, *, category: str | None = None,
        missing: str | None = None,
    ) -> int:
        """How many entries `search` with the same arguments would find."""
        conditions = search_conditions(text, language, status, category, missing)
        query = select(func.count()).select_from(entries).where(*conditions)
        with self._reading() as connection:
            return connection.execute(query).scalar_one()

    def categories(self) -> list[str]:
        """The categories in use, sorted."""
        query = select(entries.c.category).where(entries.c.archived.is_(False)).distinct().order_by(entries.c.category)
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def is_empty(self) -> bool:
        """No entry was ever made here (an archived one counts as one)."""
        with self._reading() as connection:
            return connection.execute(select(entries.c.id).limit(1)).first() is None

    def history(self, entry_id: str) -> list[Change]:
        """Every change of the entry, newest first."""
        query = select(audit).where(audit.c.entry_id == entry_id).order_by(audit.c.id.desc())
        with self._reading() as connection:
            require_row(connection, entry_id)
            return [
                Change(row.action, row.author, row.at, row.revision, row.publication)
                for row in connection.execute(query)
            ]

    def revision(self) -> int:
        """How many publications there were; it changes exactly when customers may see something else."""
        with self._reading() as connection:
            return current_revision(connection)

    def export_csv(self, file: faq_csv.CsvFile) -> int:
        """Writes the newest version of every entry that is not archived (path or binary file); returns how many."""
        return faq_csv.write(self.search(), file)

    # Transactions

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with self.engine.begin() as connection:
                connection.execute(select(state.c.revision).with_for_update())
                yield connection
        except SQLAlchemyError as error:
            raise StorageError(f"the knowledge base could not be changed: {type(error).__name__}") from error

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._reader.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StorageError(f"the knowledge base could not be read: {type(error).__name__}") from error
