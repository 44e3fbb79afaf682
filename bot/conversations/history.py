"""What was said in a conversation, as an agent or the widget reads it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations.tables import inbox, outbox, turns


def transcript(connection: Connection, conversation_id: str) -> list[dict[str, Any]]:
    """Both sides, oldest first, each `{"at": aware datetime, "from": customer|bot|agent|system, "text", "id", ...}`.

    Customer entries add `message_id`, `kind` and the turn's `result` (None while unanswered); `text` of a clicked
    button is its title, and internal events without one are left out. Replies add the rest of their payload and
    `in_reply_to`, the message id they answer (None for an agent's).
    """
    heard = connection.execute(
        sa.select(inbox.c.id, inbox.c.message_id, inbox.c.kind, inbox.c.text, inbox.c.received_at, turns.c.result)
        .select_from(inbox.outerjoin(turns, turns.c.inbox_id == inbox.c.id))
        .where(inbox.c.conversation_id == conversation_id)
    ).all()
    said = connection.execute(sa.select(outbox).where(outbox.c.conversation_id == conversation_id)).all()
    message_ids = {row.id: row.message_id for row in heard}
    entries: list[tuple[tuple, dict[str, Any]]] = []
    for row in heard:
        if row.text:
            entry = {
                "at": row.received_at, "from": "customer", "text": row.text, "id": row.id,
                "message_id": row.message_id, "kind": row.kind, "result": row.result,
            }
            entries.append(((row.received_at, 0, row.id), entry))
    for row in said:
        entry = {
            **row.payload,
            "at": row.created_at, "from": row.sender, "text": row.payload.get("text", ""), "id": row.id,
            "in_reply_to": message_ids.get(row.inbox_id),
        }
        entries.append(((row.created_at, 1, row.id), entry))
    return [entry for _, entry in sorted(entries, key=lambda item: item[0])]
