"""Rasa's answer generator (`nlg: type:`): texts by language from the domain, and live FAQ answers from the store.

Runs in Rasa's process, so that questions are answered even when the action server is down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.dialogue.responses import button, choose, fill
from bot.dialogue.turn import current_turn
from bot.shared.database import open_engine
from bot.shared.errors import StorageError
from bot.shared.hours import OfficeHours
from bot.shared.settings import Settings, load_settings
from bot.shared.text import LANGUAGES, detect_language
from knowledge_base.store import FaqStore, PublishedAnswer

logger = logging.getLogger(__name__)

Reply = dict[str, Any]


class AnswerGenerator(TemplatedNaturalLanguageGenerator):
    """A subclass of Rasa's generator for one reason: Rasa then hands it the trained domain's responses."""

    def __init__(
        self,
        endpoint_config: EndpointConfig | None = None,
        domain: Domain | None = None,
        settings: Settings | None = None,
        store: FaqStore | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        """Rasa passes the first two. Opens no connection. Raises SettingsError for unreadable settings."""
        super().__init__(domain.responses if domain else {})
        settings = settings or load_settings()
        self._store = store or FaqStore(open_engine(settings.knowledge_url))
        self._hours = OfficeHours.parse(settings.office_hours, settings.timezone)
        self._emergency_phone = settings.emergency_phone
        self._now = now
        self._dynamic = {
            "utter_faq": self._faq,
            "utter_clarify": self._clarify,
            "utter_fallback": self._fallback,
            "utter_handoff": self._handoff,
            "utter_stolen_card": self._stolen_card,
            "utter_inform": self._inform,
        }

    async def generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> Reply | None:
        """The reply for `utter_action` in the language of the latest message; None when the domain has no such text."""
        dynamic = self._dynamic.get(utter_action)
        if dynamic is not None:
            return await dynamic(tracker)
        return self._text(utter_action, tracker, **kwargs)

    def _text(self, name: str, tracker: DialogueStateTracker, **values: Any) -> Reply | None:
        message = message_facts(tracker)
        language = message["language"]
        facts = {**message, "open": self._hours.is_open(self._now())}
        variation = choose(self.responses.get(name, []), facts, _user_messages(tracker))
        if variation is None:
            return None
        known = {
            **tracker.current_slot_values(),
            "office_hours": self._hours.describe(language),
            "emergency_phone": self._emergency_phone,
            **values,
        }
        metadata = variation.get("metadata") or {}
        reply: Reply = {"text": fill(variation["text"], known), "language": metadata.get("language", language)}
        if metadata.get("kind"):
            reply["kind"] = metadata["kind"]
        buttons = [button(source) for source in variation.get("buttons") or []]
        if buttons:
            reply["buttons"] = buttons
        return reply

    async def _faq(self, tracker: DialogueStateTracker) -> Reply | None:
        """The first of the router's entries that is still published; an entry may have been archived a second ago."""
        language = message_facts(tracker)["language"]
        try:
            for candidate in _candidates(tracker):
                if "faq_id" not in candidate:
                    continue
                answer = await self._answer(candidate["faq_id"], language)
                if answer is not None:
                    return self._faq_reply(answer, float(candidate.get("score", 1.0)))
        except StorageError:
            logger.exception("the knowledge base cannot be read")
            return self._text("utter_faq", tracker)
        return await self._fallback(tracker)

    @staticmethod
    def _faq_reply(answer: PublishedAnswer, score: float) -> Reply:
        source = {
            "faq_id": answer.entry_id,
            "question": answer.question,
            "revision": answer.revision,
            "score": round(score, 4),
        }
        turn = current_turn.get()
        if turn is not None:
            turn.faq = source
        return {"text": answer.answer, "language": answer.language, "source": source}

    async def _answer(self, entry_id: str, language: str) -> PublishedAnswer | None:
        """In `language`, else in the entry's other language; None when the entry is not live."""
        return await asyncio.to_thread(self._store.answer, entry_id, language)

    async def _clarify(self, tracker: DialogueStateTracker) -> Reply | None:
        language = message_facts(tracker)["language"]
        buttons = []
        for candidate in _candidates(tracker)[:3]:
            if "faq_id" in candidate:
                title = await self._question(candidate, language)
                if title:
                    slots = {"faq_id": candidate["faq_id"]}
                    buttons.append({"title": title, "intent": "faq", "slots": slots})
            else:
                slots = _entity_values(tracker)
                buttons.append({"title": candidate["title"], "intent": candidate["intent"], "slots": slots})
        if not buttons:
            return await self._fallback(tracker)
        reply = self._text("utter_clarify", tracker)
        if reply is not None:
            if _failures_before(tracker):
                buttons += (self._text("utter_fallback_person", tracker) or {}).get("buttons", [])
            reply["buttons"] = buttons
        return reply

    async def _question(self, candidate: Mapping[str, Any], language: str) -> str:
        """The entry's own question: a hit's text may be a phrasing, and in the other language."""
        try:
            answer = await self._answer(candidate["faq_id"], language)
        except StorageError:
            logger.exception("the knowledge base cannot be read")
            return candidate.get("title") or ""
        return answer.question if answer else ""

    async def _fallback(self, tracker: DialogueStateTracker) -> Reply | None:
        """First a request to rephrase, then a person: nobody wants to rephrase twice."""
        return self._text("utter_fallback_person" if _failures_before(tracker) else "utter_fallback", tracker)

    async def _handoff(self, tracker: DialogueStateTracker) -> Reply | None:
        _hand_over(message_facts(tracker)["intent"])
        return self._text("utter_handoff", tracker)

    async def _stolen_card(self, tracker: DialogueStateTracker) -> Reply | None:
        if not message_facts(tracker)["authenticated"]:
            _hand_over("report_lost_stolen_card")
        return self._text("utter_stolen_card", tracker)

    async def _inform(self, tracker: DialogueStateTracker) -> Reply | None:
        """Offers what can be done with the details just given, and lets the buttons carry them."""
        reply = self._text("utter_inform", tracker)
        offers = self._text("utter_capabilities", tracker)
        if reply is not None and offers is not None:
            slots = _entity_values(tracker)
            account_offers = [offer for offer in offers.get("buttons", []) if offer.get("intent") != "request_human"]
            reply["buttons"] = [{**offer, "slots": slots} for offer in account_offers]
        return reply


def message_facts(tracker: DialogueStateTracker) -> dict[str, Any]:
    """{"language", "authenticated", "intent"} of the latest message.

    Outside the gateway (`rasa shell`) the language is detected and nobody is logged in.
    """
    message = tracker.latest_message
    metadata = (message.metadata if message else None) or {}
    language = metadata.get("language")
    if language not in LANGUAGES:
        language = detect_language((message.text if message else None) or "")
    return {
        "language": language,
        "authenticated": metadata.get("authenticated") is True,
        "intent": message.intent_name if message else None,
    }


def _hand_over(reason: str | None) -> None:
    turn = current_turn.get()
    if turn is not None and turn.failure is None:
        turn.handoff = reason or "request_human"


def _candidates(tracker: DialogueStateTracker) -> list[dict[str, Any]]:
    parse_data: Mapping[str, Any] = tracker.latest_message.parse_data if tracker.latest_message else {}
    return (parse_data.get("route") or {}).get("candidates") or []


def _entity_values(tracker: DialogueStateTracker) -> dict[str, Any]:
    return {entity["entity"]: entity["value"] for entity in tracker.latest_message.entities}


def _user_messages(tracker: DialogueStateTracker) -> int:
    return sum(isinstance(event, UserUttered) for event in tracker.events)


def _failures_before(tracker: DialogueStateTracker) -> bool:
    """Whether the message before this one was not understood either."""
    messages = [event for event in tracker.events if isinstance(event, UserUttered)]
    if len(messages) < 2:
        return False
    route = messages[-2].parse_data.get("route") or {}
    return route.get("kind") in ("fallback", "clarify")
