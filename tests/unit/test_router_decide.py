"""The routing table: what a message is, from the classifier's ranking, the retriever's hits and the open form."""

from __future__ import annotations

import pytest

from bot.dialogue.routing import SMALL_TALK, URGENT, Context, Thresholds, decide

CONFIRM = Context("card_lock_form", "card_confirmation")
WHICH_CARD = Context("card_lock_form", "card_last_four")
CARD_NAMED = Context("card_lock_form", "card_last_four", frozenset({"card_last_four"}))
OTHER_CARD_NAMED = Context("card_lock_form", "card_confirmation", frozenset({"card_last_four"}))
NO_HITS: list[tuple[str, float]] = []
CLOSE = [("card-unlock", 0.75), ("card-lock", 0.50)]

TABLE = [
    # name, ranking, hits, context, expected kind, expected intent
    ("sure intent", [("check_balance", 0.95)], NO_HITS, Context(), "intent", "check_balance"),
    ("sure intent beside a close entry", [("lock_card", 0.95)], CLOSE, Context(), "intent", "lock_card"),
    ("question with a close entry", [("faq", 0.95)], CLOSE, Context(), "faq", "faq"),
    ("question without an entry", [("faq", 0.95)], NO_HITS, Context(), "fallback", "nlu_fallback"),
    ("question far from every entry", [("faq", 0.95)], [("a", 0.30)], Context(), "fallback", "nlu_fallback"),
    ("perhaps a question, far from every entry", [("faq", 0.4)], [("a", 0.30)], Context(), "fallback", "nlu_fallback"),
    ("question near two entries", [("faq", 0.9)], [("a", 0.70), ("b", 0.69)], Context(), "clarify", "clarify"),
    ("question half-way to an entry", [("faq", 0.9)], [("a", 0.5)], Context(), "clarify", "clarify"),
    ("an entry's own words", [("faq", 0.9)], [("a", 0.99), ("b", 0.985)], Context(), "faq", "faq"),
    ("an entry's own words beat an unsure intent", [("lock_card", 0.7)], [("a", 0.95)], Context(), "faq", "faq"),
    ("but not a sure one", [("lock_card", 0.96)], [("a", 0.95)], Context(), "intent", "lock_card"),
    ("greeting beside an entry", [("greet", 0.9)], [("a", 0.95)], Context(), "intent", "greet"),
    ("unsure greeting beside an entry", [("greet", 0.4)], [("a", 0.95)], Context(), "fallback", "nlu_fallback"),
    ("two close intents", [("lock_card", 0.45), ("unlock_card", 0.40)], NO_HITS, Context(), "clarify", "clarify"),
    ("intent or entry", [("lock_card", 0.45), ("faq", 0.40)], CLOSE, Context(), "clarify", "clarify"),
    ("nothing likely", [("lock_card", 0.15), ("greet", 0.1)], NO_HITS, Context(), "fallback", "nlu_fallback"),
    ("out of scope", [("nlu_fallback", 0.9)], NO_HITS, Context(), "fallback", "nlu_fallback"),
    ("out of scope beside a close entry", [("nlu_fallback", 0.9)], CLOSE, Context(), "fallback", "nlu_fallback"),
    ("out of scope, but an entry's own words", [("nlu_fallback", 0.7)], [("a", 0.95)], Context(), "faq", "faq"),
    ("urgent needs less", [("report_fraud", 0.5), ("faq", 0.4)], CLOSE, Context(), "intent", "report_fraud"),
    ("no model", [], NO_HITS, Context(), "fallback", "nlu_fallback"),
    ("no model, but an entry", [], CLOSE, Context(), "faq", "faq"),
    # with the form open
    ("yes", [("affirm", 0.9)], NO_HITS, CONFIRM, "intent", "affirm"),
    ("probably yes", [("affirm", 0.35), ("faq", 0.3)], CLOSE, CONFIRM, "intent", "affirm"),
    ("second guess is no", [("thank", 0.45), ("deny", 0.40)], NO_HITS, CONFIRM, "intent", "deny"),
    ("a yes too weak to act on", [("affirm", 0.25), ("greet", 0.2)], NO_HITS, CONFIRM, "fallback", "nlu_fallback"),
    ("never mind", [("cancel", 0.8)], NO_HITS, CONFIRM, "intent", "cancel"),
    ("digression", [("faq", 0.9)], CLOSE, CONFIRM, "faq", "faq"),
    ("digression while the card is asked", [("faq", 0.9)], CLOSE, WHICH_CARD, "faq", "faq"),
    ("card named", [("list_transactions", 0.7)], NO_HITS, CARD_NAMED, "intent", "inform"),
    ("card named in a report of fraud", [("report_fraud", 0.8)], NO_HITS, CARD_NAMED, "intent", "report_fraud"),
    ("other operation with a card named", [("unlock_card", 0.9)], NO_HITS, CARD_NAMED, "intent", "unlock_card"),
    ("another card instead of yes", [("inform", 0.8)], NO_HITS, OTHER_CARD_NAMED, "intent", "inform"),
    ("a person, in the form", [("request_human", 0.5), ("affirm", 0.4)], NO_HITS, CONFIRM, "intent", "request_human"),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_table(row) -> None:
    _, ranking, hits, context, kind, intent = row
    decision = decide(ranking, hits, context)
    assert (decision.kind, decision.intent) == (kind, intent)


@pytest.mark.parametrize("intent", sorted(SMALL_TALK))
def test_small_talk_never_becomes_a_question(intent) -> None:
    assert decide([(intent, 0.65), ("faq", 0.3)], [("a", 0.99)]).intent == intent


@pytest.mark.parametrize("intent", sorted(URGENT))
@pytest.mark.parametrize("context", [Context(), CONFIRM, WHICH_CARD, CARD_NAMED])
def test_urgent_intents_pass_everywhere(intent, context) -> None:
    assert decide([(intent, 0.6), ("affirm", 0.35)], [("a", 0.99)], context).intent == intent


def test_candidates_of_a_choice_are_the_rivals_only() -> None:
    decision = decide([("faq", 0.9)], [("a", 0.70), ("b", 0.69), ("c", 0.60)])
    assert [guess.faq_id for guess in decision.candidates] == ["a", "b"]


def test_guesses_mix_intents_and_an_entry() -> None:
    decision = decide([("lock_card", 0.45), ("unlock_card", 0.25), ("faq", 0.2)], [("a", 0.7)])
    assert [guess.intent or guess.faq_id for guess in decision.candidates] == ["lock_card", "unlock_card", "a"]


def test_a_question_keeps_the_next_entries_in_reserve() -> None:
    decision = decide([("faq", 0.9)], [("a", 0.8), ("b", 0.5), ("c", 0.4), ("d", 0.3)])
    assert [guess.faq_id for guess in decision.candidates] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("nearest", "intent"), [(None, "check_balance"), (0.5, "check_balance"), (0.2, "nlu_fallback")]
)
def test_far_from_every_example_nothing_is_believed(nearest, intent) -> None:
    thresholds = Thresholds(in_scope=0.4)
    assert decide([("check_balance", 0.95)], NO_HITS, thresholds=thresholds, nearest=nearest).intent == intent
    assert decide([("request_human", 0.95)], NO_HITS, thresholds=thresholds, nearest=nearest).intent == "request_human"


def test_thresholds_are_used() -> None:
    strict = Thresholds(faq=0.9, faq_guess=0.85)
    decision = decide([("faq", 0.9)], CLOSE, thresholds=strict)
    assert (decision.kind, decision.candidates) == ("fallback", ())
