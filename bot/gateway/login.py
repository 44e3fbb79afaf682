"""Who may say that a customer is who they say: two protocols that the composition root fills in, and a throttle.

The gateway knows no accounts. `teller` passes a verifier and a lookup that read the bank's customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.gateway.limits import Buckets

FAILURES_PER_ACCOUNT = 8
FAILURES_PER_ADDRESS = 30
THROTTLE_SECONDS = 300


@dataclass(frozen=True)
class LoginResult:
    """A verified customer: the id that accounts belong to, and the name to greet them by."""

    customer_id: str
    name: str


class LoginVerifier(Protocol):
    """Checks a user name and password; None when they do not match. Called in a thread; may take its time (argon2)."""

    def __call__(self, user: str, password: str) -> LoginResult | None: ...


class CustomerLookup(Protocol):
    """The customer behind a user name that an authenticated program vouches for; None when there is none."""

    def __call__(self, user: str) -> LoginResult | None: ...


class LoginThrottle:
    """Slows down guessing, by account and by address. Only failures count."""

    def __init__(self) -> None:
        self._accounts = Buckets(FAILURES_PER_ACCOUNT, THROTTLE_SECONDS)
        self._addresses = Buckets(FAILURES_PER_ADDRESS, THROTTLE_SECONDS)

    def allow(self, user: str, address: str) -> bool:
        """Counts an attempt; False when there were too many. `succeeded` takes it back."""
        return self._addresses.take(address) and self._accounts.take(user.strip().lower())

    def succeeded(self, user: str, address: str) -> None:
        self._addresses.give_back(address)
        self._accounts.forget(user.strip().lower())
