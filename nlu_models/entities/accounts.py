"""Finds account types and the last four digits of a card."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlu_models.entities.model import ACCOUNT_TYPE, CARD_LAST_FOUR, Candidate, candidate
from nlu_models.entities.numerals import CHINESE_DIGITS

_ACCOUNT_WORD = r"(?:accounts?|accts?|acc|a/c|acount|accout)(?![a-z])"
_JOIN = r"(?:,|/|&|and|or|to|into|from)\s+(?:my\s+|the\s+)?"
# group 1 is what is reported; the rest only proves the reading
_ACCOUNT_PATTERNS = [
    (re.compile(rf"(?<![a-z])(current|checking|chequing|cheque)\s+{_ACCOUNT_WORD}"), "current"),
    (re.compile(rf"(?<![a-z])(current)(?=\s*{_JOIN}sav(?:ings?|er))"), "current"),
    (re.compile(rf"(?<![a-z])sav(?:ings?|er)\s*{_JOIN}(current)(?![a-z])"), "current"),
    (re.compile(r"(?<![a-z])(?:from|to|into|my|the)\s+(current)(?=\s*(?:$|[,.!?;]|one\b|please\b|pls\b))"), "current"),
    (re.compile(r"^\s*(?:the\s+|my\s+)?(current)(?:\s+one)?(?:\s+please)?\s*[.!]*\s*$"), "current"),
    (re.compile(rf"(?<![a-z])(savings|saver)(?:\s+{_ACCOUNT_WORD})?(?![a-z])"), "savings"),
    (re.compile(rf"(?<![a-z])(saving|deposit)\s+{_ACCOUNT_WORD}"), "savings"),
    (re.compile(r"(?<![a-z])(isa)(?![a-z])"), "savings"),
    (re.compile(r"(?<![a-z])(credit\s?-?cards?)(?![a-z])"), "credit_card"),
    (re.compile(r"^\s*(?:the\s+|my\s+)?(credit)(?:\s+one)?(?:\s+please)?\s*[.!]*\s*$"), "credit_card"),
    (re.compile(r"(?<![a-z])(loans?|mortgages?)(?![a-z])"), "loan"),
    (re.compile(r"(活期)(?!储蓄)(?:账户|帐户|户口|存款)?"), "current"),
    (re.compile(r"(往来|支票|结算)(?:账户|帐户|户口)"), "current"),
    (re.compile(r"(活期储蓄|储蓄)(?!卡)(?:账户|帐户|户口|存款)?"), "savings"),
    (re.compile(r"(定期|存款|存钱)(?:账户|帐户|户口|存款)"), "savings"),
    (re.compile(r"(定存)"), "savings"),
    (re.compile(r"(信用卡|信用咭|贷记卡)"), "credit_card"),
    (re.compile(r"(贷款|房贷|车贷|消费贷(?!款)|信用贷(?!款)|按揭)"), "loan"),
]

_CHINESE_FOUR = rf"[{''.join(CHINESE_DIGITS)}]{{4}}"
_MONEY_NEXT = r"pounds?|quid|dollars?|euros?|yuan|yen|gbp|usd|hkd|cny|rmb|eur|元|块|镑|英镑|港币|人民币|美元"
_FOUR = rf"([0-9]{{4}})(?![0-9]|[,.][0-9]|\s?(?:{_MONEY_NEXT}))"
_FOUR_ZH = rf"([0-9]{{4}}|{_CHINESE_FOUR})(?![0-9]|[,.][0-9])"
_CARD_PATTERNS = [
    re.compile(rf"(?<![a-z])(?:ending|ends|ended|end)(?:\s+(?:in|with|on|is|are))?\s*[:#]?\s*{_FOUR}"),
    re.compile(
        r"(?<![a-z])(?:last|final)\s+(?:four|4)(?:\s+(?:digits?|numbers?))?"
        rf"(?:\s+(?:of|on)\s+(?:my|the|this)?\s*(?:\w+\s+)?card)?(?:\s*(?:is|are|:|=))?\s*{_FOUR}"
    ),
    re.compile(rf"(?<![a-z])cards?\s*(?:number|no\.?|#)?\s*(?:is|with|:)?\s*{_FOUR}"),
    re.compile(
        r"(?<![0-9a-z£$€¥.,])([0-9]{4})\s+(?:debit\s+|credit\s+|bank\s+)?"
        r"card(?![a-z]|\s+(?:payments?|transactions?|purchases?))"
    ),
    re.compile(
        r"(?:尾号|尾数|尾|卡号后四位|后四位数?|末四位数?|最后四位数?|后4位|末4位|卡号)(?:数字|号码)?"
        rf"\s*(?:是|为|係|系|[:：])?\s*{_FOUR_ZH}"
    ),
    re.compile(rf"卡\s*{_FOUR_ZH}(?!\s?[元块镑])"),
    re.compile(r"(?<![0-9.,])([0-9]{4})\s?(?:的|这|那|嗰|呢)+张?\s?卡"),
    re.compile(r"(?<![0-9.,])([0-9]{4})\s?的?[那这嗰呢]张"),
    re.compile(r"(?<![0-9.,])([0-9]{4})\s?(?:结尾|收尾)"),
    re.compile(r"[•*]{2,}[\s-]*([0-9]{4})(?![0-9])"),  # as the gateway masks a full number
    re.compile(r"(?<![0-9a-z])x{3,}[\s-]*([0-9]{4})(?![0-9])"),
]
_PAYING = re.compile(r"(?<![a-z])(?:pay|repay|put|towards|transfer|send)(?![a-z])|[还付缴交转存]")
_DIRECT = frozenset({2, 5})  # "card 1234" and 卡1234 alone: an amount when the text is about paying
_BARE = re.compile(
    r"^\s*(?:it'?s\s+|its\s+|is\s+|the\s+|number\s+|是|就是)?([0-9]{4})"
    r"(?:\s+(?:one|please|pls)|\s?(?:的|那张|这张|谢谢))?\s*[.!。！]*\s*$"
)


def find_accounts(text: str) -> Iterator[Candidate]:
    """Candidates for account types and cards in normalised `text`."""
    for pattern, kind in _ACCOUNT_PATTERNS:
        for match in pattern.finditer(text):
            yield candidate(ACCOUNT_TYPE, kind, match.span(1))
    for number, pattern in enumerate(_CARD_PATTERNS):
        for match in pattern.finditer(text):
            if number in _DIRECT and _PAYING.search(text):
                continue
            value = "".join(str(CHINESE_DIGITS.get(digit, digit)) for digit in match.group(1))
            yield candidate(CARD_LAST_FOUR, value, match.span(1), match.span())
    bare = _BARE.match(text)
    if bare:
        yield candidate(CARD_LAST_FOUR, bare.group(1), bare.span(1), bare.span())
