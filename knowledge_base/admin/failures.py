"""Every failure as a page of ours (JSON below /api/): a code and our own words, never an exception's text."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from bot.shared.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PermissionDenied,
    StorageError,
    TellerError,
)
from knowledge_base.admin.pages import LoginRequired, Page, current_page, page_language
from knowledge_base.admin.security import safe_path
from knowledge_base.admin.texts import has_text, translate

# The most specific class decides; subclasses come first.
_STATUS = (
    (PermissionDenied, 403),
    (InvalidInputError, 400),
    (NotFoundError, 404),
    (ConflictError, 409),
    (StorageError, 503),
    (TellerError, 500),
)

logger = logging.getLogger(__name__)


def add_failure_pages(app: FastAPI) -> None:
    """Registers the handlers."""

    @app.exception_handler(LoginRequired)
    def login_required(request: Request, _: LoginRequired) -> Response:
        if _is_api(request) or "x-fragment" in request.headers:
            return _json(request, 401, "login_required")
        target = "/login"
        if request.method == "GET" and request.url.path != "/":
            target += "?next=" + safe_path(request.url.path)
        return RedirectResponse(target, 303)

    @app.exception_handler(TellerError)
    def known(request: Request, error: TellerError) -> Response:
        status = next(number for kind, number in _STATUS if isinstance(error, kind))
        if status >= 500:
            logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _answer(request, status, error.code)

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        code = "not_found" if error.status_code in (404, 405) else "bad_request"
        return _answer(request, error.status_code, code)

    @app.exception_handler(RequestValidationError)
    def unreadable(request: Request, _: RequestValidationError) -> Response:
        return _answer(request, 404, "not_found")  # only paths and queries are validated: such an address is nothing

    @app.exception_handler(ClientDisconnect)
    def gone(request: Request, _: ClientDisconnect) -> Response:
        return _answer(request, 413, "bad_request")

    @app.exception_handler(SQLAlchemyError)
    def database(request: Request, error: SQLAlchemyError) -> Response:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _json(request, 503, "storage") if _is_api(request) else _plain_page(request, 503)

    @app.exception_handler(Exception)
    def unknown(request: Request, _: Exception) -> Response:
        # Starlette raises the exception again after this answer, and uvicorn logs it.
        return _json(request, 500, "internal") if _is_api(request) else _plain_page(request, 500)


def _answer(request: Request, status: int, code: str) -> Response:
    if _is_api(request):
        return _json(request, status, code)
    try:
        return failure_page(current_page(request), status, code)
    except (StorageError, SQLAlchemyError):
        return _plain_page(request, 503)


def failure_page(page: Page, status: int, code: str) -> Response:
    """The error page for a code; codes without words of their own get general ones."""
    return page.render("failure.html", status, message=page.t(_key(code)), code=code)


def _json(request: Request, status: int, code: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": translate(_key(code), page_language(request))}}, status)


def _key(code: str) -> str:
    return f"error_{code}" if has_text(f"error_{code}") else "error_general"


def _plain_page(request: Request, status: int) -> Response:
    # The database may be what failed: this page needs none.
    return HTMLResponse(request.app.state.services.templates.get_template("down.html").render(), status)


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/api/")
