"""`action_list_transactions`: the customer's last transactions, ten at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from rasa_sdk.events import EventType, SlotSet

from actions.account_action import AccountAction, Button, Turn, account_type_in_message, known_account_type
from actions.bank.models import DateRange, Transaction, TransactionPage
from actions.formats import day, money, plain, total
from bot.shared.errors import InvalidInputError

PAGE = 10
_MAX_OFFSET = 1_000_000


@dataclass(frozen=True)
class _Query:
    account_type: str | None
    date_range: DateRange | None
    offset: int


class ListTransactions(AccountAction):
    """Account type and days come from the message; the "show more" button brings them back with an offset."""

    action_name = "action_list_transactions"

    def remember(self, turn: Turn) -> list[EventType]:
        return [SlotSet("pending_request", "list_transactions"), *_slots(_query_of_message(turn))]

    async def serve(self, turn: Turn, customer_id: str) -> list[EventType]:
        return await self._answer(turn, customer_id, _query_of_message(turn))

    async def resume(self, turn: Turn, customer_id: str) -> list[EventType]:
        """The same, asked for before the login."""
        return await self._answer(turn, customer_id, _query_of_slots(turn, 0))

    async def _answer(self, turn: Turn, customer_id: str, query: _Query) -> list[EventType]:
        page = await self._services.read(
            self._services.bank.transactions,
            customer_id,
            query.account_type,
            query.date_range,
            limit=PAGE,
            offset=query.offset,
        )
        if page.items:
            turn.say_text(self._text(turn, query, page), buttons=_more_button(turn, query, page))
        elif query.offset:
            turn.say("no_more_transactions")
        elif query.account_type and not await self._has_account(customer_id, query.account_type):
            turn.say("no_account_of_type", type=turn.text(f"type_{query.account_type}"))
        elif query.date_range:
            turn.say("no_transactions_between", **_days(turn, query.date_range))
        else:
            turn.say("no_transactions")
        return _slots(query)

    async def _has_account(self, customer_id: str, account_type: str) -> bool:
        balances = await self._services.read(self._services.bank.balances, customer_id)
        return any(balance.type == account_type for balance in balances)

    def _text(self, turn: Turn, query: _Query, page: TransactionPage) -> str:
        place = {
            "first": str(page.offset + 1),
            "last": str(page.offset + len(page.items)),
            "count": str(page.total),
        }
        if query.date_range is None:
            head = turn.text("transactions_latest", **place)
        elif query.date_range.start == query.date_range.end:
            head = turn.text("transactions_of_day", **place, start=day(query.date_range.start, turn.language))
        else:
            head = turn.text("transactions_between", **place, **_days(turn, query.date_range))
        # One account's name ten times over says nothing.
        several = len({item.account_name_en for item in page.items}) > 1
        lines = "\n".join(self._line(turn, item, several) for item in page.items)
        spent = page.spent if query.date_range else _spent(page.items)
        if not spent:
            return f"{head}\n\n{lines}"
        key = "spent_period" if query.date_range else "spent_shown"
        return "\n\n".join((head, lines, turn.text(key, amount=total(spent, turn.language))))

    def _line(self, turn: Turn, item: Transaction, with_account: bool) -> str:
        booked = item.booked_at.astimezone(self._services.zone).date()
        this_year = datetime.now(self._services.zone).year
        what = turn.in_language(item.merchant_en or item.description_en, item.merchant_zh or item.description_zh)
        return turn.text(
            "transaction_line_account" if with_account else "transaction_line",
            day=day(booked, turn.language, year=booked.year != this_year),
            what=plain(what),
            amount=money(item.amount, item.currency, turn.language),
            account=plain(turn.in_language(item.account_name_en, item.account_name_zh)),
        )


def _query_of_message(turn: Turn) -> _Query:
    offset = _offset(turn.entity("transactions_offset") or turn.slot("transactions_offset"))
    query = _Query(account_type_in_message(turn), _date_range(turn.entity("date_range")), offset)
    if not offset and turn.intent != "inform":
        return query
    # The button's slots, or "and my savings?" after a listing, which changes one thing and keeps the other.
    before = _query_of_slots(turn, offset)
    return _Query(query.account_type or before.account_type, query.date_range or before.date_range, offset)


def _query_of_slots(turn: Turn, offset: int) -> _Query:
    return _Query(known_account_type(turn.slot("account_type")), _date_range(turn.slot("date_range")), offset)


def _slots(query: _Query) -> list[EventType]:
    """The offset is only ever meant for one turn: a later "my transactions" starts from the newest again."""
    return [
        SlotSet("account_type", query.account_type),
        SlotSet("date_range", str(query.date_range) if query.date_range else None),
        SlotSet("transactions_offset", None),
    ]


def _more_button(turn: Turn, query: _Query, page: TransactionPage) -> list[Button] | None:
    if page.next_offset is None:
        return None
    slots: dict[str, Any] = {"transactions_offset": float(page.next_offset)}
    if query.account_type:
        slots["account_type"] = query.account_type
    if query.date_range:
        slots["date_range"] = str(query.date_range)
    return [{"title": turn.text("more_button"), "intent": "list_transactions", "slots": slots}]


def _offset(value: Any) -> int:
    try:
        return min(max(int(float(value or 0)), 0), _MAX_OFFSET)
    except (TypeError, ValueError, OverflowError):
        return 0


def _date_range(value: Any) -> DateRange | None:
    """What the entity extractor could not make into two dates is no restriction."""
    try:
        return DateRange.parse(value) if isinstance(value, str) else None
    except InvalidInputError:
        return None


def _days(turn: Turn, days: DateRange) -> dict[str, str]:
    return {"start": day(days.start, turn.language), "end": day(days.end, turn.language)}


def _spent(items: tuple[Transaction, ...]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for item in items:
        if item.spent:
            sums[item.currency] = sums.get(item.currency, Decimal("0.00")) + item.spent
    return sums
