"""How a turn ends: which replies the customer gets, and the turn's result. No Rasa here.

Runs just before the commit, so that what is stored and what is said are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.dialogue.responses import button, choose, reply
from bot.dialogue.turn import UNCERTAIN, TurnContext

PERSON_INTENT = "request_human"
# An upset customer is met with sympathy once, then not again for this many messages: repeated, it sounds mechanical.
EMPATHY_PAUSE = 3

Responses = Mapping[str, Sequence[Mapping[str, Any]]]


# Intents whose own reply says nothing that helps.
LIGHT = frozenset({"greet", "goodbye", "chitchat", "bot_challenge", "capabilities", "nlu_fallback"})


def conclude(
    turn: TurnContext,
    parse_data: Mapping[str, Any],
    responses: Responses,
    *,
    upset_threshold: float,
    messages_since_empathy: int | None,
    turn_number: int,
) -> tuple[list[dict], bool]:
    """The replies to commit, and whether one of them shows sympathy.

    Replies from after a failed action are dropped for an honest text: Rasa goes on after a failure as if nothing had
    happened. A turn without any reply gets an honest text too. `messages_since_empathy` is None when there was none.
    """
    replies = list(turn.trusted_replies())
    if turn.failure is not None:
        name = "utter_action_uncertain" if turn.failure == UNCERTAIN else "utter_action_not_reached"
        replies.append(said(responses, name, turn, turn_number))
    elif not replies:
        replies.append(said(responses, "utter_no_reply", turn, turn_number))
    recently = messages_since_empathy is not None and messages_since_empathy < EMPATHY_PAUSE
    if recently or negative_probability(parse_data) < upset_threshold:
        return replies, False
    intent = (parse_data.get("intent") or {}).get("name")
    if intent in LIGHT and turn.handoff is None and turn.failure is None:
        # Small talk, or "please put it in other words", would mock who is angry.
        return [said(responses, "utter_upset", turn, turn_number)], True
    sympathy = said(responses, "utter_empathy", turn, turn_number)["text"]
    gap = " " if turn.request.language == "en" else ""
    replies[0] = {**replies[0], "text": sympathy + gap + replies[0]["text"]}
    if turn.handoff is None and not _offers_person(replies):
        replies[-1] = {**replies[-1], "buttons": [*replies[-1].get("buttons", []), person_button(turn, responses)]}
    return replies, True


def turn_result(turn: TurnContext, parse_data: Mapping[str, Any]) -> dict[str, Any]:
    """The turn's result as docs/architecture.md fixes it."""
    intent = parse_data.get("intent") or {}
    route = (parse_data.get("route") or {}).get("kind") or "intent"
    source = turn.faq or {}
    return {
        "intent": intent.get("name"),
        "confidence": intent.get("confidence"),
        "sentiment": parse_data.get("sentiment"),
        "language": turn.request.language,
        "route": route,
        "faq_id": source.get("faq_id"),
        "faq_score": source.get("score"),
        "revision": source.get("revision"),
        "handoff": turn.handoff is not None,
        "action_failed": turn.failure is not None,
        "ms": turn.timings(),
    }


def negative_probability(parse_data: Mapping[str, Any]) -> float:
    """How probably the message is upset, 0 to 1; 0 for a button, which has no tone."""
    sentiment = parse_data.get("sentiment") or {}
    return float(sentiment.get("negative") or 0.0)


def said(responses: Responses, name: str, turn: TurnContext, turn_number: int = 0) -> dict:
    """The reply of response `name` in the turn's language. Raises KeyError when the domain lacks it."""
    facts = {"language": turn.request.language, "authenticated": turn.request.authenticated}
    made = reply(choose(responses[name], facts, turn_number) or {}, turn.request.language)
    if made is None:
        raise KeyError(f"{name} has no text")
    return made


def person_button(turn: TurnContext, responses: Responses) -> dict:
    """The button that brings in a person, titled as in `utter_fallback_person`."""
    return next(b for b in said(responses, "utter_fallback_person", turn)["buttons"] if b["intent"] == PERSON_INTENT)


def _offers_person(replies: Sequence[Mapping[str, Any]]) -> bool:
    return any(button(b).get("intent") == PERSON_INTENT for r in replies for b in r.get("buttons") or [])
