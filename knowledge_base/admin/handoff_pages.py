"""Conversations that wait for a person, or are with one: list, read, take, reply, return to the bot."""

from __future__ import annotations

from datetime import datetime, timezone

from fastapi import APIRouter
from starlette.responses import Response

from bot.shared.errors import ConflictError
from bot.shared.redaction import redact
from knowledge_base.admin.markup import to_html
from knowledge_base.admin.pages import Agent, Form, Page

OPEN = ("waiting", "taken")
MAX_REPLY = 2000

router = APIRouter()


@router.get("/handoffs")
def handoff_list(page: Agent) -> Response:
    return page.render("handoffs.html", **_open(page))


@router.get("/handoffs/panel")
def handoff_list_panel(page: Agent) -> Response:
    return page.render("handoffs_panel.html", **_open(page))


@router.get("/api/handoffs")
def waiting_count(page: Agent) -> dict[str, int]:
    """How many customers wait; every page of somebody who may answer asks for it now and then."""
    return {"waiting": len(page.services.conversations.handoffs(("waiting",)))}


@router.get("/handoffs/{handoff_id}")
def handoff_page(page: Agent, handoff_id: int) -> Response:
    return _conversation(page, handoff_id)


@router.get("/handoffs/{handoff_id}/panel")
def handoff_panel(page: Agent, handoff_id: int) -> Response:
    return page.render("handoff_panel.html", **_one(page, handoff_id))


@router.post("/handoffs/{handoff_id}/take")
def take(page: Agent, handoff_id: int) -> Response:
    try:
        page.services.conversations.take(handoff_id, page.user.username)
    except ConflictError as conflict:
        return _conversation(page, handoff_id, status=409, error=conflict.code)
    return page.redirect(f"/handoffs/{handoff_id}")


@router.post("/handoffs/{handoff_id}/reply")
def reply(page: Agent, handoff_id: int, form: Form) -> Response:
    text = page.text(form, "text").replace("\0", "").strip()
    if not text or len(text) > MAX_REPLY:
        error = "reply_too_long" if text else "reply_empty"
        return _conversation(page, handoff_id, status=400, error=error, draft=text)
    try:
        page.services.conversations.agent_reply(handoff_id, page.user.username, redact(text))
    except ConflictError as conflict:
        return _conversation(page, handoff_id, status=409, error=conflict.code, draft=text)
    return page.redirect(f"/handoffs/{handoff_id}")


@router.post("/handoffs/{handoff_id}/return")
def return_to_bot(page: Agent, handoff_id: int) -> Response:
    try:
        page.services.conversations.return_to_bot(handoff_id, page.user.username)
    except ConflictError as conflict:
        return _conversation(page, handoff_id, status=409, error=conflict.code)
    return page.redirect("/handoffs?note=returned")


def _open(page: Page) -> dict[str, object]:
    conversations = page.services.conversations
    rows = []
    for handoff in conversations.handoffs(OPEN):
        said = [line for line in conversations.transcript(handoff.conversation_id) if line["from"] == "customer"]
        rows.append({
            "handoff": handoff,
            "conversation": conversations.get(handoff.conversation_id),
            "last": said[-1]["text"] if said else "",
            "minutes": int((datetime.now(timezone.utc) - handoff.created_at).total_seconds() // 60),
        })
    return {"rows": rows}


def _one(page: Page, handoff_id: int) -> dict[str, object]:
    conversations = page.services.conversations
    handoff = conversations.handoff(handoff_id)
    return {
        "handoff": handoff,
        "conversation": conversations.get(handoff.conversation_id),
        "lines": conversations.transcript(handoff.conversation_id),
        "html": to_html,
        "mine": handoff.status == "taken" and handoff.agent == page.user.username,
    }


def _conversation(page: Page, handoff_id: int, *, status: int = 200, error: str = "", draft: str = "") -> Response:
    return page.render(
        "handoff.html", status, error=error, draft=draft, max_reply=MAX_REPLY, **_one(page, handoff_id)
    )
