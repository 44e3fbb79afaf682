"""The widget's two doors: POST /api/session gives a token, the WebSocket /ws carries the chat.

Frames of the client: hello {token, after}, message {id, text}, button {id, token}.
Frames of the server: ready, ack, typing, reply, state, error. After a hello with `after` 0, `ready` brings the whole
history; with a last seen id, what was missed follows as ordinary replies.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timezone
from typing import Any

from fastapi import APIRouter, Request, WebSocket
from starlette.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from bot.conversations.records import Conversation
from bot.gateway.buttons import public_payload
from bot.gateway.http import client_address, is_same_origin, json_body, preferred_language, public_code
from bot.gateway.hub import CLOSE_ENDED, CLOSE_TOKEN, Connection
from bot.gateway.intake import button_message, client_message_id, login_event, read_object, text_message
from bot.gateway.limits import MAX_BODY_BYTES
from bot.gateway.services import Services
from bot.gateway.sessions import CHANNEL
from bot.shared.errors import InvalidInputError, NotFoundError, PermissionDenied, TellerError
from bot.shared.text import LANGUAGES

logger = logging.getLogger(__name__)

HELLO_SECONDS = 15
LAST_WORD_SECONDS = 5
HISTORY_ENTRIES = 200
CLOSE_PROTOCOL = 4400


def router(services: Services) -> APIRouter:
    """POST /api/session and /ws."""
    routes = APIRouter()

    @routes.post("/api/session")
    async def session(request: Request) -> JSONResponse:
        """`{"token"?: the old one, "language"?}` -> `{"token", "conversation_id", "expires_at", "customer"}`."""
        if not is_same_origin(request):
            raise PermissionDenied("session for another site", "foreign_origin")
        if not services.sessions_by_address.take(client_address(request)):
            raise InvalidInputError("too many sessions", "rate_limited")
        body = await json_body(request)
        language = body.get("language")
        if language not in LANGUAGES:
            language = preferred_language(request)
        login = services.sessions.login_of(request)
        opened = await services.sessions.open(body.get("token"), login, language)
        services.hub.extend(opened.conversation.id, opened.expires_at)
        if opened.login_is_new and await services.threads(services.store.transcript, opened.conversation.id):
            event = login_event(opened.conversation, opened.login.login_id)
            await services.turns.submit(opened.conversation, CHANNEL, event)
        response = JSONResponse({
            "token": opened.token,
            "conversation_id": opened.conversation.id,
            "expires_at": _iso(opened.expires_at),
            "customer": {"name": opened.login.name} if opened.login else None,
        })
        if opened.login is not None:
            services.sessions.set_login(response, request, opened.login)
        return response

    @routes.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        if not is_same_origin(websocket):
            await websocket.close(4403)  # before acceptance: the browser sees a refused handshake
            return
        await websocket.accept()
        await _Chat(services, websocket).run()

    return routes


class _Chat:
    """One socket from its hello to its end."""

    def __init__(self, services: Services, websocket: WebSocket) -> None:
        self._services = services
        self._websocket = websocket
        self._connection = Connection(websocket, "", preferred_language(websocket))
        self._joined = False
        self._ended = False

    async def run(self) -> None:
        writer = asyncio.create_task(self._connection.write(self._services.hub.delivered))
        try:
            while not self._ended and not writer.done():
                raw = await self._receive(None if self._joined else HELLO_SECONDS)
                if raw is None:
                    break
                await self._frame(raw)
            if self._ended:
                await asyncio.wait([writer], timeout=LAST_WORD_SECONDS)  # it closes the socket after the last word
        finally:
            if self._joined:
                self._services.hub.remove(self._connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _receive(self, seconds: float | None) -> str | None:
        """The next text frame; None when the client has gone or says nothing in time."""
        try:
            message = await asyncio.wait_for(self._websocket.receive(), seconds)
        except asyncio.TimeoutError:
            self._end("invalid_input", CLOSE_PROTOCOL)
            return None
        if message["type"] == "websocket.disconnect":
            return None
        text = message.get("text")
        return text if text is not None else ""

    async def _frame(self, raw: str) -> None:
        frame_id = None
        try:
            if len(raw.encode("utf-8", "surrogatepass")) > MAX_BODY_BYTES:
                raise InvalidInputError("frame", "too_large")
            frame = read_object(raw)
            frame_id = frame["id"] if isinstance(frame.get("id"), str) and len(frame["id"]) <= 100 else None
            await self._dispatch(frame)
        except PermissionDenied as error:
            self._end(error.code, CLOSE_TOKEN)
        except TellerError as error:
            code = public_code(error)
            if code in ("unavailable", "internal"):
                logger.error("frame failed", exc_info=error)
            if code == "conversation_closed":
                self._end(code, CLOSE_ENDED)
            else:
                self._error(code, frame_id)
        except WebSocketDisconnect:
            self._ended = True

    async def _dispatch(self, frame: dict[str, Any]) -> None:
        kind = frame.get("type")
        if kind == "hello":
            await self._hello(frame)
        elif not self._joined:
            raise PermissionDenied("hello comes first", "token_invalid")
        elif kind in ("message", "button"):
            await self._message(frame)
        else:
            raise InvalidInputError("frame type", "invalid_input")

    async def _hello(self, frame: dict[str, Any]) -> None:
        services, connection = self._services, self._connection
        content = services.sessions.read_token(frame.get("token"))
        if self._joined and content["conversation"] != connection.conversation_id:
            raise PermissionDenied("token of another conversation", "token_invalid")
        try:
            conversation = await services.threads(services.store.get, content["conversation"])
        except NotFoundError as error:  # erased
            raise PermissionDenied("conversation is gone", "token_invalid") from error
        connection.language = conversation.language
        connection.expires_at = content["expires_at"]
        if conversation.closed_at is not None:
            raise InvalidInputError("closed", "conversation_closed")
        after = frame.get("after")
        after = after if isinstance(after, int) and 0 <= after < 2**62 else 0
        history = []
        if after == 0:
            history = await services.threads(services.store.transcript, conversation.id)
            after = max((entry["id"] for entry in history if entry["from"] != "customer"), default=0)
        connection.send({
            "type": "ready",
            "conversation_id": conversation.id,
            "state": conversation.state,
            "history": [self._history_entry(entry, conversation) for entry in history[-HISTORY_ENTRIES:]],
            "customer": {"name": content["name"]} if content["name"] else None,
            "expires_at": _iso(content["expires_at"]),
        })
        connection.state = conversation.state
        connection.cursor = max(after, connection.cursor)
        if not self._joined:
            connection.conversation_id = conversation.id
            services.hub.add(connection)
            self._joined = True
        await services.hub.refresh([conversation.id])

    async def _message(self, frame: dict[str, Any]) -> None:
        services, connection = self._services, self._connection
        if connection.expires_at <= time.time():
            raise PermissionDenied("session is over", "token_expired")
        # First of all: a flood must not reach the database.
        by_conversation, by_address = services.messages_by_conversation, services.messages_by_address
        if not (by_conversation.take(connection.conversation_id) and by_address.take(client_address(self._websocket))):
            raise InvalidInputError("too many messages", "rate_limited")
        conversation = await services.threads(services.store.get, connection.conversation_id)
        connection.language = conversation.language
        if frame["type"] == "button":
            incoming = button_message(frame.get("id"), frame.get("token"), conversation, services.signer)
        else:
            limit = services.settings.max_message_characters
            incoming = text_message(frame.get("id"), frame.get("text"), conversation, limit)
        accepted = await services.turns.submit(conversation, CHANNEL, incoming)
        connection.language = incoming.language
        connection.send({"type": "ack", "id": incoming.message_id})
        services.turns.on_failure(accepted, lambda: self._error("unavailable", incoming.message_id))

    def _history_entry(self, entry: dict[str, Any], conversation: Conversation) -> dict[str, Any]:
        at = entry["at"].isoformat()
        if entry["from"] == "customer":
            message_id = client_message_id(entry["message_id"], conversation.id)
            return {"from": "customer", "id": message_id, "text": entry["text"], "at": at}
        content = public_payload(entry, conversation.id, self._services.signer)
        in_reply_to = client_message_id(entry["in_reply_to"], conversation.id)
        return {"from": entry["from"], "id": entry["id"], **content, "at": at, "in_reply_to": in_reply_to}

    def _error(self, code: str, frame_id: str | None) -> None:
        frame = {"type": "error", "code": code, "message": self._services.texts.error(code, self._connection.language)}
        self._connection.send({**frame, "id": frame_id} if frame_id is not None else frame)

    def _end(self, code: str, close: int) -> None:
        self._ended = True
        self._services.hub.refuse(self._connection, code, close)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
