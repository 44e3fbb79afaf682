"""The JSON API for programs: a bearer token, one request a message, the answer in the response."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta, timezone
from typing import Any

from fastapi import APIRouter, Request

from bot.conversations.records import Conversation
from bot.gateway.buttons import public_reply
from bot.gateway.http import json_body, preferred_language
from bot.gateway.intake import button_message, text_message
from bot.gateway.services import Services
from bot.shared.errors import InvalidInputError, NotFoundError, PermissionDenied
from bot.shared.text import LANGUAGES

CHANNEL = "api"


def router(services: Services) -> APIRouter:
    """POST /api/v1/conversations, POST /api/v1/messages, GET /api/v1/conversations/{id}/replies."""
    routes = APIRouter(prefix="/api/v1")
    store, threads = services.store, services.threads

    @routes.post("/conversations")
    async def create(request: Request) -> dict[str, Any]:
        """`{"user"?, "language"?}`; the token's holder vouches for `user`, a user name of the bank's."""
        _authorise(services, request)
        body = await json_body(request)
        language = body.get("language", preferred_language(request))
        if language not in LANGUAGES:
            raise InvalidInputError("language", "invalid_input")
        customer_id = None
        if body.get("user") is not None:
            customer_id = await _customer(services, body["user"])
        conversation = await threads(
            store.create,
            CHANNEL,
            language=language,
            customer_id=customer_id,
            authenticated_until=_identity_end(services) if customer_id else None,
        )
        return {"conversation_id": conversation.id}

    @routes.post("/messages")
    async def message(request: Request) -> dict[str, Any]:
        """`{"conversation_id", "message_id", "text" | "button"}` -> `{"replies", "result", "state"}`.

        The same message id again gives the same answer, and runs nothing twice.
        """
        _authorise(services, request)
        body = await json_body(request)
        conversation = await _conversation(services, body.get("conversation_id"))
        if "button" in body:
            incoming = button_message(body.get("message_id"), body["button"], conversation, services.signer)
        else:
            limit = services.settings.max_message_characters
            incoming = text_message(body.get("message_id"), body.get("text"), conversation, limit)
        if not services.messages_by_conversation.take(conversation.id):
            raise InvalidInputError("too many messages", "rate_limited")
        await _keep_identity(services, conversation)
        accepted = await services.turns.submit(conversation, CHANNEL, incoming)
        replies, result, state = await services.turns.finished(accepted)
        services.hub.delivered.update(reply.id for reply in replies)
        shown = [public_reply(reply, services.signer) for reply in replies]
        return {"replies": shown, "result": result, "state": state}

    @routes.get("/conversations/{conversation_id}/replies")
    async def replies(request: Request, conversation_id: str, after: int = 0) -> dict[str, Any]:
        """Replies with an id above `after`, an agent's too, in order; and the conversation's state."""
        _authorise(services, request)
        conversation = await _conversation(services, conversation_id)
        found = await threads(store.outbox_after, conversation.id, min(max(after, 0), 2**62))
        services.hub.delivered.update(reply.id for reply in found)
        return {"replies": [public_reply(reply, services.signer) for reply in found], "state": conversation.state}

    return routes


def _authorise(services: Services, request: Request) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    expected = services.settings.api_token
    if scheme.lower() != "bearer" or not secrets.compare_digest(token.strip().encode(), expected.encode()):
        raise PermissionDenied("bearer token", "unauthorized")


async def _conversation(services: Services, conversation_id: object) -> Conversation:
    """A conversation of this channel; another channel's does not exist here."""
    if not isinstance(conversation_id, str) or not conversation_id.isascii() or "\0" in conversation_id:
        raise NotFoundError("no such conversation")
    conversation = await services.threads(services.store.get, conversation_id)
    if conversation.channel != CHANNEL:
        raise NotFoundError("a conversation of another channel")
    return conversation


async def _customer(services: Services, user: object) -> str:
    if services.customer_lookup is None:
        raise InvalidInputError("no customer lookup", "identity_unavailable")
    found = await services.threads(services.customer_lookup, user) if isinstance(user, str) else None
    if found is None:
        raise InvalidInputError("no such user", "unknown_user")
    return found.customer_id


async def _keep_identity(services: Services, conversation: Conversation) -> None:
    """The program has authenticated its user for as long as it keeps the conversation going."""
    if conversation.customer_id is None or conversation.closed_at is not None:
        return
    half = datetime.now(timezone.utc) + timedelta(seconds=services.settings.idle_seconds / 2)
    if not conversation.is_authenticated(half):
        await services.threads(
            services.store.identify, conversation.id, conversation.customer_id, _identity_end(services)
        )


def _identity_end(services: Services) -> datetime:
    return datetime.now(timezone.utc) + timedelta(seconds=services.settings.idle_seconds)
