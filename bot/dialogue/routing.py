"""Decides what a message is: an intent, a question for the knowledge base, guesses to choose from, or not understood.

Plain functions over plain values, so that every rule is a line in a table of tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FAQ, CLARIFY, FALLBACK = "faq", "clarify", "nlu_fallback"

# Words that steer the conversation: they never mean a knowledge-base entry, however close one lies.
SMALL_TALK = frozenset(
    {"greet", "goodbye", "thank", "affirm", "deny", "cancel", "bot_challenge", "capabilities", "chitchat", "inform",
     "log_in"}
)
# A person at once. Missing one of these costs more than offering a person in vain, hence a lower threshold.
URGENT = frozenset(
    {"request_human", "complaint", "dispute_transaction", "report_fraud", "report_lost_stolen_card"}
)
# Intents that answer or steer the card form; everything else said while it is open is a digression.
CARD_FORM_INTENTS = frozenset({"affirm", "deny", "cancel", "inform", "lock_card", "unlock_card"})
# What can answer the question the form has just asked.
_FORM_ANSWERS: Mapping[str, tuple[str, ...]] = {
    "card_confirmation": ("affirm", "deny", "cancel"),
    "card_last_four": ("inform", "deny", "cancel"),
}


@dataclass(frozen=True)
class Thresholds:
    """Probabilities are the classifier's calibrated ones, scores are the retriever's cosine similarities (both 0 to 1).

    What is in service stands in `config.yml`, chosen with `teller evaluate`; change one only together with its table.
    """

    intent: float = 0.60  # an intent this probable is taken
    urgent: float = 0.45  # the same for URGENT
    guess: float = 0.20  # worth offering as a guess
    faq: float = 0.60  # an entry this close answers the question
    faq_guess: float = 0.45  # worth offering as a guess
    faq_sure: float = 0.88  # (nearly) the entry's own words: outweighs an intent that is not sure
    faq_margin: float = 0.02  # two entries closer than this to each other are offered as a choice
    intent_sure: float = 0.90  # an intent this probable outweighs even an entry's own words
    form_answer: float = 0.30  # an answer to the question just asked needs this much
    in_scope: float = 0.0  # below this similarity to every training example nothing is believed; 0: not used


@dataclass(frozen=True)
class Context:
    """What was going on when the message came."""

    form: str | None = None
    requested_slot: str | None = None
    entities: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Candidate:
    """One guess: an intent or a knowledge-base entry; `score` is its probability or similarity."""

    score: float
    intent: str | None = None
    faq_id: str | None = None


@dataclass(frozen=True)
class Decision:
    """`kind` is intent, faq, clarify or fallback; `intent` is what Rasa's rules see."""

    kind: str
    intent: str
    confidence: float
    candidates: tuple[Candidate, ...] = field(default=())


def decide(
    ranking: Sequence[tuple[str, float]],
    hits: Sequence[tuple[str, float]],
    context: Context = Context(),
    thresholds: Thresholds = Thresholds(),
    nearest: float | None = None,
) -> Decision:
    """The decision for one message.

    `ranking`: (intent, probability), best first; `hits`: (entry id, similarity), best first, one per entry;
    `nearest`: the similarity of the nearest training example, which a classifier may not know.
    """
    if not ranking:
        return _from_knowledge(hits, 0.0, thresholds) or Decision("fallback", FALLBACK, 0.0)
    probability = dict(ranking)
    top, confidence = ranking[0]
    answer = _form_answer(probability, top, context, thresholds)
    if answer:
        return answer
    if top in URGENT and confidence >= thresholds.urgent:
        return _intent(top, confidence)
    if nearest is not None and nearest < thresholds.in_scope:
        return _from_knowledge(hits, confidence, thresholds) or Decision("fallback", FALLBACK, confidence)
    hit_score = hits[0][1] if hits else 0.0

    if top == FAQ:
        found = _from_knowledge(hits, confidence, thresholds)
        if found:
            return found
        if confidence >= thresholds.intent:
            # A question for certain, but about nothing we have.
            return Decision("fallback", FALLBACK, confidence)
    elif top in SMALL_TALK and confidence >= thresholds.intent:
        return _intent(top, confidence)
    elif hit_score >= thresholds.faq_sure and confidence < thresholds.intent_sure and top not in SMALL_TALK:
        return _faq(hits, hit_score)
    elif confidence >= thresholds.intent:
        return _intent(top, confidence)
    return _undecided(ranking, hits, thresholds)


def _form_answer(
    probability: Mapping[str, float], top: str, context: Context, thresholds: Thresholds
) -> Decision | None:
    """The message read as an answer to the question that the form has just asked, when it can be one."""
    if context.form is None or context.requested_slot is None:
        return None
    if top in URGENT and probability[top] >= thresholds.urgent:
        return None
    if context.requested_slot in context.entities and top not in ("lock_card", "unlock_card"):
        return _intent("inform", max(probability.get("inform", 0.0), thresholds.intent))
    answers = _FORM_ANSWERS.get(context.requested_slot, ())
    best = max(answers, key=lambda name: probability.get(name, 0.0), default=None)
    if best is None:
        return None
    # A yes that is not sure is no consent: better to ask again than to lock a card by mistake.
    enough = probability.get(best, 0.0) >= thresholds.form_answer
    if enough and (best == top or probability[top] < thresholds.intent):
        return _intent(best, probability[best])
    return None


def _from_knowledge(
    hits: Sequence[tuple[str, float]], confidence: float, thresholds: Thresholds
) -> Decision | None:
    """An entry, or entries to choose from; None when nothing is close."""
    if not hits or hits[0][1] < thresholds.faq_guess:
        return None
    score = hits[0][1]
    rivals = [hit for hit in hits[:3] if hit[1] >= thresholds.faq_guess]
    if score >= thresholds.faq:
        close = len(rivals) > 1 and score - rivals[1][1] < thresholds.faq_margin and score < thresholds.faq_sure
        if not close:
            return _faq(hits, score)
        rivals = [hit for hit in rivals if score - hit[1] < thresholds.faq_margin]
    return Decision("clarify", CLARIFY, confidence, tuple(Candidate(s, faq_id=entry) for entry, s in rivals))


def _undecided(
    ranking: Sequence[tuple[str, float]], hits: Sequence[tuple[str, float]], thresholds: Thresholds
) -> Decision:
    """No intent is sure: an entry when it is close, else the guesses, else not understood."""
    top, confidence = ranking[0]
    guesses = [
        Candidate(p, intent=name)
        for name, p in ranking[:3]
        if p >= thresholds.guess and name not in (FAQ, FALLBACK, CLARIFY) and name not in SMALL_TALK
    ]
    faq_probability = dict(ranking).get(FAQ, 0.0)
    if hits and top not in SMALL_TALK and hits[0][1] >= thresholds.faq:
        if not guesses or hits[0][1] >= thresholds.faq_sure:
            if top != FALLBACK or confidence < thresholds.intent or hits[0][1] >= thresholds.faq_sure:
                return _faq(hits, hits[0][1])
        else:
            guesses.append(Candidate(hits[0][1], faq_id=hits[0][0]))
    elif hits and faq_probability >= thresholds.guess and hits[0][1] >= thresholds.faq_guess:
        guesses.append(Candidate(hits[0][1], faq_id=hits[0][0]))
    if guesses and top != FALLBACK:
        return Decision("clarify", CLARIFY, confidence, tuple(guesses[:3]))
    return Decision("fallback", FALLBACK, confidence)


def _intent(name: str, confidence: float) -> Decision:
    kind = "fallback" if name == FALLBACK else "intent"
    return Decision(kind, name, confidence, () if kind == "fallback" else (Candidate(confidence, intent=name),))


def _faq(hits: Sequence[tuple[str, float]], score: float) -> Decision:
    """The best entry; the next ones stand by for the case that it has just been archived."""
    return Decision("faq", FAQ, score, tuple(Candidate(s, faq_id=entry) for entry, s in hits[:3]))
