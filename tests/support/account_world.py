"""A seeded bank, a conversation store and the actions over both, on real SQLite files."""

from __future__ import annotations

import asyncio
import atexit
import functools
import shutil
import tempfile
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.bank.migrations import migrate as migrate_bank
from actions.bank.seed import seed
from actions.services import Services, open_services
from bot.conversations.tables import migrate as migrate_conversations
from bot.shared.database import open_engine
from bot.shared.settings import Settings

TODAY = date(2026, 11, 20)
FAST_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
FORM = "card_lock_form"


@functools.cache
def _template() -> Path:
    """Two databases, filled once for the whole test run."""
    folder = Path(tempfile.mkdtemp(prefix="teller-accounts-"))
    atexit.register(shutil.rmtree, folder)
    for name, migrate in (("bank", migrate_bank), ("conversations", migrate_conversations)):
        engine = open_engine(f"sqlite:///{folder / name}.db")
        migrate(engine)
        if name == "bank":
            seed(engine, TODAY, hasher=FAST_HASHER)
        engine.dispose()  # the last connection moves the write-ahead log into the file
    return folder


def settings_over_copies(folder: Path, **values: object) -> Settings:
    """Settings over fresh copies of the seeded databases in `folder`."""
    for file in _template().glob("*.db"):
        shutil.copy(file, folder / file.name)
    return Settings(
        var_dir=str(folder),
        bank_url=f"sqlite:///{folder / 'bank.db'}",
        conversations_url=f"sqlite:///{folder / 'conversations.db'}",
        timezone="Europe/London",
    ).with_values(**values)


class AccountWorld:
    """`run` plays one action call as Rasa would send it."""

    def __init__(self, folder: Path, **values: object) -> None:
        self.settings = settings_over_copies(folder, **values)
        self.services: Services = open_services(self.settings)

    def conversation(self, customer_id: str | None = None, minutes: int = 15, language: str = "en") -> str:
        """A new conversation, logged in for `minutes` when a customer is given."""
        until = datetime.now(timezone.utc) + timedelta(minutes=minutes) if customer_id else None
        return self.services.conversations.create(
            "widget", language=language, customer_id=customer_id, authenticated_until=until
        ).id

    def run(self, action_class: type, conversation_id: str, **state: Any) -> tuple[list[dict], list[dict]]:
        """(events, replies) of one call; a reply is its text and what is in its `custom` part."""
        dispatcher = CollectingDispatcher()
        call = Tracker.from_dict(tracker_state(conversation_id, **state))
        events = asyncio.run(action_class(self.services).run(dispatcher, call, {}))
        return events, [{"text": message["text"], **message["custom"]} for message in dispatcher.messages]


def tracker_state(
    conversation_id: str,
    *,
    intent: str = "inform",
    entities: dict[str, Any] | None = None,
    slots: dict[str, Any] | None = None,
    language: str = "en",
    in_form: bool = False,
    candidates: dict[str, Any] | None = None,
    slots_before: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Rasa's tracker state in an action call.

    `candidates` are what Rasa took from the message for the form to check; `slots_before` were set by events before it.
    """
    message = {
        "intent": {"name": intent, "confidence": 1.0},
        "entities": [{"entity": name, "value": value} for name, value in (entities or {}).items()],
        "text": "…",
        "metadata": {"language": language},
    }
    events: list[dict[str, Any]] = [_slot(name, value) for name, value in (slots_before or {}).items()]
    events.append({"event": "user", "text": "…", "parse_data": message})
    if in_form:
        events.append({"event": "action", "name": FORM})
    events += [_slot(name, value) for name, value in (candidates or {}).items()]
    return {
        "sender_id": conversation_id,
        "slots": {**(slots_before or {}), **(slots or {}), **(candidates or {})},
        "latest_message": message,
        "events": events,
        "paused": False,
        "followup_action": None,
        "active_loop": {"name": FORM} if in_form else {},
        "latest_action_name": "action_listen",
    }


def set_slots(events: list[dict]) -> dict[str, Any]:
    """What the slot events leave behind."""
    return {event["name"]: event["value"] for event in events if event["event"] == "slot"}


def _slot(name: str, value: Any) -> dict[str, Any]:
    return {"event": "slot", "name": name, "value": value}
