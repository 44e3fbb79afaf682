from __future__ import annotations

import pytest

from bot.shared.errors import PermissionDenied
from bot.shared.tokens import Signer


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def code_of(signer: Signer, kind: str, token: object, **options) -> str:
    with pytest.raises(PermissionDenied) as refusal:
        signer.read(kind, token, **options)
    return refusal.value.code


def test_a_token_is_read_until_it_expires():
    clock = Clock()
    signer = Signer("secret", clock)
    payload = {"conversation": "c_1", "name": "安娜", "n": [1, None]}
    token = signer.sign("session", payload, 60)
    assert signer.read("session", token) == payload
    assert signer.read_with_expiry("session", token) == {**payload, "expires_at": 1060.0}
    clock.now = 1060.0
    assert code_of(signer, "session", token) == "token_expired"
    assert signer.read("session", token, grace_seconds=30) == payload
    clock.now = 1090.0
    assert code_of(signer, "session", token, grace_seconds=30) == "token_expired"


def test_nothing_else_is_accepted():
    signer = Signer("secret")
    token = signer.sign("session", {"a": 1}, 60)
    assert code_of(signer, "button", token) == "token_invalid"
    assert code_of(Signer("another"), "session", token) == "token_invalid"
    for forged in (token[:-1], token + "x", "", ".", "a.b", "ü.ü", "\ud800", None, 7, b"x", "x" * 100_000):
        assert code_of(signer, "session", forged) == "token_invalid"
    head, _, signature = token.partition(".")
    assert code_of(signer, "session", f"{head[:-2]}xx.{signature}") == "token_invalid"
