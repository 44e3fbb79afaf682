"""What all account actions share: who is asking, in which language, and an honest answer when the databases fail."""

from __future__ import annotations

import logging
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActiveLoop, EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.bank.models import ACCOUNT_TYPES
from actions.replies import say
from actions.services import Services
from actions.texts import text
from bot.shared.errors import StorageError

Button = dict[str, Any]

logger = logging.getLogger(__name__)


class Turn:
    """One call of an action: the tracker to read, and `say` for replies in the customer's language."""

    def __init__(self, dispatcher: CollectingDispatcher, tracker: Tracker) -> None:
        self._dispatcher = dispatcher
        self.tracker = tracker
        self.conversation_id: str = tracker.sender_id
        metadata = tracker.latest_message.get("metadata") or {}
        self.language: str = "zh" if metadata.get("language") == "zh" else "en"

    def text(self, key: str, **values: str) -> str:
        return text(key, self.language, **values)

    def say(self, key: str, *, kind: str = "message", buttons: list[Button] | None = None, **values: str) -> None:
        """Replies with the text `key`."""
        self.say_text(self.text(key, **values), kind=kind, buttons=buttons)

    def say_text(self, markdown: str, *, kind: str = "message", buttons: list[Button] | None = None) -> None:
        """Replies with `markdown`."""
        say(self._dispatcher, markdown, language=self.language, buttons=buttons, kind=kind)

    @property
    def intent(self) -> str | None:
        return (self.tracker.latest_message.get("intent") or {}).get("name")

    def entity(self, name: str) -> Any:
        """The first value of an entity in the latest message, None when it is not there."""
        return next(self.tracker.get_latest_entity_values(name), None)

    def slot(self, name: str) -> Any:
        return self.tracker.slots.get(name)

    def in_language(self, english: str, chinese: str) -> str:
        return chinese if self.language == "zh" else english


class AccountAction(Action):
    """An action for the logged-in customer only. Subclasses set `action_name` and write `serve`."""

    action_name: str

    def __init__(self, services: Services) -> None:
        self._services = services

    def name(self) -> str:
        return self.action_name

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[EventType]:
        turn = Turn(dispatcher, tracker)
        if not self.is_needed(turn):
            return self.when_not_needed(turn)
        try:
            customer_id = await self._services.customer_of(turn.conversation_id)
            if customer_id is None:
                return ask_to_log_in(turn) + self.remember(turn)
            return await self.serve(turn, customer_id)
        except StorageError as error:
            # The driver's own error: SQLAlchemy's would bring the statement's values along.
            cause = getattr(error.__cause__, "orig", None) or error
            logger.error("%s failed (%s): %s", self.action_name, error.code, cause)
            return self.fail(turn, error)

    def is_needed(self, turn: Turn) -> bool:
        """False when there is nothing to do that needs an identity."""
        return True

    def when_not_needed(self, turn: Turn) -> list[EventType]:
        return []

    def remember(self, turn: Turn) -> list[EventType]:
        """Slots that let `action_resume_request` carry on after the login."""
        raise NotImplementedError

    async def serve(self, turn: Turn, customer_id: str) -> list[EventType]:
        """Does the work for `customer_id`. May raise StorageError."""
        raise NotImplementedError

    def fail(self, turn: Turn, error: StorageError) -> list[EventType]:
        """Tells the customer that it did not work; a form that waits for an answer ends."""
        turn.say("unavailable", kind="notice")
        return end_form(turn)


def ask_to_log_in(turn: Turn) -> list[EventType]:
    """Asks with a login button and ends a form that is active."""
    turn.say("login", kind="login", buttons=[{"title": turn.text("login_button"), "url": "/login"}])
    return end_form(turn)


def end_form(turn: Turn) -> list[EventType]:
    """Events that deactivate the active form, if any."""
    return [ActiveLoop(None), SlotSet("requested_slot", None)] if turn.tracker.active_loop_name else []


def account_type_in_message(turn: Turn) -> str | None:
    """The account type that the latest message names."""
    return known_account_type(turn.entity("account_type"))


def known_account_type(value: Any) -> str | None:
    return value if value in ACCOUNT_TYPES else None
