"""The FAQ store: entries with revisions, publications, CSV, and the people who edit them."""

from knowledge_base.store.content import (
    ARCHIVED,
    CHANGED,
    DRAFT,
    LANGUAGES,
    PUBLISHED,
    STATUSES,
    Change,
    ContentError,
    FaqContent,
    FaqEntry,
    FaqText,
    PublishedAnswer,
    RevisionConflict,
)
from knowledge_base.store.faq_csv import ImportReport, RowError
from knowledge_base.store.faq_store import FaqStore
from knowledge_base.store.migrate import migrate
from knowledge_base.store.seed import seed_if_empty
from knowledge_base.store.users import ADMIN, AGENT, EDITOR, ROLES, User, UserStore

__all__ = [
    "ADMIN", "AGENT", "ARCHIVED", "CHANGED", "Change", "ContentError", "DRAFT", "EDITOR", "FaqContent", "FaqEntry",
    "FaqStore", "FaqText", "ImportReport", "LANGUAGES", "PUBLISHED", "PublishedAnswer", "ROLES", "RevisionConflict",
    "RowError", "STATUSES", "User", "UserStore", "migrate", "seed_if_empty",
]
