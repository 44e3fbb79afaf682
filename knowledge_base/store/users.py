"""The people who use the admin pages: user names, roles, argon2 password hashes, sessions."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection, Engine

from bot.shared.errors import ConflictError, InvalidInputError, NotFoundError
from knowledge_base.store.tables import audit, sessions, users

EDITOR, AGENT, ADMIN = "editor", "agent", "admin"

# What each role may do. An agent answers customers and edits nothing; an editor sees no customer's conversation.
PERMISSIONS = {
    EDITOR: frozenset({"edit", "publish"}),
    AGENT: frozenset({"handoffs"}),
    ADMIN: frozenset({"edit", "publish", "archive", "handoffs", "users"}),
}
ROLES = tuple(PERMISSIONS)

MIN_PASSWORD = 10
MAX_PASSWORD = 200  # argon2 of a megabyte would be a cheap way to keep the server busy
SESSION_HOURS = 12

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,79}\Z")


@dataclass(frozen=True)
class User:
    username: str
    role: str
    active: bool

    def may(self, permission: str) -> bool:
        return permission in PERMISSIONS.get(self.role, ())


class UserStore:
    """Users and their sessions, in the knowledge database. Session ids are stored hashed only."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reader = engine.execution_options(readonly=True)
        self._hasher = PasswordHasher()
        self._nobody: str | None = None

    def all(self) -> list[User]:
        with self._reader.connect() as connection:
            return [_user(row) for row in connection.execute(select(users).order_by(users.c.username))]

    def get(self, username: str) -> User:
        """Raises NotFoundError."""
        with self._reader.connect() as connection:
            return _user(_require(connection, username))

    def create(self, username: str, password: str, role: str, author: str, *, check_length: bool = True) -> User:
        """Raises InvalidInputError (`bad_username`, `bad_role`, `password_short`, `password_long`) or ConflictError."""
        username = username.strip()
        if not _USERNAME.match(username):
            raise InvalidInputError("user names are letters, digits and . _ @ -, at most 80", "bad_username")
        _check_role(role)
        if check_length:
            _check_password(password)
        password_hash = self._hasher.hash(password)
        with self.engine.begin() as connection:
            if connection.execute(select(users.c.username).where(users.c.username == username)).first():
                raise ConflictError(f"user {username} exists", "user_exists")
            connection.execute(insert(users).values(
                username=username, password_hash=password_hash, role=role, active=True, created_at=_now()
            ))
            _record(connection, author, "user_create", username, role=role)
        return User(username, role, True)

    def change(self, username: str, role: str, active: bool, author: str) -> None:
        """Changes role and state; a person switched off is logged out.

        The last active admin stays one: InvalidInputError `last_admin`.
        """
        _check_role(role)
        with self.engine.begin() as connection:
            row = _require(connection, username, lock=True)
            if row.role == ADMIN and row.active and not (role == ADMIN and active):
                admins = select(users.c.username).where(users.c.role == ADMIN, users.c.active.is_(True))
                if len(connection.execute(admins.with_for_update()).all()) <= 1:
                    raise InvalidInputError("the last admin cannot be changed", "last_admin")
            connection.execute(update(users).where(users.c.username == username).values(role=role, active=active))
            if not active:
                connection.execute(delete(sessions).where(sessions.c.username == username))
            _record(connection, author, "user_change", username, role=role, active=active)

    def set_password(self, username: str, password: str, author: str, *, check_length: bool = True) -> None:
        """Also ends every session of that user."""
        if check_length:
            _check_password(password)
        password_hash = self._hasher.hash(password)
        with self.engine.begin() as connection:
            _require(connection, username, lock=True)
            connection.execute(update(users).where(users.c.username == username).values(password_hash=password_hash))
            connection.execute(delete(sessions).where(sessions.c.username == username))
            _record(connection, author, "user_password", username)

    def verify(self, username: str, password: str) -> User | None:
        """The active user with that password, else None. Takes as long for an unknown name as for a known one."""
        row = None
        if "\0" not in username:
            with self._reader.connect() as connection:
                row = connection.execute(select(users).where(users.c.username == username)).first()
        matches = self._matches(row.password_hash if row else self._nobody_hash(), password[:MAX_PASSWORD])
        return _user(row) if row is not None and matches and row.active else None

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False

    def _nobody_hash(self) -> str:
        if self._nobody is None:
            self._nobody = self._hasher.hash(secrets.token_hex(16))
        return self._nobody

    # Sessions

    def open_session(self, username: str) -> str:
        """A new session id (256 random bits), valid for SESSION_HOURS."""
        session_id = secrets.token_urlsafe(32)
        with self.engine.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.expires_at < _now()))
            connection.execute(insert(sessions).values(
                id_hash=_hash(session_id), username=username, expires_at=_now() + timedelta(hours=SESSION_HOURS)
            ))
        return session_id

    def session_user(self, session_id: str) -> User | None:
        """The active user of a live session, else None."""
        query = (
            select(users)
            .join(sessions, sessions.c.username == users.c.username)
            .where(sessions.c.id_hash == _hash(session_id), sessions.c.expires_at > _now(), users.c.active.is_(True))
        )
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return _user(row) if row else None

    def close_session(self, session_id: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.id_hash == _hash(session_id)))


def _user(row) -> User:
    return User(row.username, row.role, row.active)


def _require(connection: Connection, username: str, lock: bool = False):
    query = select(users).where(users.c.username == username.replace("\0", ""))
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFoundError("no such user")
    return row


def _record(connection: Connection, author: str, action: str, username: str, **detail: object) -> None:
    connection.execute(insert(audit).values(
        at=_now(), author=author, action=action, detail={"username": username, **detail}
    ))


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InvalidInputError(f"roles are {', '.join(ROLES)}", "bad_role")


def _check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD:
        raise InvalidInputError(f"a password has at least {MIN_PASSWORD} characters", "password_short")
    if len(password) > MAX_PASSWORD:
        raise InvalidInputError(f"a password has at most {MAX_PASSWORD} characters", "password_long")


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode("utf-8", "replace")).hexdigest()


def _now() -> datetime:
    return datetime.now(timezone.utc)
