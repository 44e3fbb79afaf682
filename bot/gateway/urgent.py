"""Words that must reach a person even when everything behind the gateway is down.

Only consulted when the dialogue did not answer, so it may be generous: a false alarm costs a place in the queue.
"""

from __future__ import annotations

import re

_CARD = r"(?:cards?|debit|credit card|visa|mastercard)"
_GONE = r"(?:lost|lose|losing|stole|stolen|steal|missing|swallowed|disappeared|nicked|can'?t find|left .{0,20}behind)"
_ENGLISH = {
    "lost_stolen_card": rf"\b{_GONE}\b.{{0,40}}\b{_CARD}\b|\b{_CARD}\b.{{0,40}}\b{_GONE}\b"
    r"|\b(?:stole|stolen|lost|snatched)\b.{0,20}\b(?:wallet|purse|handbag)\b"
    r"|\b(?:wallet|purse|handbag)\b.{0,30}\b(?:stolen|lost|snatched|gone)\b",
    "fraud": r"\bfraud\w*|\bscam\w*|\bphish\w*|\bhack(?:ed|er|ers)\b|\bunauthori[sz]ed\b|\bidentity theft\b"
    r"|\bsomeone\b.{0,30}\b(?:using|used|took|taking|spent|spending|accessed)\b"
    r"|\b(?:didn'?t|did not|never)\b.{0,20}\b(?:make|made|authori[sz]ed?|approved?)\b"
    r".{0,30}\b(?:payment|transaction|transfer|purchase)",
    "human": r"\b(?:real |live |actual )?(?:human|person|agent|representative|operator|adviser|advisor|colleague)\b"
    r"|\b(?:speak|talk|chat)\b.{0,20}\b(?:someone|somebody|staff|people)\b|\bcomplain\w*|\bdispute\w*",
}
_CHINESE = {
    "lost_stolen_card": r"卡.{0,8}(?:丢|掉了|偷|盗|不见|遗失|找不到|没了|被抢|吞)"
    r"|(?:丢|偷|盗|遗失|弄丢|挂失|被抢|吞).{0,8}卡"
    r"|(?:钱包|手袋|包).{0,6}(?:丢|偷|不见|被抢)",
    "fraud": r"诈骗|被骗|骗子|欺诈|盗刷|盗用|被盗|钓鱼|黑客"
    r"|不是我(?:本人)?.{0,6}(?:刷|消费|转|操作|买)|(?:别人|有人).{0,10}(?:用|刷|盗|转)",
    "human": r"人工|真人|客服|转接|专员|投诉|找人|跟人|争议",
}
# A stolen card outranks the wish for a person: its answer contains both.
_ORDER = ("lost_stolen_card", "fraud", "human")
_PATTERNS = {kind: re.compile(f"{_ENGLISH[kind]}|{_CHINESE[kind]}", re.IGNORECASE | re.DOTALL) for kind in _ORDER}


def find(text: str) -> str | None:
    """"lost_stolen_card", "fraud", "human", or None. `text` is clean (`bot.shared.text.clean`)."""
    text = text.replace("’", "'")
    return next((kind for kind in _ORDER if _PATTERNS[kind].search(text)), None)
