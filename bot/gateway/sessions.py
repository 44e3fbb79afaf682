"""Who is at the other end: the login cookie, the widget's token, and the conversation that both belong to.

The cookie (HttpOnly, signed) is the identity. The widget's token only names a conversation; the identity is written to
the conversation's row for as long as the token lives, and that row is what the actions read.
"""

from __future__ import annotations

import math
import secrets
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response

from bot.conversations.records import Conversation
from bot.conversations.store import ConversationStore
from bot.gateway.login import LoginResult
from bot.gateway.threads import Threads
from bot.shared.errors import NotFoundError, PermissionDenied
from bot.shared.settings import Settings
from bot.shared.tokens import Signer

CHANNEL = "widget"
COOKIE = "teller_session"
CSRF_COOKIE = "teller_csrf"
LONGEST_LOGIN_SECONDS = 8 * 3600
CSRF_SECONDS = 12 * 3600
MAX_TABS = 8  # a cookie has room for 4 KB


@dataclass(frozen=True)
class LoggedIn:
    """A customer's login: since and until in seconds since 1970; `conversations` carry it (one for each open tab)."""

    customer_id: str
    name: str
    login_id: str
    since: float
    until: float
    conversations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Session:
    """An open chat session; `login_is_new` when this call brought the login to a chat that was there before."""

    token: str
    conversation: Conversation
    expires_at: float  # seconds since 1970
    login: LoggedIn | None
    login_is_new: bool


class Sessions:
    """Opens and renews sessions, and reads and writes the cookies."""

    def __init__(self, settings: Settings, store: ConversationStore, threads: Threads, signer: Signer) -> None:
        self._settings = settings
        self._store = store
        self._threads = threads
        self._signer = signer

    # --- the widget's token --------------------------------------------------------------------------------------

    async def open(self, old_token: object, login: LoggedIn | None, language: str) -> Session:
        """A session on the old token's conversation where it may go on, else on a new one.

        An identified conversation goes on only for the same logged-in customer. Raises StorageError.
        """
        now = time.time()
        expires_at = now + self._settings.token_seconds
        conversation = await self._continue(old_token, login)
        login_is_new = False
        if login is not None:
            # The chat keeps a login alive while it is used; a page that merely stays open does not.
            active = conversation.last_active_at.timestamp() if conversation else 0
            until = min(max(login.until, active + self._settings.idle_seconds), login.since + LONGEST_LOGIN_SECONDS)
            expires_at = min(expires_at, until)
            login_is_new = conversation is not None and conversation.id not in login.conversations
        authenticated_until = datetime.fromtimestamp(expires_at, timezone.utc)
        if conversation is None:
            conversation = await self._threads(
                self._store.create,
                CHANNEL,
                language=language,
                customer_id=login.customer_id if login else None,
                authenticated_until=authenticated_until if login else None,
            )
        elif login is not None:
            await self._threads(self._store.identify, conversation.id, login.customer_id, authenticated_until)
        if login is not None:
            carriers = [key for key in login.conversations if key != conversation.id][-MAX_TABS + 1:]
            login = replace(login, until=until, conversations=(*carriers, conversation.id))
        content = {"conversation": conversation.id, "name": login.name if login else None}
        token = self._signer.sign("session", content, expires_at - now)
        return Session(token, conversation, expires_at, login, login_is_new)

    def read_token(self, token: object) -> dict[str, Any]:
        """`{"conversation", "name", "expires_at"}`. Raises PermissionDenied: `token_invalid`, `token_expired`."""
        return self._signer.read_with_expiry("session", token)

    async def _continue(self, old_token: object, login: LoggedIn | None) -> Conversation | None:
        """The conversation of a token that is ours, also when it ran out lately, if this visitor may go on with it."""
        if not old_token:
            return None
        try:
            content = self._signer.read("session", old_token, grace_seconds=self._settings.idle_seconds)
            conversation = await self._threads(self._store.get, content["conversation"])
        except (PermissionDenied, NotFoundError):
            return None
        if conversation.closed_at is not None or conversation.channel != CHANNEL:
            return None
        if conversation.customer_id is not None and (login is None or login.customer_id != conversation.customer_id):
            return None
        return conversation

    # --- cookies -------------------------------------------------------------------------------------------------

    def new_login(self, verified: LoginResult) -> LoggedIn:
        now = time.time()
        until = now + self._settings.idle_seconds
        return LoggedIn(verified.customer_id, verified.name, secrets.token_urlsafe(12), now, until)

    def login_of(self, connection: HTTPConnection) -> LoggedIn | None:
        """The login that the request's cookie proves."""
        try:
            content = self._signer.read("login", connection.cookies.get(COOKIE, ""))
        except PermissionDenied:
            return None
        return LoggedIn(**{**content, "conversations": tuple(content["conversations"])})

    def set_login(self, response: Response, connection: HTTPConnection, login: LoggedIn) -> None:
        seconds = max(0, math.ceil(login.until - time.time()))
        token = self._signer.sign("login", asdict(login), seconds)
        self._set_cookie(response, connection, COOKIE, token, seconds)

    def clear_login(self, response: Response) -> None:
        response.delete_cookie(COOKIE, path="/")

    def csrf_token(self, connection: HTTPConnection) -> tuple[str, str]:
        """A form token and the cookie value that it belongs to (the visitor's own, or a new one)."""
        value = connection.cookies.get(CSRF_COOKIE, "")
        if len(value) < 16:
            value = secrets.token_urlsafe(16)
        return self._signer.sign("csrf", {"cookie": value}, CSRF_SECONDS), value

    def set_csrf(self, response: Response, connection: HTTPConnection, value: str) -> None:
        self._set_cookie(response, connection, CSRF_COOKIE, value, CSRF_SECONDS)

    def check_csrf(self, connection: HTTPConnection, token: object) -> bool:
        try:
            content = self._signer.read("csrf", token)
        except PermissionDenied:
            return False
        return secrets.compare_digest(content["cookie"].encode(), connection.cookies.get(CSRF_COOKIE, "").encode())

    def _set_cookie(
        self, response: Response, connection: HTTPConnection, name: str, value: str, seconds: int
    ) -> None:
        secure = connection.url.scheme in ("https", "wss") or not self._settings.is_demo
        response.set_cookie(name, value, max_age=seconds, path="/", httponly=True, samesite="lax", secure=secure)
