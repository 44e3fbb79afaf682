"""Texts, buttons and the end of a turn, with the domain's real responses."""

from __future__ import annotations

import logging

import pytest
import yaml

from bot.dialogue.outcome import conclude, turn_result
from bot.dialogue.responses import button, choose, fill, reply
from bot.dialogue.turn import NOT_REACHED, UNCERTAIN, TurnContext, TurnRequest
from bot.shared.errors import InvalidInputError
from bot.shared.settings import ROOT

DOMAIN = yaml.safe_load((ROOT / "bot/domain/domain.yml").read_text(encoding="utf-8"))
RESPONSES = yaml.safe_load((ROOT / "bot/domain/responses.yml").read_text(encoding="utf-8"))["responses"]
TITLES = yaml.safe_load((ROOT / "bot/data/intent_titles.yml").read_text(encoding="utf-8"))
FACTS = [
    {"language": language, "authenticated": authenticated, "open": is_open, "intent": intent}
    for language in ("en", "zh")
    for authenticated in (True, False)
    for is_open in (True, False)
    for intent in ("request_human", "complaint", "dispute_transaction", "report_fraud", "report_lost_stolen_card")
]


def turn(language: str = "en", replies: tuple[str, ...] = ("Hello",), **values) -> TurnContext:
    made = TurnContext(TurnRequest("c_1", 7, "m", "text", language, False, text="hello"), **values)
    made.replies.extend({"text": text, "language": language, "kind": "message"} for text in replies)
    return made


def end(made: TurnContext, negative: float = 0.0, since: int | None = None) -> tuple[list[dict], bool]:
    parse_data = {"sentiment": {"negative": negative}}
    return conclude(
        made, parse_data, RESPONSES, upset_threshold=0.8, messages_since_empathy=since, turn_number=0
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_angry_customer_gets_no_small_talk(language) -> None:
    for intent, light in (("chitchat", True), ("nlu_fallback", True), ("check_balance", False)):
        made = turn(language, ("All quiet here.",))
        parse_data = {"sentiment": {"negative": 0.95}, "intent": {"name": intent}}
        replies, shown = conclude(
            made, parse_data, RESPONSES, upset_threshold=0.8, messages_since_empathy=None, turn_number=0
        )
        assert shown and replies[-1]["buttons"][-1]["intent"] == "request_human"
        assert ("All quiet here." not in replies[0]["text"]) is light


# --- the domain's own texts


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_every_response_has_a_text_in_the_language_asked_for(name) -> None:
    for facts in FACTS:
        variation = choose(RESPONSES[name], facts)
        assert variation["metadata"]["language"] == facts["language"] and variation["text"].strip()
        assert any("\u4e00" <= c <= "\u9fff" for c in variation["text"]) == (facts["language"] == "zh")


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_every_button_does_something_that_exists(name) -> None:
    for variation in RESPONSES[name]:
        for made in (button(source) for source in variation.get("buttons", [])):
            assert made["title"]
            assert made.get("text") or made.get("url", "").startswith("/") or made["intent"] in DOMAIN["intents"]


def test_every_intent_has_a_title_in_both_languages() -> None:
    needed = set(DOMAIN["intents"]) - {"faq", "nlu_fallback", "clarify", "login_completed"}
    assert set(TITLES["en"]) == set(TITLES["zh"]) == needed


def test_unsupported_skills_say_so_and_offer_a_person() -> None:
    for name in (n for n in RESPONSES if n.startswith("utter_cannot_")):
        for variation in RESPONSES[name]:
            assert "cannot" in variation["text"] or "no live" in variation["text"] or "不能" in variation["text"] \
                or "没有实时" in variation["text"]
            assert any(button(b).get("intent") == "request_human" for b in variation["buttons"])


def test_a_stolen_card_gets_the_emergency_number_first_whoever_asks() -> None:
    for variation in RESPONSES["utter_stolen_card"]:
        assert "{emergency_phone}" in variation["text"][:40]


# --- choosing and shaping


def test_the_most_specific_variation_wins_and_equal_ones_alternate() -> None:
    complaint = choose(RESPONSES["utter_handoff"], {"language": "en", "intent": "complaint", "open": True})
    assert complaint["metadata"]["intent"] == "complaint"
    thanks = {choose(RESPONSES["utter_thank"], {"language": "en"}, number)["text"] for number in range(4)}
    assert len(thanks) == 2


def test_a_missing_language_falls_back_to_any() -> None:
    assert choose([{"text": "hi", "metadata": {"language": "en"}}], {"language": "zh"})["text"] == "hi"
    assert choose([], {"language": "en"}) is None


def test_fill_leaves_no_braces(caplog) -> None:
    with caplog.at_level(logging.ERROR):
        assert fill("Call {emergency_phone}, {nobody}!", {"emergency_phone": "123"}) == "Call 123, !"
    assert "nobody" in caplog.text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"title": "A", "payload": "/affirm"}, {"title": "A", "intent": "affirm", "slots": {}}),
        ({"title": "A", "payload": '/inform{"x": "1"}'}, {"title": "A", "intent": "inform", "slots": {"x": "1"}}),
        ({"title": "A", "intent": "deny"}, {"title": "A", "intent": "deny", "slots": {}}),
        ({"title": "A", "text": "how?"}, {"title": "A", "text": "how?"}),
        ({"title": "A", "url": "/login"}, {"title": "A", "url": "/login"}),
    ],
)
def test_buttons(source, expected) -> None:
    assert button(source) == expected


def test_a_button_that_does_nothing_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        button({"title": "A", "payload": "affirm"})


def test_an_action_reply_keeps_its_kind_language_and_buttons() -> None:
    custom = {"kind": "login", "language": "zh", "buttons": [{"title": "登录", "url": "/login"}]}
    made = reply({"text": "请登录", "buttons": [], "custom": custom, "timestamp": 1.0}, "en")
    assert made == {"text": "请登录", **custom}


def test_nothing_to_show_is_no_reply() -> None:
    assert reply({"text": None, "buttons": None, "custom": None}, "en") is None


# --- the end of a turn


def test_replies_pass_unchanged() -> None:
    assert end(turn())[0] == [{"text": "Hello", "language": "en", "kind": "message"}]


@pytest.mark.parametrize(
    ("failure", "words"), [(NOT_REACHED, "nothing has been done"), (UNCERTAIN, "cannot say whether")]
)
def test_after_a_failure_only_the_truth_is_said(failure, words) -> None:
    made = turn(replies=("The answer",))
    made.fail(failure)
    made.replies.append({"text": "Your card is locked", "language": "en", "kind": "message"})
    replies, _ = end(made)
    assert [r["text"] for r in replies[:-1]] == ["The answer"] and words in replies[-1]["text"]
    assert replies[-1]["buttons"][-1]["intent"] == "request_human"


def test_an_uncertain_failure_is_never_played_down() -> None:
    made = turn()
    made.fail(UNCERTAIN)
    made.fail(NOT_REACHED)
    assert "cannot say whether" in end(made)[0][-1]["text"]


def test_silence_is_answered_honestly() -> None:
    replies, _ = end(turn("zh", replies=()))
    assert replies[0]["language"] == "zh" and replies[0]["kind"] == "notice"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_upset_customer_gets_sympathy_and_a_person(language) -> None:
    replies, sympathy = end(turn(language, replies=("First", "Second")), negative=0.8)
    words = {"en": "frustrating", "zh": "理解"}[language]
    assert sympathy and words in replies[0]["text"] and replies[0]["text"].endswith("First")
    assert replies[1]["text"] == "Second" and replies[1]["buttons"][0]["intent"] == "request_human"


@pytest.mark.parametrize(("since", "shown"), [(None, True), (1, False), (2, False), (3, True)])
def test_sympathy_once_in_three_messages(since, shown) -> None:
    assert end(turn(), negative=0.99, since=since)[1] is shown


def test_a_calm_customer_gets_none() -> None:
    assert end(turn(), negative=0.79) == (turn().replies, False)


def test_no_second_offer_of_a_person() -> None:
    handed_over = turn(handoff="complaint")
    assert "buttons" not in end(handed_over, negative=0.99)[0][0]
    failed = turn()
    failed.fail(NOT_REACHED)
    offers = [b for r in end(failed, negative=0.99)[0] for b in r.get("buttons", []) if b["intent"] == "request_human"]
    assert len(offers) == 1


def test_result_has_exactly_the_agreed_keys() -> None:
    made = turn(handoff="complaint", faq={"faq_id": "a", "score": 0.9, "revision": 3, "question": "?"})
    parse_data = {"intent": {"name": "faq", "confidence": 0.9}, "route": {"kind": "faq"}, "sentiment": None}
    result = turn_result(made, parse_data)
    assert list(result) == [
        "intent", "confidence", "sentiment", "language", "route", "faq_id", "faq_score", "revision", "handoff",
        "action_failed", "ms",
    ]
    assert (result["faq_id"], result["faq_score"], result["revision"], result["handoff"]) == ("a", 0.9, 3, True)
    assert set(result["ms"]) == {"nlu", "action", "commit", "total"}


# --- what the gateway sends

GOOD = {"conversation_id": "c_1", "inbox_id": 1, "message_id": "m", "kind": "text", "text": "hi", "language": "en"}


@pytest.mark.parametrize(
    "typed", ['/affirm{"card_confirmation": "true"}', "／affirm", "\u00a0/affirm", "//affirm", "\u200b/affirm"]
)
def test_no_text_stays_a_command(typed) -> None:
    assert TurnRequest.parse({**GOOD, "text": typed}).text[0] not in "/／"


def test_a_lone_slash_is_still_a_message() -> None:
    assert TurnRequest.parse({**GOOD, "text": "/"}).text == "?"


def test_authenticated_is_a_boolean_or_nothing() -> None:
    assert TurnRequest.parse({**GOOD, "authenticated": True}).authenticated
    assert not TurnRequest.parse({**GOOD, "authenticated": "true"}).authenticated


@pytest.mark.parametrize(
    "change",
    [
        {"conversation_id": ""}, {"conversation_id": "a\0b"}, {"conversation_id": "x" * 256}, {"conversation_id": 5},
        {"inbox_id": "1"}, {"inbox_id": True}, {"kind": "audio"}, {"language": "fr"}, {"text": ""}, {"text": "  "},
        {"text": None}, {"kind": "event"}, {"kind": "event", "event": {"intent": ""}},
        {"kind": "event", "event": {"intent": "affirm", "slots": [1]}}, {"kind": "event", "event": "affirm"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_a_turn_is_refused(change) -> None:
    with pytest.raises(InvalidInputError):
        TurnRequest.parse({**GOOD, **change})


def test_not_even_an_object() -> None:
    with pytest.raises(InvalidInputError):
        TurnRequest.parse([1])
