"""The FAQ pages: list, search, add, edit, publish, archive, history."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.responses import Response

from knowledge_base.admin.markup import to_html
from knowledge_base.admin.pages import Archivist, Editor, Form, Page
from knowledge_base.store import (
    LANGUAGES,
    STATUSES,
    ContentError,
    FaqContent,
    FaqEntry,
    FaqText,
    RevisionConflict,
)
from knowledge_base.store.content import check_entry_id, collect_content

PAGE_SIZE = 50
WAIT_FOR_INDEX_SECONDS = 3.0  # an edit's index takes about 0.1 s; then the page can say that it is live
_NOTES = {"done": "published", "running": "published_indexing", "failed": "published_not_indexed"}

router = APIRouter()


@router.get("/faqs")
def faq_list(
    page: Editor, q: str = "", category: str = "", status: str = "", missing: str = "", number: int = 1
) -> Response:
    faqs = page.services.faqs
    filters = {
        "category": category.replace("\0", "") or None,
        "status": status if status in STATUSES else None,
        "missing": missing if missing in LANGUAGES else None,
    }
    total = faqs.count(q[:200], **filters)
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(number, 1), pages)
    found = faqs.search(q[:200], **filters, limit=PAGE_SIZE, offset=(number - 1) * PAGE_SIZE)
    query = {"q": q, "category": category, "status": status, "missing": missing}

    def page_link(other: int) -> str:
        return "/faqs?" + urlencode({**{key: value for key, value in query.items() if value}, "number": other})

    return page.render(
        "faqs.html", entries=found, total=total, pages=pages, number=number, page_link=page_link, query=query,
        categories=faqs.categories(), statuses=STATUSES, languages=LANGUAGES, filtered=any(query.values()),
    )


@router.get("/new-faq")
def new_entry(page: Editor) -> Response:
    return _editor(page, None, FaqContent("", {}))


@router.post("/new-faq")
def create_entry(page: Editor, form: Form) -> Response:
    content, errors = _read_content(page, form)
    entry_id = page.text(form, "id").strip()
    try:
        entry_id = check_entry_id(entry_id)
    except ContentError as error:
        errors.insert(0, error)
    if not errors:
        try:
            page.services.faqs.create(entry_id, content, page.user.username)
        except RevisionConflict:
            errors = [ContentError("id_taken", "id")]
    if errors:
        return _editor(page, None, _raw_content(page, form), status=400, errors=errors, entry_id=entry_id)
    return _saved(page, form, entry_id, 1)


@router.get("/faqs/{entry_id}")
def edit_entry(page: Editor, entry_id: str) -> Response:
    entry = page.services.faqs.get(entry_id)
    return _editor(page, entry, entry.content)


@router.post("/faqs/{entry_id}")
def save_entry(page: Editor, entry_id: str, form: Form) -> Response:
    faqs = page.services.faqs
    entry = faqs.get(entry_id)
    content, errors = _read_content(page, form)
    if errors:
        return _editor(page, entry, _raw_content(page, form), status=400, errors=errors, expected=_expected(page, form))
    try:
        revision = faqs.save_draft(entry_id, content, page.user.username, _expected(page, form))
    except RevisionConflict as conflict:
        return _editor(page, conflict.current, conflict.submitted, status=409, conflict=conflict)
    return _saved(page, form, entry_id, revision)


@router.post("/faqs/{entry_id}/archive")
def archive_entry(page: Archivist, entry_id: str) -> Response:
    page.services.faqs.archive(entry_id, page.user.username)
    page.services.worker.request(wait_seconds=WAIT_FOR_INDEX_SECONDS)
    return page.redirect(f"/faqs/{entry_id}?note=archived")


@router.post("/faqs/{entry_id}/restore")
def restore_entry(page: Archivist, entry_id: str) -> Response:
    page.services.faqs.restore(entry_id, page.user.username)
    return page.redirect(f"/faqs/{entry_id}?note=restored")


@router.get("/faqs/{entry_id}/history")
def entry_history(page: Editor, entry_id: str) -> Response:
    faqs = page.services.faqs
    return page.render("history.html", entry=faqs.get(entry_id), changes=faqs.history(entry_id))


@router.get("/faqs/{entry_id}/versions/{number}")
def entry_version(page: Editor, entry_id: str, number: int) -> Response:
    faqs = page.services.faqs
    content = faqs.version(entry_id, number)
    return page.render(
        "version.html", entry=faqs.get(entry_id), content=content, number=number, languages=LANGUAGES, html=to_html
    )


def _saved(page: Page, form: FormData, entry_id: str, revision: int) -> Response:
    if page.text(form, "do") != "publish":
        return page.redirect(f"/faqs/{entry_id}?note=saved")
    if not page.user.may("publish"):
        return page.redirect(f"/faqs/{entry_id}?note=saved")
    page.services.faqs.publish(entry_id, page.user.username, expected_revision=revision)
    outcome = page.services.worker.request(wait_seconds=WAIT_FOR_INDEX_SECONDS)
    return page.redirect(f"/faqs/{entry_id}?note={_NOTES[outcome]}")


def _editor(
    page: Page,
    entry: FaqEntry | None,
    content: FaqContent,
    *,
    status: int = 200,
    errors: list[ContentError] | None = None,
    conflict: RevisionConflict | None = None,
    entry_id: str = "",
    expected: int | None = None,
) -> Response:
    by_column: dict[str, str] = {}
    for error in errors or []:
        by_column.setdefault(error.column, page.t(f"field_{error.code}", limit=error.limit))
    empty = FaqText("", "", [])
    texts = {language: content.translations.get(language, empty) for language in LANGUAGES}
    return page.render(
        "entry.html", status, entry=entry, entry_id=entry.id if entry else entry_id, category=content.category,
        texts=texts, expected=expected if expected is not None else entry.revision if entry else 0, errors=by_column,
        conflict=conflict, categories=page.services.faqs.categories(), languages=LANGUAGES, html=to_html,
    )


def _raw_content(page: Page, form: FormData) -> FaqContent:
    texts = {
        language: FaqText(
            page.text(form, f"question_{language}"),
            page.text(form, f"answer_{language}"),
            page.text(form, f"phrasings_{language}").splitlines(),
        )
        for language in LANGUAGES
    }
    return FaqContent(page.text(form, "category"), texts)


def _read_content(page: Page, form: FormData) -> tuple[FaqContent, list[ContentError]]:
    errors: list[ContentError] = []
    return collect_content(_raw_content(page, form), errors), errors


def _expected(page: Page, form: FormData) -> int:
    raw = page.text(form, "revision")
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else 0
