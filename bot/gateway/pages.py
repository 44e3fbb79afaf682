"""The demo bank's pages, login and logout, and the files they need: ours and two front-end packages."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.templating import Jinja2Templates
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from bot.gateway.http import client_address, is_same_origin, preferred_language
from bot.gateway.services import Services
from bot.shared.errors import NotFoundError, PermissionDenied
from bot.shared.settings import Settings

WIDGET = Path(__file__).resolve().parents[1] / "widget"
VENDOR_PACKAGES = ("deep-chat", "dompurify")


def mount_files(app: FastAPI) -> None:
    """/static, and /vendor/<package>/dist for the packages that npm has installed."""
    app.mount("/static", StaticFiles(directory=WIDGET / "static"), name="static")
    for package in VENDOR_PACKAGES:
        folder = WIDGET / "node_modules" / package / "dist"
        app.mount(f"/vendor/{package}/dist", StaticFiles(directory=folder, check_dir=False), name=f"vendor-{package}")


def router(services: Services) -> APIRouter:
    """GET /, GET and POST /login, POST /logout."""
    routes = APIRouter()
    templates = Jinja2Templates(directory=str(WIDGET / "templates"))
    public = public_settings(services.settings)

    def page(request: Request, name: str, status: int = 200, **context: Any) -> Response:
        csrf, cookie = services.sessions.csrf_token(request)
        login = services.sessions.login_of(request)
        content = {
            "settings": public,
            "csrf": csrf,
            "customer": {"name": login.name} if login else None,
            "language": preferred_language(request),
            **context,
        }
        response = templates.TemplateResponse(request, name, content, status_code=status)
        services.sessions.set_csrf(response, request, cookie)
        return response

    @routes.get("/")
    async def index(request: Request) -> Response:
        return page(request, "index.html")

    @routes.get("/login")
    async def login_page(request: Request, next: str = "/") -> Response:
        return page(request, "login.html", next=own_path(next), error=None)

    @routes.post("/login")
    async def login(request: Request) -> Response:
        """Form: username, password, csrf, next. Back to `next` with the cookie, or the form again with an error."""
        if not is_same_origin(request):
            raise PermissionDenied("login from another site", "foreign_origin")
        form = await request.form(max_files=0, max_fields=10)
        target = own_path(str(form.get("next", "/")))
        if not services.sessions.check_csrf(request, form.get("csrf")):
            return page(request, "login.html", 400, next=target, error="expired")
        if services.verify_login is None:
            raise NotFoundError("no login here")
        user, password, address = str(form.get("username", "")), str(form.get("password", "")), client_address(request)
        if not services.login_throttle.allow(user, address):
            return page(request, "login.html", 429, next=target, error="limited")
        verified = None
        if 0 < len(user) <= 200 and 0 < len(password) <= 200 and "\0" not in user:
            verified = await services.threads(services.verify_login, user, password)
        if verified is None:
            return page(request, "login.html", 401, next=target, error="invalid")
        services.login_throttle.succeeded(user, address)
        await _close_chat(services, request, unless_customer=verified.customer_id)
        response = RedirectResponse(target, 303)
        services.sessions.set_login(response, request, services.sessions.new_login(verified))
        return response

    @routes.post("/logout")
    async def logout(request: Request) -> Response:
        """Forgets the login and closes its conversation, so that the widget starts afresh."""
        form = await request.form(max_files=0, max_fields=10)
        if not is_same_origin(request) or not services.sessions.check_csrf(request, form.get("csrf")):
            raise PermissionDenied("logout from another site", "foreign_origin")
        await _close_chat(services, request)
        response = RedirectResponse("/", 303)
        services.sessions.clear_login(response)
        return response

    return routes


def own_path(value: str) -> str:
    """`value` if it is a path of this site, else "/"."""
    is_ours = value.startswith("/") and not value.startswith("//") and "\\" not in value and value.isprintable()
    return value if is_ours else "/"


def public_settings(settings: Settings) -> SimpleNamespace:
    """The settings a page may show; never the whole object, which holds the secrets."""
    names = (
        "mode", "is_demo", "emergency_phone", "office_hours", "timezone", "idle_seconds", "token_seconds",
        "max_message_characters",
    )
    return SimpleNamespace(**{name: getattr(settings, name) for name in names})


async def _close_chat(services: Services, request: Request, unless_customer: str | None = None) -> None:
    login = services.sessions.login_of(request)
    if login is None or login.customer_id == unless_customer:
        return
    for conversation_id in login.conversations:
        await services.threads(_close, services, conversation_id)
    await services.hub.refresh(login.conversations)


def _close(services: Services, conversation_id: str) -> None:
    try:
        services.store.forget_identity(conversation_id)
        services.store.close(conversation_id)
    except NotFoundError:
        return  # erased in the meantime: nothing is left to forget
