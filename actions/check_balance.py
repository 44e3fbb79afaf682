"""`action_check_balance`: what is on the customer's accounts."""

from __future__ import annotations

from rasa_sdk.events import EventType, SlotSet

from actions.account_action import AccountAction, Turn, account_type_in_message, known_account_type
from actions.bank.models import Balance
from actions.formats import money, plain


class CheckBalance(AccountAction):
    """Lists the balances, of one account type when the message names one."""

    action_name = "action_check_balance"

    def remember(self, turn: Turn) -> list[EventType]:
        return [SlotSet("pending_request", "check_balance"), SlotSet("account_type", account_type_in_message(turn))]

    async def serve(self, turn: Turn, customer_id: str) -> list[EventType]:
        return await self.answer(turn, customer_id, account_type_in_message(turn))

    async def resume(self, turn: Turn, customer_id: str) -> list[EventType]:
        """The same, asked for before the login."""
        return await self.answer(turn, customer_id, known_account_type(turn.slot("account_type")))

    async def answer(self, turn: Turn, customer_id: str, account_type: str | None) -> list[EventType]:
        balances = await self._services.read(self._services.bank.balances, customer_id)
        wanted = [balance for balance in balances if account_type in (None, balance.type)]
        if not balances:
            turn.say("no_accounts")
        elif not wanted:
            head = turn.text("no_account_of_type", type=turn.text(f"type_{account_type}"))
            turn.say_text("\n\n".join((head, _listing(turn, "balances", balances))))
        elif account_type:
            turn.say_text(_listing(turn, "balance_of_type", wanted, type=turn.text(f"type_{account_type}")))
        else:
            turn.say_text(_listing(turn, "balances", wanted))
        return [SlotSet("account_type", account_type)]


def _listing(turn: Turn, head: str, balances: list[Balance], **values: str) -> str:
    return "\n\n".join((turn.text(head, **values), "\n".join(_line(turn, balance) for balance in balances)))


def _line(turn: Turn, balance: Balance) -> str:
    owes = balance.amount < 0 and balance.type in ("credit_card", "loan")
    line = turn.text(
        "owed_line" if owes else "balance_line",
        name=plain(turn.in_language(balance.name_en, balance.name_zh)),
        amount=money(-balance.amount if owes else balance.amount, balance.currency, turn.language),
    )
    if balance.available_credit is None:
        return line
    return line + turn.text("available", amount=money(balance.available_credit, balance.currency, turn.language))
