"""What has to be changed in a running Rasa 3.6 because it offers no setting for it. All of it is here.

1. `Agent` wraps every tracker store in `FailSafeTrackerStore`, which answers a database failure with an empty tracker
   and goes on executing actions. Ours fails closed instead, so the wrapper comes off.
2. A misspelled tracker-store type silently becomes in-memory: refused here.
3. The action endpoint becomes `TurnEndpoint`, because Rasa swallows the failure of an action.
4. Rasa's own log handlers know no redaction: ours replace them.

`tests/integration/test_tracker_store.py` fails when Rasa's classes change under this.
"""

from __future__ import annotations

import logging

from rasa.core.agent import Agent
from rasa.core.tracker_store import FailSafeTrackerStore

from bot.dialogue.action_endpoint import TurnEndpoint
from bot.dialogue.tracker_store import TellerTrackerStore
from bot.shared.errors import SettingsError


def harden(agent: Agent, action_timeout_seconds: float) -> TellerTrackerStore:
    """Applies the changes above to a loaded agent, also for models it loads later; gives its tracker store.

    Raises SettingsError when endpoints.yml names another tracker store or no action endpoint.
    """
    store = agent.tracker_store
    if isinstance(store, FailSafeTrackerStore):
        store = store._tracker_store
    if not isinstance(store, TellerTrackerStore):
        raise SettingsError(f"tracker_store is {type(store).__name__}; endpoints.yml must name TellerTrackerStore")
    if agent.action_endpoint is None:
        raise SettingsError("endpoints.yml names no action_endpoint")
    agent.tracker_store = store
    if not isinstance(agent.action_endpoint, TurnEndpoint):
        agent.action_endpoint = TurnEndpoint(agent.action_endpoint, action_timeout_seconds)
    if agent.processor is not None:
        agent.processor.tracker_store = store
        agent.processor.action_endpoint = agent.action_endpoint
    return store


def redact_everything() -> None:
    """Leaves only the redacting handlers of `bot.shared.logs` on the root logger."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if not getattr(handler, "is_tellers", False)]:
        root.removeHandler(handler)
