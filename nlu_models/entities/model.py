"""What the finders hand to each other: entities, candidates, and text whose offsets survive normalisation."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

AMOUNT = "amount"
CURRENCY = "currency"
ACCOUNT_TYPE = "account_type"
CARD_LAST_FOUR = "card_last_four"
DATE_RANGE = "date_range"


@dataclass(frozen=True)
class Entity:
    """A normalised detail of a message.

    type: amount | currency | account_type | card_last_four | date_range
    value: "1200.50" (no grouping; two decimals or none), ISO 4217 code, four digits, "YYYY-MM-DD/YYYY-MM-DD" (both days
        included), or "current" | "savings" | "credit_card" | "loan"
    start, end: character offsets into the original text; raw == text[start:end]
    """

    type: str
    value: str
    start: int
    end: int
    raw: str


@dataclass(frozen=True)
class Candidate:
    """A possible entity, in offsets of the normalised text.

    `claim_start..claim_end` covers the words that prove the reading ("ending" before 1234); the longest claim wins.
    A candidate whose `type` is None claims text that must not be read as anything ("5 payments", "6:30").
    """

    type: str | None
    value: str
    start: int
    end: int
    claim_start: int
    claim_end: int


def candidate(type: str | None, value: str, span: tuple[int, int], claim: tuple[int, int] | None = None) -> Candidate:
    """A Candidate that claims `claim`, or just its own span."""
    claim = claim or span
    return Candidate(type, value, span[0], span[1], claim[0], claim[1])


# The traditional forms of the characters the finders look for; one to one, so offsets stay.
_SIMPLIFIED = str.maketrans(
    "帳賬戶儲貸當車營業發週兩萬億個號這過來幾後開從現禮鐘點鎊幣圓塊錢歐紙澳臺幾銀內間",
    "账账户储贷当车营业发周两万亿个号这过来几后开从现礼钟点镑币圆块钱欧纸澳台几银内间",
)
_FULL_WIDTH_DIGITS = frozenset("０１２３４５６７８９")


class NormalisedText:
    """`text` after NFKC, lower-casing and simplification, one character at a time, with a way back to its offsets.

    A Chinese comma between ASCII digits stays a comma of the sentence ("转500，200给他" is two amounts, not 500,200).
    """

    def __init__(self, original: str) -> None:
        self.original = original
        characters: list[str] = []
        origins: list[int] = []
        for index, character in enumerate(original):
            if character == "，" and not (index and original[index - 1] in _FULL_WIDTH_DIGITS):
                expanded = character
            else:
                expanded = unicodedata.normalize("NFKC", character).lower().translate(_SIMPLIFIED)
            if unicodedata.category(character) == "Cf":
                continue  # zero-width characters would split a number
            characters.append(expanded)
            origins.extend([index] * len(expanded))
        self.text = "".join(characters)
        self._origins = origins

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets of the original text for the non-empty span `start..end` of `self.text`."""
        return self._origins[start], self._origins[end - 1] + 1
