"""CSV in and out: a dry run first, then the same file applied."""

from __future__ import annotations

import io
import secrets
from datetime import date

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.responses import Response

from bot.shared.errors import InvalidInputError
from knowledge_base.admin.faq_pages import WAIT_FOR_INDEX_SECONDS
from knowledge_base.admin.pages import Editor, Form, Page
from knowledge_base.store.faq_csv import COLUMNS, MAX_BYTES, MAX_ROWS

KEPT_UPLOADS = 8  # files that were checked and wait for Apply; the oldest is forgotten first

router = APIRouter()


@router.get("/import")
def import_form(page: Editor) -> Response:
    return _form(page)


@router.post("/import/check")
def check_file(page: Editor, form: Form) -> Response:
    upload = form.get("file")
    if not isinstance(upload, UploadFile) or not upload.filename:
        return _form(page, status=400, error="no_file")
    data = upload.file.read(MAX_BYTES + 1)
    report = page.services.faqs.import_csv(io.BytesIO(data), page.user.username, dry_run=True)
    key = ""
    if report.ok:
        key = secrets.token_urlsafe(16)
        uploads = page.services.uploads
        uploads[key] = (page.user.username, upload.filename[:100], data)
        while len(uploads) > KEPT_UPLOADS:
            uploads.popitem(last=False)
    status = 200 if report.ok else 400
    return page.render("import_report.html", status, report=report, key=key, filename=upload.filename[:100])


@router.post("/import/apply")
def apply_file(page: Editor, form: Form) -> Response:
    key = page.text(form, "key")
    owner, filename, data = page.services.uploads.get(key, ("", "", b""))
    if owner != page.user.username:
        return _form(page, status=400, error="upload_gone")
    publish = page.text(form, "publish") == "yes"
    if publish and not page.user.may("publish"):
        raise InvalidInputError("this role may not publish", "not_allowed")
    # Checked again as it is applied: entries may have changed since the dry run.
    report = page.services.faqs.import_csv(io.BytesIO(data), page.user.username, publish=publish)
    page.services.uploads.pop(key, None)
    if publish and report.ok:
        page.services.worker.request(wait_seconds=WAIT_FOR_INDEX_SECONDS)
    return page.render("import_report.html", 200 if report.ok else 400, report=report, key="", filename=filename)


@router.get("/export.csv")
def export(page: Editor) -> Response:
    buffer = io.BytesIO()
    page.services.faqs.export_csv(buffer)
    name = f"faq-{date.today().isoformat()}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(buffer.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _form(page: Page, *, status: int = 200, error: str = "") -> Response:
    limit = MAX_BYTES // (1024 * 1024)
    return page.render("import.html", status, columns=COLUMNS, max_rows=MAX_ROWS, max_megabytes=limit, error=error)
