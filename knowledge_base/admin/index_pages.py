"""What the index is doing, and a box to try a question on it."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from starlette.responses import Response

from knowledge_base.admin.pages import Editor, Page

router = APIRouter()

MAX_QUESTION = 300
HITS = 5


@router.get("/index")
def index_page(page: Editor, q: str = "") -> Response:
    question = q.strip()[:MAX_QUESTION]
    hits = page.services.worker.search(question, HITS) if question else []
    return page.render("index.html", question=question, hits=hits, **_panel(page))


@router.get("/index/panel")
def index_panel(page: Editor) -> Response:
    return page.render("index_panel.html", **_panel(page))


@router.post("/index/rebuild")
def rebuild(page: Editor) -> Response:
    page.services.worker.request(wait_seconds=3.0)
    return page.redirect("/index")


def _panel(page: Page) -> dict[str, object]:
    status = page.services.worker.status()
    built_at = page.when(datetime.fromisoformat(status.manifest.built_at)) if status.manifest else ""
    return {"status": status, "built_at": built_at}
