"""`extract`: all finders over one normalised text, the longest reading wins, offsets of the original text."""

from __future__ import annotations

from datetime import date

from nlu_models.entities.accounts import find_accounts
from nlu_models.entities.dates_en import find_english_dates
from nlu_models.entities.dates_zh import find_chinese_dates
from nlu_models.entities.model import CARD_LAST_FOUR, DATE_RANGE, Candidate, Entity, NormalisedText
from nlu_models.entities.money import find_money

MAX_CHARACTERS = 4000
_RANK = {DATE_RANGE: 0, CARD_LAST_FOUR: 1}


def extract(text: str, today: date) -> list[Entity]:
    """The entities of `text` in order, without overlaps; relative dates count from `today`.

    Text after the first 4,000 characters is not read (the gateway accepts 2,000). Never raises for any text.
    """
    normalised = NormalisedText(text[:MAX_CHARACTERS])
    candidates = [
        *find_money(normalised.text),
        *find_accounts(normalised.text),
        *find_english_dates(normalised.text, today),
        *find_chinese_dates(normalised.text, today),
    ]
    taken = bytearray(len(text[:MAX_CHARACTERS]))
    entities: list[Entity] = []
    for found in sorted(candidates, key=_order):
        first, last = normalised.original_span(found.claim_start, found.claim_end)
        if any(taken[first:last]):
            continue
        taken[first:last] = b"\1" * (last - first)
        if found.type is not None:
            start, end = normalised.original_span(found.start, found.end)
            entities.append(Entity(found.type, found.value, start, end, text[start:end]))
    return sorted(entities, key=lambda entity: entity.start)


def _order(found: Candidate) -> tuple:
    """Longest claim first; of equal ones a date, then a card, then money, then nothing; the left one first."""
    return (
        found.claim_start - found.claim_end,
        _RANK.get(found.type, 2) if found.type else 3,
        found.claim_start,
        found.type or "",
        found.value,
    )
