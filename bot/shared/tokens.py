"""Signed, expiring tokens: widget sessions, cookies and buttons. Signed, not encrypted: put no secret inside."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from bot.shared.errors import PermissionDenied

MAX_TOKEN_CHARACTERS = 4096


class Signer:
    """Signs JSON payloads with one secret; a token of one kind is never accepted as another."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock

    def sign(self, kind: str, payload: dict[str, Any], seconds: float) -> str:
        """A URL-safe token that `read(kind, ...)` accepts for `seconds` from now."""
        return self._serializer(kind).dumps({"p": payload, "e": self._clock() + seconds})

    def read(self, kind: str, token: object, grace_seconds: float = 0) -> dict[str, Any]:
        """The payload. Raises PermissionDenied with code `token_invalid` (forged, of another kind, garbage) or
        `token_expired` (more than `grace_seconds` ago)."""
        return self._load(kind, token, grace_seconds)["p"]

    def read_with_expiry(self, kind: str, token: object) -> dict[str, Any]:
        """As `read`, with `expires_at` (seconds since 1970) added to the payload."""
        content = self._load(kind, token, 0)
        return {**content["p"], "expires_at": content["e"]}

    def _load(self, kind: str, token: object, grace_seconds: float) -> dict[str, Any]:
        if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARACTERS:
            raise PermissionDenied("token is not a token", "token_invalid")
        try:
            content = self._serializer(kind).loads(token)
        except (BadData, UnicodeError) as error:
            raise PermissionDenied(f"{kind} token is not ours", "token_invalid") from error
        if content["e"] + grace_seconds <= self._clock():
            raise PermissionDenied(f"{kind} token is too old", "token_expired")
        return content

    def _serializer(self, kind: str) -> URLSafeSerializer:
        return URLSafeSerializer(
            self._secret,
            salt="teller." + kind,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
