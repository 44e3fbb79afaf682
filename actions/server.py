"""The action server: Rasa's protocol behind a token, on loopback. It never answers with what it was sent."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import zlib

from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionNotFoundException
from sanic import Sanic
from sanic.exceptions import SanicException
from sanic.request import Request
from sanic.response import HTTPResponse
from sanic.response import json as json_response

from actions import card_lock
from actions.check_balance import CheckBalance
from actions.list_transactions import ListTransactions
from actions.resume_request import ResumeRequest
from actions.services import Services, open_services
from bot.shared.errors import InvalidInputError, NotFoundError, StorageError
from bot.shared.settings import Settings

TOKEN_HEADER = "X-Teller-Token"
MAX_REQUEST_BYTES = 8_000_000  # Rasa sends the tracker with every call
SHUTDOWN_SECONDS = 3
ACTIONS = (
    CheckBalance,
    ListTransactions,
    card_lock.ValidateCardLockForm,
    card_lock.AskCard,
    card_lock.AskConfirmation,
    card_lock.SetCardLock,
    ResumeRequest,
)

logger = logging.getLogger(__name__)


def create_app(settings: Settings, services: Services | None = None) -> Sanic:
    """The server's Sanic app: POST /webhook (with the token), GET /healthz."""
    services = services or open_services(settings)
    executor = ActionExecutor()
    for action in ACTIONS:
        executor.register_action(action(services))
    app = Sanic("teller_actions", configure_logging=False)
    app.config.REQUEST_MAX_SIZE = MAX_REQUEST_BYTES
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = SHUTDOWN_SECONDS
    app.config.ACCESS_LOG = False

    @app.on_request
    async def check_token(request: Request) -> HTTPResponse | None:
        if request.path == "/healthz":
            return None
        given = request.headers.get(TOKEN_HEADER) or request.args.get("token") or ""
        if hmac.compare_digest(given.encode(), settings.internal_token.encode()):
            return None
        return json_response({"error": "token_invalid"}, status=401)

    @app.get("/healthz")
    async def healthz(_request: Request) -> HTTPResponse:
        working = {
            "bank": await _answers(services, services.bank.ping),
            "conversations": await _answers(services, services.conversations.get, "health-check"),
        }
        if all(working.values()):
            return json_response({"status": "ok"})
        return json_response({"status": "unavailable", **working}, status=503)

    @app.post("/webhook")
    async def webhook(request: Request) -> HTTPResponse:
        call = _action_call(request)
        try:
            result = await executor.run(call)
        except ActionNotFoundException:
            return json_response({"error": "unknown_action", "action_name": call["next_action"]}, status=404)
        except ActionExecutionRejection as rejection:  # Rasa reads just this shape with just this status
            return json_response({"error": "rejected", "action_name": rejection.action_name}, status=400)
        return json_response(result)

    @app.exception(Exception)
    async def answer_error(_request: Request, error: Exception) -> HTTPResponse:
        if isinstance(error, InvalidInputError):
            # Not 400, which Rasa takes for an action's refusal.
            return json_response({"error": error.code}, status=422)
        if isinstance(error, SanicException) and error.status_code < 500:
            return json_response({"error": "bad_request"}, status=error.status_code)
        logger.error("an action failed", exc_info=error)
        return json_response({"error": "internal"}, status=500)

    @app.after_server_stop
    async def close(_app: Sanic, _loop: asyncio.AbstractEventLoop) -> None:
        services.close()

    return app


def _action_call(request: Request) -> dict:
    body = request.body
    try:
        if request.headers.get("Content-Encoding") == "deflate":
            inflate = zlib.decompressobj()
            body = inflate.decompress(body, MAX_REQUEST_BYTES)
            if inflate.unconsumed_tail:
                raise ValueError("too large")
        call = json.loads(body)
    except (ValueError, zlib.error, RecursionError):
        raise InvalidInputError("the body is not JSON", code="invalid_json") from None
    tracker = call.get("tracker") if isinstance(call, dict) else None
    if not isinstance(tracker, dict) or not isinstance(tracker.get("sender_id"), str):
        raise InvalidInputError("an action call needs a tracker with a sender", code="invalid_call")
    if not isinstance(call.get("next_action"), str):
        raise InvalidInputError("an action call names its action", code="invalid_call")
    return call


async def _answers(services: Services, function, *arguments: object) -> bool:
    try:
        await services.read(function, *arguments)
    except NotFoundError:
        return True  # asked for a conversation that cannot exist: the database did answer
    except StorageError as error:
        logger.warning("health check: %s", error)
        return False
    return True
