"""Keeps a tracker short: the last turns as they were, and everything older as the slots and the open form it left.

Rasa rebuilds slots by replaying events on every `copy()`, so what was set before the window has to be in the events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from rasa.shared.core.constants import ACTION_LISTEN_NAME
from rasa.shared.core.events import ActionExecuted, ActiveLoop, Event, SlotSet, UserUttered
from rasa.shared.core.slots import Slot
from rasa.shared.core.trackers import DialogueStateTracker

# A tracker grows to LONGEST events and is then cut to the turns within its last KEPT (a turn is 4 to 12 events).
LONGEST = 90
KEPT = 45


def deserialise(stored: Iterable[dict[str, Any]]) -> list[Event]:
    """Events from their JSON. Rasa's own function searches all its classes anew for every event."""
    events = []
    for parameters in stored:
        event = _event_class(parameters["event"]).from_parameters(parameters)
        if event is not None:
            events.append(event)
    return events


@cache
def _event_class(type_name: str) -> type[Event]:
    found = Event.resolve_by_type(type_name)
    if found is None:
        raise ValueError(f"unknown event type {type_name!r}")
    return found


def rebuild(sender_id: str, events: Sequence[Event], slots: Sequence[Slot]) -> DialogueStateTracker:
    """A tracker with the state that `events` lead to, cut to the window when they are many."""
    if len(events) <= LONGEST:
        return DialogueStateTracker.from_events(sender_id, list(events), slots)
    start = _window_start(events)
    if start is None:
        return DialogueStateTracker.from_events(sender_id, list(events), slots)
    before = DialogueStateTracker.from_events(sender_id, list(events[:start]), slots)
    carried = _state_events(before, events[start].timestamp)
    return DialogueStateTracker.from_events(sender_id, [*carried, *events[start:]], slots)


def _window_start(events: Sequence[Event]) -> int | None:
    """The last place at or before the window where a user message follows a listening bot; None when there is none."""
    for index in range(len(events) - KEPT, 0, -1):
        following = events[index + 1]
        listening = isinstance(events[index], ActionExecuted) and events[index].action_name == ACTION_LISTEN_NAME
        if listening and isinstance(following, UserUttered):
            return index
    return None


def _state_events(tracker: DialogueStateTracker, timestamp: float) -> list[Event]:
    events: list[Event] = []
    if tracker.active_loop_name is not None:
        events.append(ActiveLoop(tracker.active_loop_name, timestamp=timestamp))
    for slot in tracker.slots.values():
        if slot.value != slot.initial_value:
            events.append(SlotSet(slot.name, slot.value, timestamp=timestamp))
    return events
