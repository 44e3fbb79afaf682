"""The gateway's way into Rasa: `POST /webhooks/teller/turn` and `GET /webhooks/teller/ready` (docs/architecture.md)."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from rasa.core.agent import Agent
from rasa.core.channels.channel import InputChannel, OutputChannel, UserMessage
from rasa.shared.core.domain import Domain
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse, json

from bot.conversations.records import OutboxMessage
from bot.dialogue.rasa_patches import harden, redact_everything
from bot.dialogue.responses import reply
from bot.dialogue.tracker_store import TellerTrackerStore
from bot.dialogue.turn import TurnContext, TurnRequest, current_turn
from bot.shared import logs
from bot.shared.errors import InvalidInputError, ServiceUnavailable, SettingsError, TellerError
from bot.shared.settings import Settings, load_settings

logger = logging.getLogger(__name__)

TOKEN_HEADER = "X-Teller-Token"
# A button is sure of what it means.
BUTTON_CONFIDENCE = 1.0
Answer = tuple[int, dict[str, Any]]


class TurnOutput(OutputChannel):
    """Gathers what Rasa says in the running turn, in the shape of our replies."""

    def __init__(self, turn: TurnContext) -> None:
        self._turn = turn

    @classmethod
    def name(cls) -> str:
        return "teller"

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        made = reply(message, self._turn.request.language)
        if made is not None:
            self._turn.replies.append(made)


class TellerInput(InputChannel):
    """The only channel in credentials.yml; its one caller is the gateway, which knows the token."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._agent: Agent | None = None
        self._store: TellerTrackerStore | None = None
        self._running: dict[int, asyncio.Task] = {}

    @classmethod
    def name(cls) -> str:
        return "teller"

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> TellerInput:
        """Settings come from the environment, not from credentials.yml. Raises SettingsError."""
        return cls(load_settings())

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        blueprint = Blueprint("teller", __name__)

        @blueprint.listener("after_server_start")
        async def prepare(app: Sanic, loop: Any) -> None:
            self.attach(app.ctx.agent)

        @blueprint.get("/ready")
        async def ready(request: Request) -> HTTPResponse:
            if not self._is_ready():
                return json({"error": "not_ready"}, status=503)
            return json({"status": "ready", "model": self._agent.processor.model_filename})

        @blueprint.post("/turn")
        async def turn(request: Request) -> HTTPResponse:
            if not self._is_gateway(request):
                return json({"error": "token_invalid"}, status=401)
            try:
                turn_request = TurnRequest.parse(request.json)
            except InvalidInputError as error:
                return json({"error": error.code}, status=400)
            if not self._is_ready():
                return json({"error": "not_ready"}, status=503)
            status, body = await self._once(turn_request, on_new_message)
            return json(body, status=status)

        return blueprint

    def attach(self, agent: Agent | None) -> None:
        """Takes the loaded agent. Without a usable one the channel answers 503, and the log says why."""
        logs.configure("rasa", self._settings)
        redact_everything()
        try:
            if agent is None:
                raise SettingsError("no model was loaded")
            self._store = harden(agent, self._settings.action_timeout_seconds)
            self._agent = agent
        except SettingsError as error:
            logger.critical("Teller's channel stays closed: %s", error)

    def _is_ready(self) -> bool:
        return self._agent is not None and self._agent.is_ready()

    def _is_gateway(self, request: Request) -> bool:
        given = request.headers.get(TOKEN_HEADER) or ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._settings.internal_token.encode("utf-8"))

    async def _once(self, request: TurnRequest, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Answer:
        """Runs the turn in a task of its own, so that a caller who hangs up does not cancel it half-way.

        The same message asked for twice at once is handled once.
        """
        task = self._running.get(request.inbox_id)
        if task is None:
            task = asyncio.create_task(self._turn(request, on_new_message))
            self._running[request.inbox_id] = task
            task.add_done_callback(lambda _: self._running.pop(request.inbox_id, None))
        return await asyncio.shield(task)

    async def _turn(self, request: TurnRequest, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Answer:
        turn = TurnContext(request)
        current_turn.set(turn)
        try:
            stored = await self._stored(request)
            if stored is not None:
                return 200, stored
            await on_new_message(_user_message(turn, self._agent.domain))
            if turn.committed is None:
                raise ServiceUnavailable("Rasa ended the turn without saving it", "turn_failed")
        except InvalidInputError as error:
            return 400, {"error": error.code}
        except Exception as error:
            # Whatever it was, the caller has to know whether the turn exists, and nothing more.
            self._store.forget(request.conversation_id)
            code = error.code if isinstance(error, TellerError) else "turn_failed"
            # A database error's traceback would show the statement's values: the customer's words.
            logger.error(
                "turn of message %s ended badly (%s, committed: %s): %s",
                request.inbox_id, code, turn.committed is not None, error if isinstance(error, TellerError) else "",
                exc_info=not isinstance(error, TellerError),
            )
            if turn.committed is None:
                return 503, {"error": code}
        return 200, _answer(turn.committed, turn.result)

    async def _stored(self, request: TurnRequest) -> dict[str, Any] | None:
        """The replies and result of a message that has been handled before; None for a new one."""
        conversations = self._store.conversations
        result = await asyncio.to_thread(conversations.turn_result, request.inbox_id)
        if result is None:
            return None
        return _answer(await asyncio.to_thread(conversations.replies, request.inbox_id), result)


def _user_message(turn: TurnContext, domain: Domain) -> UserMessage:
    request = turn.request
    return UserMessage(
        text=request.text if request.kind == "text" else f"/{request.intent}",
        output_channel=TurnOutput(turn),
        sender_id=request.conversation_id,
        # With parse data Rasa parses nothing: an event is never a text, and a text is never an event.
        parse_data=_event_parse_data(request, domain) if request.kind == "event" else None,
        input_channel=TellerInput.name(),
        message_id=request.message_id,
        metadata=request.metadata(),
    )


def _event_parse_data(request: TurnRequest, domain: Domain) -> dict[str, Any]:
    """What the NLU would say of a button: its intent, and its slots as entities.

    Only the domain's entities pass, so no button reaches a slot that is not filled from one. `faq_id` chooses an entry.
    """
    if request.intent not in domain.intents:
        raise InvalidInputError(f"unknown intent {request.intent!r}")
    intent = {"name": request.intent, "confidence": BUTTON_CONFIDENCE}
    entities: list[dict[str, Any]] = [
        {"entity": name, "value": value, "extractor": "button"}
        for name, value in request.slots.items()
        if name in domain.entities
    ]
    candidates = []
    if "faq_id" in request.slots:
        candidates.append({"faq_id": str(request.slots["faq_id"]), "title": "", "score": BUTTON_CONFIDENCE})
    return {
        "text": f"/{request.intent}",
        "intent": intent,
        "intent_ranking": [intent],
        "entities": entities,
        "route": {"kind": "faq" if request.intent == "faq" else "intent", "candidates": candidates},
    }


def _answer(replies: list[OutboxMessage], result: dict[str, Any]) -> dict[str, Any]:
    return {
        "replies": [
            {"id": said.id, "reply_id": said.reply_id, "sender": said.sender, "payload": said.payload}
            for said in replies
        ],
        "result": result,
    }
