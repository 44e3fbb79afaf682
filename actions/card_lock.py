"""Locking and unlocking a card: the form's questions and checks, and `action_set_card_lock`, which alone changes one.

The form `card_lock_form` asks for `card_last_four` and then for `card_confirmation`; `card_operation` says which way.
It may end early (no card, nothing to change, not logged in). `action_set_card_lock` runs after it in every case and
does nothing unless the customer confirmed.
"""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk.events import EventType, SlotSet

from actions.account_action import AccountAction, Button, Turn, end_form
from actions.bank.models import ACTIVE, LOCKED, Card
from actions.bank.service import OUTCOME_UNKNOWN
from actions.formats import plain
from bot.shared.errors import NotFoundError, StorageError

FORM = "card_lock_form"
LAST_FOUR, CONFIRMATION, OPERATION = "card_last_four", "card_confirmation", "card_operation"
LOCK, UNLOCK = "lock", "unlock"
_WANTED_STATUS = {LOCK: LOCKED, UNLOCK: ACTIVE}
_FOUR_DIGITS = re.compile(r"[0-9]{4}")


class _CardAction(AccountAction):
    def remember(self, turn: Turn) -> list[EventType]:
        return [
            SlotSet("pending_request", f"{_operation(turn)}_card"),
            SlotSet(OPERATION, _operation(turn)),
            SlotSet(LAST_FOUR, turn.slot(LAST_FOUR)),
            SlotSet(CONFIRMATION, None),
        ]

    async def _cards(self, customer_id: str) -> list[Card]:
        return await self._services.read(self._services.bank.cards, customer_id)


# Rasa's FormValidationAction would need the whole domain with every call to learn the two slots' names.
class ValidateCardLockForm(_CardAction):
    """Checks the card against the customer's own; fills it in when only one can be meant."""

    action_name = f"validate_{FORM}"

    def is_needed(self, turn: Turn) -> bool:
        """Not when the message said nothing to the form: only without slot events can Rasa let another rule answer."""
        is_beginning = turn.slot("requested_slot") not in (LAST_FOUR, CONFIRMATION)
        # "Unlock it instead" fills neither slot, but the question has to be asked anew.
        return is_beginning or bool(_candidates(turn)) or turn.intent in ("lock_card", "unlock_card")

    async def serve(self, turn: Turn, customer_id: str) -> list[EventType]:
        operation, cards = _operation(turn), await self._cards(customer_id)
        movable = [card for card in cards if card.status != _WANTED_STATUS[operation]]
        last_four = turn.slot(LAST_FOUR)
        if not cards:
            turn.say("no_cards")
            return _finish()
        if last_four is None:
            if len(cards) > 1 and not movable:
                turn.say(f"all_already_{operation}")
                return _finish()
            last_four = _obvious_card(operation, cards, movable)
            if last_four is None:
                return [SlotSet(LAST_FOUR, None), SlotSet(CONFIRMATION, None)]
        card = next((card for card in cards if card.last_four == last_four), None)
        if card is None:
            if _FOUR_DIGITS.fullmatch(str(last_four)):
                turn.say("unknown_card", last_four=last_four)
            return [SlotSet(LAST_FOUR, None), SlotSet(CONFIRMATION, None)]
        if card not in movable:
            turn.say(f"already_{operation}", card=_name(turn, card))
            return _finish()
        confirmation = turn.slot(CONFIRMATION) if turn.slot("requested_slot") == CONFIRMATION else None
        if _candidates(turn).get(LAST_FOUR) not in (None, _card_asked_about(turn)):
            confirmation = None  # "no, the one ending 1234" is about another card than we asked about
        return [SlotSet(LAST_FOUR, card.last_four), SlotSet(CONFIRMATION, confirmation)]

    def fail(self, turn: Turn, error: StorageError) -> list[EventType]:
        turn.say("unavailable", kind="notice")
        return _finish()


class AskCard(_CardAction):
    """Asks which card, with a button for each."""

    action_name = f"action_ask_{FORM}_{LAST_FOUR}"

    async def serve(self, turn: Turn, customer_id: str) -> list[EventType]:
        cards = await self._cards(customer_id)
        turn.say(f"which_card_{_operation(turn)}", buttons=[_button(turn, card) for card in cards])
        return []


class AskConfirmation(_CardAction):
    """Says what will happen to which card, and asks for yes or no."""

    action_name = f"action_ask_{FORM}_{CONFIRMATION}"

    async def serve(self, turn: Turn, customer_id: str) -> list[EventType]:
        last_four = turn.slot(LAST_FOUR)
        card = next((card for card in await self._cards(customer_id) if card.last_four == last_four), None)
        if card is None:
            turn.say("unknown_card", last_four=plain(str(last_four)))
            return end_form(turn)
        buttons = [
            {"title": turn.text("yes_button"), "intent": "affirm", "slots": {}},
            {"title": turn.text("no_button"), "intent": "deny", "slots": {}},
        ]
        turn.say(f"confirm_{_operation(turn)}", card=_name(turn, card), buttons=buttons)
        return []


class SetCardLock(_CardAction):
    """Does what was confirmed and says what really happened."""

    action_name = "action_set_card_lock"

    def is_needed(self, turn: Turn) -> bool:
        return turn.slot(CONFIRMATION) is True

    def when_not_needed(self, turn: Turn) -> list[EventType]:
        if turn.slot(CONFIRMATION) is False:
            turn.say(f"declined_{_operation(turn)}")
            return _forget()
        # The form ended before its question. What waits for a login keeps its card.
        return [SlotSet(CONFIRMATION, None)] if turn.slot("pending_request") else _forget()

    async def serve(self, turn: Turn, customer_id: str) -> list[EventType]:
        bank, operation = self._services.bank, _operation(turn)
        change_status = bank.lock_card if operation == LOCK else bank.unlock_card
        last_four = str(turn.slot(LAST_FOUR))
        try:
            change = await self._services.write(
                change_status, customer_id, last_four, conversation_id=turn.conversation_id
            )
        except NotFoundError:
            turn.say("unknown_card", last_four=plain(last_four))
            return _forget()
        turn.say(f"{'done' if change.changed else 'already'}_{operation}", card=_name(turn, change.card))
        return _forget()

    def fail(self, turn: Turn, error: StorageError) -> list[EventType]:
        if error.code == OUTCOME_UNKNOWN:
            values = {"last_four": plain(str(turn.slot(LAST_FOUR))), "phone": self._services.emergency_phone}
            turn.say("card_unsure", kind="notice", **values)
        else:
            turn.say("unavailable", kind="notice")
        return _forget()


def _operation(turn: Turn) -> str:
    """`lock` or `unlock`. Locking when nothing says which is safe: the customer is asked before anything happens."""
    return UNLOCK if turn.slot(OPERATION) == UNLOCK else LOCK


def _candidates(turn: Turn) -> dict[str, Any]:
    """What Rasa took from this message (or found before the form began) for the form's two slots."""
    found = turn.tracker.slots_to_validate()
    return {name: found[name] for name in (LAST_FOUR, CONFIRMATION) if found.get(name) is not None}


def _card_asked_about(turn: Turn) -> str | None:
    """The card as it was before the latest message; None while no card was known."""
    events = turn.tracker.events
    latest = max((i for i, event in enumerate(events) if event["event"] == "user"), default=0)
    named = (e["value"] for e in reversed(events[:latest]) if e["event"] == "slot" and e["name"] == LAST_FOUR)
    return next(named, None)


def _obvious_card(operation: str, cards: list[Card], movable: list[Card]) -> str | None:
    """The only card, or the only locked one when something is to be unlocked."""
    if len(cards) == 1:
        return cards[0].last_four
    return movable[0].last_four if operation == UNLOCK and len(movable) == 1 else None


def _finish() -> list[EventType]:
    """Ends the form; `action_set_card_lock` finds no confirmation."""
    return [SlotSet(LAST_FOUR, None), SlotSet(CONFIRMATION, None), SlotSet("requested_slot", None)]


def _forget() -> list[EventType]:
    return [SlotSet(LAST_FOUR, None), SlotSet(CONFIRMATION, None), SlotSet(OPERATION, None)]


def _name(turn: Turn, card: Card) -> str:
    return turn.text(f"card_{card.kind}", last_four=card.last_four)


def _button(turn: Turn, card: Card) -> Button:
    account = turn.in_language(card.account_name_en, card.account_name_zh)
    title = turn.text(f"card_button_{card.kind}", account=account, last_four=card.last_four)
    title += turn.text("card_locked_mark") if card.status == LOCKED else ""
    return {"title": title, "intent": "inform", "slots": {LAST_FOUR: card.last_four}}
