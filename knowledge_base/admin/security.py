"""Sessions, form tokens, the same-origin check, and a brake on guessing passwords. No FastAPI here."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

from bot.shared.errors import PermissionDenied
from bot.shared.tokens import Signer
from knowledge_base.store.users import SESSION_HOURS

SESSION_SECONDS = SESSION_HOURS * 3600
_SESSION = "admin-session"
_FORM = "admin-form"

TRIES_PER_NAME = 5   # wrong passwords for one name from one address
TRIES_PER_ADDRESS = 20
WINDOW_SECONDS = 300
_MAX_TRACKED = 5000  # names and addresses are the visitor's choice: keep memory bounded


class Cookies:
    """Signs the session id for the cookie, and form tokens that are bound to that session id."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def new_visitor(self) -> str:
        """A session id for somebody who is not logged in: it binds the login form's token."""
        return "v_" + secrets.token_urlsafe(24)

    def seal(self, session_id: str) -> str:
        return self._signer.sign(_SESSION, {"s": session_id}, SESSION_SECONDS)

    def open(self, cookie: str | None) -> str | None:
        """The session id, or None for a missing, forged or expired cookie."""
        if not cookie:
            return None
        try:
            return self._signer.read(_SESSION, cookie)["s"]
        except PermissionDenied:
            return None

    def form_token(self, session_id: str) -> str:
        return self._signer.sign(_FORM, {"s": _digest(session_id)}, SESSION_SECONDS)

    def check_form(self, session_id: str | None, token: str) -> None:
        """Raises PermissionDenied (`form_expired`) unless the token was made for this session."""
        try:
            made_for = self._signer.read(_FORM, token)["s"]
        except PermissionDenied as error:
            raise PermissionDenied("form token refused", "form_expired") from error
        if session_id is None or not hmac.compare_digest(made_for, _digest(session_id)):
            raise PermissionDenied("form token of another session", "form_expired")


def check_origin(host: str, origin: str | None, referer: str | None) -> None:
    """Raises PermissionDenied (`foreign_origin`) unless the request came from a page of this very host.

    Browsers send Origin with every POST; Referer stands in for old ones. A request with neither is refused.
    """
    source = origin or referer or ""
    if not host or urlsplit(source).netloc.lower() != host.lower():
        raise PermissionDenied("request from another site", "foreign_origin")


class LoginBrake:
    """Counts wrong passwords by (address, name) and by address; both forget after WINDOW_SECONDS."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, address: str, username: str) -> None:
        """Raises PermissionDenied (`too_many_tries`) when the next try must wait."""
        with self._lock:
            tries = self._recent((address, username))
            tries_of_address = self._recent((address,))
        if len(tries) >= TRIES_PER_NAME or len(tries_of_address) >= TRIES_PER_ADDRESS:
            raise PermissionDenied("too many wrong passwords", "too_many_tries")

    def wrong(self, address: str, username: str) -> None:
        """Notes a wrong password."""
        with self._lock:
            for key in ((address, username), (address,)):
                self._wrong[key] = [*self._recent(key), self._clock()]
                self._wrong.move_to_end(key)
            while len(self._wrong) > _MAX_TRACKED:
                self._wrong.popitem(last=False)

    def right(self, address: str, username: str) -> None:
        """A right password forgets that name's wrong ones."""
        with self._lock:
            self._wrong.pop((address, username), None)

    def _recent(self, key: tuple[str, ...]) -> list[float]:
        oldest = self._clock() - WINDOW_SECONDS
        return [at for at in self._wrong.get(key, ()) if at > oldest]


def safe_path(path: str | None, fallback: str = "/faqs") -> str:
    """`path` when it is a path on this server, else `fallback`: no redirect leads elsewhere."""
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return fallback
    return path


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode("utf-8", "replace")).hexdigest()
