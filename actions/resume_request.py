"""`action_resume_request`: after the login, what the customer asked for before it."""

from __future__ import annotations

from rasa_sdk.events import EventType, FollowupAction, SlotSet

from actions import card_lock
from actions.account_action import AccountAction, Turn
from actions.check_balance import CheckBalance
from actions.list_transactions import ListTransactions
from actions.services import Services


class ResumeRequest(AccountAction):
    """Reads the slot `pending_request`, which the action that asked for the login has set."""

    action_name = "action_resume_request"

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._resume = {
            "check_balance": CheckBalance(services).resume,
            "list_transactions": ListTransactions(services).resume,
            "lock_card": _card_form(card_lock.LOCK),
            "unlock_card": _card_form(card_lock.UNLOCK),
        }

    def remember(self, turn: Turn) -> list[EventType]:
        """Still not logged in: the request goes on waiting."""
        return []

    async def serve(self, turn: Turn, customer_id: str) -> list[EventType]:
        resume = self._resume.get(turn.slot("pending_request"))
        if resume is None:
            turn.say("logged_in")
            return [SlotSet("pending_request", None)]
        return [*await resume(turn, customer_id), SlotSet("pending_request", None)]


def _card_form(operation: str):
    async def resume(turn: Turn, customer_id: str) -> list[EventType]:
        return [SlotSet(card_lock.OPERATION, operation), FollowupAction(card_lock.FORM)]

    return resume
