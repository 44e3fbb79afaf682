"""What every page shares: who is asking, in which language, and how a template becomes a response."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import jinja2
from fastapi import Depends, Request
from sqlalchemy.engine import Engine
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bot.conversations.store import ConversationStore
from bot.shared.errors import PermissionDenied
from bot.shared.settings import Settings
from knowledge_base.admin.indexing import IndexWorker
from knowledge_base.admin.security import SESSION_SECONDS, Cookies, LoginBrake, check_origin, safe_path
from knowledge_base.admin.texts import has_text, translate
from knowledge_base.store import LANGUAGES, FaqStore, User, UserStore

SESSION_COOKIE = "teller_admin"
LANGUAGE_COOKIE = "teller_admin_language"
YEAR_SECONDS = 365 * 24 * 3600


@dataclass
class Services:
    """Everything the pages use; one a process, made when the app starts."""

    settings: Settings
    engines: dict[str, Engine]  # by what they hold
    faqs: FaqStore
    users: UserStore
    conversations: ConversationStore
    worker: IndexWorker
    cookies: Cookies
    brake: LoginBrake
    templates: jinja2.Environment
    uploads: OrderedDict[str, tuple[str, str, bytes]] = field(default_factory=OrderedDict)  # checked, not yet applied


class LoginRequired(Exception):
    """The visitor must log in first; the app answers with a redirect."""


@dataclass
class Page:
    """One request. `session_id` belongs to a logged-in user, or to a visitor's login form."""

    request: Request
    services: Services
    language: str
    session_id: str
    is_new_visitor: bool
    user: User | None

    def t(self, key: str, **values: object) -> str:
        return translate(key, self.language, **values)

    def text(self, form: FormData, name: str) -> str:
        """A form field as text; "" when it is missing or a file."""
        value = form.get(name)
        return value if isinstance(value, str) else ""

    def render(self, template: str, http_status: int = 200, /, **context: Any) -> HTMLResponse:
        body = self.services.templates.get_template(template).render(
            t=self.t,
            language=self.language,
            user=self.user,
            form_token=self.services.cookies.form_token(self.session_id),
            path=self.request.url.path,
            here=safe_path(f"{self.request.url.path}?{self.request.url.query}".rstrip("?")),
            note=self.request.query_params.get("note", ""),
            when=self.when,
            demo=self.services.settings.is_demo,
            has_text=has_text,
            **context,
        )
        response = HTMLResponse(body, http_status)
        if self.is_new_visitor:
            self.keep_session(response, self.session_id)
        return response

    def redirect(self, path: str) -> RedirectResponse:
        return RedirectResponse(path, status_code=303)

    def keep_session(self, response: Response, session_id: str) -> None:
        response.set_cookie(
            SESSION_COOKIE,
            self.services.cookies.seal(session_id),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=self.is_secure,
            path="/",
        )

    @property
    def is_secure(self) -> bool:
        """Outside the demo the pages belong behind TLS, whatever the proxy says to us."""
        return self.request.url.scheme == "https" or not self.services.settings.is_demo

    def when(self, at: datetime) -> str:
        return at.astimezone(ZoneInfo(self.services.settings.timezone)).strftime("%Y-%m-%d %H:%M")


def current_page(request: Request) -> Page:
    """The request's Page. Reads the session; asks nothing of the visitor."""
    services: Services = request.app.state.services
    session_id = services.cookies.open(request.cookies.get(SESSION_COOKIE))
    user = services.users.session_user(session_id) if session_id else None
    return Page(
        request,
        services,
        page_language(request),
        session_id or services.cookies.new_visitor(),
        session_id is None,
        user,
    )


CurrentPage = Annotated[Page, Depends(current_page)]


async def protect_forms(request: Request) -> None:
    """For every route: a request that may change something must come from our own page, with that page's token."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    check_origin(request.headers.get("host", ""), request.headers.get("origin"), request.headers.get("referer"))
    form = await request.form(max_files=1, max_fields=40)
    token = form.get("form_token")
    cookies: Cookies = request.app.state.services.cookies
    cookies.check_form(cookies.open(request.cookies.get(SESSION_COOKIE)), token if isinstance(token, str) else "")


async def checked_form(request: Request) -> FormData:
    """The form that `protect_forms` has checked."""
    return await request.form(max_files=1, max_fields=40)


Form = Annotated[FormData, Depends(checked_form)]


def requires(permission: str):
    """A dependency: the Page of a logged-in user with that permission ("" for any user)."""

    def allowed(page: CurrentPage) -> Page:
        if page.user is None:
            raise LoginRequired
        if permission and not page.user.may(permission):
            raise PermissionDenied(f"{page.user.role} may not {permission}", "not_allowed")
        return page

    return Annotated[Page, Depends(allowed)]


AnyUser = requires("")
Editor = requires("edit")
Archivist = requires("archive")
Agent = requires("handoffs")
Admin = requires("users")


def load_templates() -> jinja2.Environment:
    """Our templates, escaping everything, failing on a misspelled name."""
    folder = Path(__file__).parent / "templates"
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )


def page_language(request: Request) -> str:
    """The language chosen before, else the browser's first, else English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"
