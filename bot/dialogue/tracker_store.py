"""Rasa's tracker store over the conversation store: live trackers in memory, one commit a turn, closed when it fails.

A tracker is in `_live` only between turns: a turn takes it out and puts it back after its commit. Whatever goes wrong
in between, the next turn reads the database, and never a tracker that is ahead of it.

Conversations without a turn of ours (`rasa shell`, `rasa test`) stay in memory, as with Rasa's own default.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import InMemoryTrackerStore, TrackerStore
from rasa.shared.core.constants import REQUESTED_SLOT
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActiveLoop, Event, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from bot.conversations.store import ConversationStore, TurnCommit
from bot.dialogue.outcome import conclude, turn_result
from bot.dialogue.turn import TurnContext, current_turn
from bot.dialogue.window import LONGEST, deserialise, rebuild
from bot.shared.database import open_engine
from bot.shared.redaction import redact
from bot.shared.settings import Settings, load_settings

# About 100 KB each at most; the rest is read from the database when its customer writes again.
LIVE_TRACKERS = 500
# What was said to a form counts in that form only: a yes from before must never confirm what is asked tomorrow.
FORM_SLOTS = (REQUESTED_SLOT, "card_last_four", "card_confirmation")
PENDING_SLOT = "pending_request"
EMPATHY_KEY = "empathy"


class TellerTrackerStore(TrackerStore):
    """`tracker_store: type: bot.dialogue.tracker_store.TellerTrackerStore` in endpoints.yml."""

    def __init__(
        self,
        domain: Domain | None = None,
        event_broker: EventBroker | None = None,
        settings: Settings | None = None,
        conversations: ConversationStore | None = None,
        live_trackers: int = LIVE_TRACKERS,
        **kwargs: Any,
    ) -> None:
        """Rasa passes domain, event_broker and host. Opens no connection. Raises SettingsError."""
        self._memory = InMemoryTrackerStore(domain or Domain.empty())
        super().__init__(domain, event_broker)
        self._settings = settings or load_settings()
        self.conversations = conversations or ConversationStore(open_engine(self._settings.conversations_url))
        self._live: OrderedDict[str, DialogueStateTracker] = OrderedDict()
        self._live_trackers = live_trackers

    @property
    def domain(self) -> Domain:
        return self._domain

    @domain.setter
    def domain(self, domain: Domain | None) -> None:
        self._domain = domain or Domain.empty()
        self._memory.domain = self._domain
        self._live.clear()  # their slots belong to the domain before

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """The conversation's tracker, or None for a new one. Raises StorageError when the database cannot be read."""
        turn = _turn_of(sender_id)
        if turn is None:
            return await self._memory.retrieve(sender_id)
        tracker = self._live.pop(sender_id, None)
        if tracker is None:
            stored = await asyncio.to_thread(self.conversations.load_events, sender_id)
            if stored:
                tracker = rebuild(sender_id, deserialise(stored), self.domain.slots)
        turn.stored_events = len(tracker.events) if tracker is not None else 0
        turn.tracker_ready_at = time.perf_counter()
        return tracker

    async def retrieve_full_tracker(self, conversation_id: str) -> DialogueStateTracker | None:
        if _turn_of(conversation_id) is None:
            return await self._memory.retrieve_full_tracker(conversation_id)
        return await self.retrieve(conversation_id)

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Commits the turn. Raises StorageError or NotFoundError, and then nothing of the turn exists."""
        turn = _turn_of(tracker.sender_id)
        if turn is None:
            await self._memory.save(tracker)
            return
        if not any(isinstance(event, UserUttered) for event in _after(tracker, turn.stored_events)):
            return  # Rasa saves a new tracker once before there is anything in it
        _close_form(tracker, failed=turn.failure is not None)
        started = time.perf_counter()
        commit = self._commit(tracker, turn)
        turn.committed = await asyncio.to_thread(self.conversations.commit_turn, commit)
        turn.commit_seconds = time.perf_counter() - started
        turn.result = {**commit.result, "ms": turn.timings()}
        self._keep(tracker)

    def forget(self, conversation_id: str) -> None:
        """Drops the live tracker, if there is one: the next turn reads the database."""
        self._live.pop(conversation_id, None)

    async def keys(self) -> Iterable[str]:
        return [*self._live, *await self._memory.keys()]

    def _commit(self, tracker: DialogueStateTracker, turn: TurnContext) -> TurnCommit:
        message = tracker.latest_message
        earlier = [event for event in tracker.events if isinstance(event, UserUttered)][:-1]
        replies, sympathy = conclude(
            turn,
            message.parse_data,
            self.domain.responses,
            upset_threshold=self._settings.upset_threshold,
            messages_since_empathy=_messages_since_empathy(earlier),
            turn_number=len(earlier),
        )
        if sympathy:
            message.metadata = {**message.metadata, EMPATHY_KEY: True}
        return TurnCommit(
            inbox_id=turn.request.inbox_id,
            conversation_id=turn.request.conversation_id,
            events=[_redacted(event.as_dict()) for event in _after(tracker, turn.stored_events)],
            replies=[_redacted(reply) for reply in replies],
            result=turn_result(turn, message.parse_data),
            handoff=turn.handoff,
            language=turn.request.language,
        )

    def _keep(self, tracker: DialogueStateTracker) -> None:
        if len(tracker.events) > LONGEST:
            tracker = rebuild(tracker.sender_id, list(tracker.events), self.domain.slots)
        self._live[tracker.sender_id] = tracker
        while len(self._live) > self._live_trackers:
            self._live.popitem(last=False)


def _turn_of(sender_id: str) -> TurnContext | None:
    turn = current_turn.get()
    return turn if turn is not None and turn.request.conversation_id == sender_id else None


def _after(tracker: DialogueStateTracker, count: int) -> list[Event]:
    return list(tracker.events)[count:]


def _close_form(tracker: DialogueStateTracker, failed: bool) -> None:
    """Ends a form whose action failed, and clears what a form that has ended leaves behind.

    What waits for a login keeps its card: `pending_request` brings the form back.
    """
    if failed and tracker.active_loop_name is not None:
        tracker.update(ActiveLoop(None))
    if tracker.active_loop_name is None and (failed or tracker.get_slot(PENDING_SLOT) is None):
        for name in FORM_SLOTS:
            if tracker.get_slot(name) is not None:
                tracker.update(SlotSet(name, None))


def _messages_since_empathy(earlier: list[UserUttered]) -> int | None:
    """How many messages ago sympathy was shown (1: the one before); None when it was not."""
    for distance, event in enumerate(reversed(earlier), 1):
        if event.metadata.get(EMPATHY_KEY):
            return distance
    return None


def _redacted(value: Any) -> Any:
    """`value` (JSON) with every text redacted; what a customer typed sits in several places of an event."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(item) for item in value]
    return value
