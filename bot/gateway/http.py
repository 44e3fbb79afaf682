"""What every HTTP answer shares: security headers, one JSON shape for errors, and where a request comes from."""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from bot.gateway.intake import read_object
from bot.gateway.texts import Texts
from bot.shared.errors import InvalidInputError, NotFoundError, ServiceUnavailable, StorageError, TellerError

logger = logging.getLogger(__name__)

STATUS = {
    "too_long": 413,
    "too_large": 413,
    "rate_limited": 429,
    "unauthorized": 401,
    "token_invalid": 401,
    "token_expired": 401,
    "foreign_origin": 403,
    "not_found": 404,
    "unknown_user": 404,
    "message_id_taken": 409,
    "conversation_closed": 410,
    "identity_unavailable": 501,
    "unavailable": 503,
}
_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::\d+)?|\[[0-9A-Fa-f:.]+\](?::\d+)?")
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def error_response(texts: Texts, code: str, language: str = "en", status: int | None = None) -> JSONResponse:
    """`{"error": {"code", "message"}}`: a code and a text of ours, never an exception's."""
    content = {"error": {"code": code, "message": texts.error(code, language)}}
    return JSONResponse(content, status or STATUS.get(code, 400))


def public_code(error: TellerError) -> str:
    """What a client may know about an error."""
    if isinstance(error, NotFoundError):
        return "not_found"
    if isinstance(error, InvalidInputError) or error.code == "message_id_taken":
        return error.code
    return "unavailable" if isinstance(error, (StorageError, ServiceUnavailable)) else "internal"


def install_error_handlers(app: FastAPI, texts: Texts) -> None:
    async def ours(request: Request, error: TellerError) -> Response:
        code = public_code(error)
        if code in ("unavailable", "internal"):
            logger.error("request failed", exc_info=error, extra={"path": request.url.path})
        return error_response(texts, code, preferred_language(request), 500 if code == "internal" else None)

    async def framework(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_input")
        return error_response(texts, code, preferred_language(request), error.status_code)

    async def unexpected(request: Request, error: Exception) -> Response:  # Starlette logs the traceback
        return error_response(texts, "internal", preferred_language(request), 500)

    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return error_response(texts, "invalid_input", preferred_language(request))

    app.add_exception_handler(TellerError, ours)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(Exception, unexpected)


async def json_body(request: Request) -> dict[str, Any]:
    """The request's JSON object, `{}` for no body. Raises InvalidInputError with code `invalid_json`."""
    body = await request.body()
    return read_object(body) if body else {}


def client_address(connection: HTTPConnection) -> str:
    """The peer's address (the customer's own behind a proxy that uvicorn was told to trust)."""
    return connection.client.host if connection.client else "unknown"


def is_same_origin(connection: HTTPConnection) -> bool:
    """False when a browser says that another site sent this. Programs send no Origin, and no cookie of a customer's."""
    origin = connection.headers.get("origin")
    if origin is None:
        return connection.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    try:
        source = urlsplit(origin)
        here = urlsplit(f"//{connection.headers.get('host', '')}")
        default = _DEFAULT_PORTS.get(source.scheme)
        return (
            source.hostname is not None
            and source.hostname == here.hostname
            and (source.port or default) == (here.port or default)
        )
    except ValueError:  # a port that is not a number
        return False


def preferred_language(connection: HTTPConnection) -> str:
    """en or zh: what the visitor chose on the page, else what their browser asks for first."""
    chosen = connection.cookies.get("teller_language")
    if chosen in ("en", "zh"):
        return chosen
    return "zh" if connection.headers.get("accept-language", "").strip().lower().startswith("zh") else "en"


class SecurityHeaders:
    """ASGI middleware: a content security policy without any third party, and the headers that go with it."""

    def __init__(self, app) -> None:
        self._app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        headers = _security_headers(host, scope["path"])

        async def send_with_headers(message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                extra = [(name, value) for name, value in headers if name not in present]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _security_headers(host: str, path: str) -> list[tuple[bytes, bytes]]:
    # Safari before 15.4 does not count ws: under 'self', so the own host is named; a strange Host header is not echoed.
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    policy = (
        "default-src 'self'; script-src 'self'; "
        "style-src 'self' 'unsafe-inline'; "  # deep-chat writes style elements into its shadow root
        f"img-src 'self' data:; font-src 'self'; connect-src 'self'{sockets}; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )
    headers = [
        (b"content-security-policy", policy.encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"SAMEORIGIN"),
        (b"referrer-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
        (b"cross-origin-opener-policy", b"same-origin"),
    ]
    if not path.startswith(("/static/", "/vendor/")):
        headers.append((b"cache-control", b"no-store"))
    return headers
