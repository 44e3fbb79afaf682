"""Finds amounts and currencies, and claims the numbers that are neither ("5 payments", "6:30", "验证码482913")."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlu_models.entities.model import AMOUNT, CURRENCY, Candidate, candidate
from nlu_models.entities.numerals import (
    CHINESE_RUN,
    DIGITS,
    ENGLISH_RUN,
    canonical,
    parse_chinese,
    parse_digits,
    parse_english,
)

_SYMBOLS = {
    "hk$": "HKD",
    "us$": "USD",
    "au$": "AUD",
    "a$": "AUD",
    "c$": "CAD",
    "s$": "SGD",
    "nt$": "TWD",
    "jp¥": "JPY",
    "cn¥": "CNY",
    "£": "GBP",
    "₤": "GBP",
    "$": "USD",
    "€": "EUR",
    "¥": "CNY",
    "₩": "KRW",
    "₹": "INR",
    "฿": "THB",
}
_CODES = ["gbp", "usd", "eur", "hkd", "cny", "jpy", "chf", "aud", "cad", "sgd", "nzd", "twd", "krw", "inr", "thb"]
_ENGLISH_NAMES = {
    r"(?:pounds? )?sterling": "GBP",
    r"(?:british )?pounds?|quid|nicker": "GBP",
    r"hong ?kong dollars?|hk dollars?": "HKD",
    r"australian dollars?|aussie dollars?": "AUD",
    r"canadian dollars?": "CAD",
    r"singapore dollars?|sing dollars?": "SGD",
    r"new zealand dollars?": "NZD",
    r"(?:new )?taiwan(?:ese)? dollars?": "TWD",
    r"(?:us |american |u\.s\. )?dollars?|bucks": "USD",
    r"euros?": "EUR",
    r"(?:chinese )?yuan|renminbi|rmb|cnh|kuai": "CNY",
    r"(?:japanese )?yen": "JPY",
    r"swiss francs?": "CHF",
    r"(?:south )?korean won": "KRW",
    r"(?:indian )?rupees?": "INR",
    r"(?:thai )?baht": "THB",
    r"patacas?|mop": "MOP",
}
_CHINESE_NAMES = {
    "英镑|英磅|英币": "GBP",
    "美元|美金|美刀|美币": "USD",
    "欧元|欧罗": "EUR",
    "港币|港元|港纸|港圆": "HKD",
    "人民币|软妹币": "CNY",
    "日元|日圆|日币": "JPY",
    "瑞士法郎|瑞郎": "CHF",
    "澳元|澳币|澳洲元": "AUD",
    "加元|加币|加拿大元": "CAD",
    "新加坡元|新加坡币|新币|坡币": "SGD",
    "新西兰元|纽币": "NZD",
    "新台币|台币": "TWD",
    "韩元|韩币|韩圆": "KRW",
    "印度卢比|卢比": "INR",
    "泰铢": "THB",
    "澳门元|澳门币|葡币": "MOP",
}
# These mean money only right after a number (or 几, 多少).
_AFTER_NUMBER = {"块钱|块|圆|元": "CNY", "镑": "GBP", "欧": "EUR", "蚊": "HKD", "刀": "USD", "pence|p": "GBP"}
_NUMBER_BEFORE = r"(?:[0-9]\s?|(?<=[0-9])k\s?|(?<=[0-9])w\s?|[零〇一二两三四五六七八九十百千万亿]\s?|[多来几少]\s?)"

_SYMBOL = "|".join(re.escape(symbol) for symbol in sorted(_SYMBOLS, key=len, reverse=True))
_CURRENCY_WORD = "|".join([*_CODES, *_ENGLISH_NAMES, *_CHINESE_NAMES])
_LETTERS = "a-z"
_SYMBOL_PATTERN = re.compile(rf"(?:(?<![{_LETTERS}])(?=[{_LETTERS}])|(?![{_LETTERS}]))(?:{_SYMBOL})")
_WORD_CODES = [
    *((re.compile(name), code) for name, code in {**{code: code.upper() for code in _CODES}, **_ENGLISH_NAMES}.items()),
    *((re.compile(rf"(?:块钱?的?)?(?:{name})"), code) for name, code in _CHINESE_NAMES.items()),  # 500块港币
]
_WORD_PATTERN = re.compile(
    rf"(?<![{_LETTERS}])(?:{'|'.join([*_CODES, *_ENGLISH_NAMES])})(?![{_LETTERS}])"
    rf"|(?:块钱?的?)?(?:{'|'.join(_CHINESE_NAMES)})"
)
_AFTER_PATTERNS = [
    (re.compile(rf"{_NUMBER_BEFORE}({name})(?![{_LETTERS}])"), code) for name, code in _AFTER_NUMBER.items()
]
_CURRENCY_NEXT = re.compile(
    rf"\s?(?:多|来)?\s?(?:{_SYMBOL}|(?:{_CURRENCY_WORD})(?![{_LETTERS}])|块|圆|元|镑|欧|蚊|刀|pence\b|p\b)"
)
_CURRENCY_BEFORE = re.compile(rf"(?:{_SYMBOL}|(?<![{_LETTERS}])(?:{_CURRENCY_WORD}))\s?$")

_DIGIT_AMOUNT = re.compile(
    rf"({DIGITS})(?:(k|w|m|bn)(?![a-z0-9])|\s?(thousand|grand|hundred|million)(?![a-z])|\s?(pence|p)(?![a-z0-9]))?"
)
_SUFFIXES = {
    "k": 1_000,
    "w": 10_000,
    "m": 1_000_000,
    "bn": 10**9,
    "thousand": 1_000,
    "grand": 1_000,
    "hundred": 100,
    "million": 1_000_000,
}
_ENGLISH_AMOUNT = re.compile(ENGLISH_RUN)
_CHINESE_AMOUNT = re.compile(CHINESE_RUN)
# 三块五 is 3.50, 12元5角 is 12.50
_KUAI_AND_MAO = re.compile(
    rf"({CHINESE_RUN}|{DIGITS})[块元]([0-9一二两三四五六七八九])(?:毛|角)?(?![0-9零一二三四五六七八九十百千万个张笔天次年月])"
)
_MONEY_VERB = re.compile(
    r"(?:send|transfer|pay|give|move|put|borrow|lend|wire|withdraw|owe|sent|paid|remit)(?:\s+[a-z]+){0,2}\s+$"
)
_SENTENCE_GOES_ON = re.compile(r"\s*(?:$|[,.!?;，。！？]|(?:to|for|into|from|in|please|pls|now|today)\b)")

_N = rf"(?:{DIGITS}|{ENGLISH_RUN})"
_COUNTED = (
    r"(?:transactions?|payments|purchases|transfers|withdrawals|deposits|charges|cards?|accounts?|days?|weeks?|months?|"
    r"years?|yrs?|hours?|hrs?|minutes?|mins?|seconds?|secs?|fortnights?|quarters?|times|people|persons?|customers?|attempts?|"
    r"tries|letters?|emails?|calls?|messages?|digits?|numbers?|items?|things?|questions?|ones?|of them|o'?clock|"
    r"am|pm|a\.m\.|p\.m\.|%|per ?cent|miles?|km|kilometres?|metres?|kg|kilos?|grams?|st|nd|rd|th|"
    r"branches|documents?|forms?|kids|children|statements?|direct debits|standing orders|entries|bills|points?)"
)
_BETWEEN = (
    r"(?:(?:most recent|recent|latest|last|more|different|other|new|card|bank|separate|whole|working|business|"
    r"calendar|incoming|outgoing|failed|wrong|hundred|thousand|small|big)\s+)?"
)
_CJK_COUNTED = (
    r"(?:个|笔|条|次|张|天|日(?![元圆币])|号|月|年|周|星期|礼拜|小时|钟头|分钟|分|点|岁|位|人(?!民币)|遍|趟|种|项|家(?![里用人])|秒|楼|期|倍|成|度|折|码|页|"
    r"公里|斤|公斤|米|句|封|份|户|件|套|杯|只|本|瓶|口|%|乘|加)"
)
_NOT_AMOUNTS = [
    re.compile(rf"{_N}[\s-]*{_BETWEEN}{_COUNTED}(?![a-z])"),
    re.compile(rf"(?:{DIGITS}|{CHINESE_RUN})\s?[多来几]?\s?{_CJK_COUNTED}"),
    re.compile(rf"(?:第|星期|礼拜|周|初|百分之|双)\s?(?:[0-9]+|{CHINESE_RUN})"),
    re.compile(r"[0-9]{1,2}[:：][0-9]{2}(?:[:：][0-9]{2})?"),
    re.compile(
        r"(?:code|otp|passcode|password|pin|reference|ref|account number|account no\.?|sort code|phone(?: number)?|"
        r"number|no\.|postcode|version|room|flat|line|step|option|page|question|iphone|android|windows|top|level|"
        r"验证码|密码|编号|账号|卡号|电话|手机|手机号|单号|邮编|号码|流水号|订单号|版本|选项)"
        r"\s?(?:is|was|是|为|[:：#])?\s*[0-9][0-9 -]*"
    ),
    re.compile(r"thanks a million|a? ?million thanks|one (?:hundred|million) percent|hundreds? of|one[ -]time"),
    re.compile(r"十分|万分|万一|千万"),
    # 一块去: together
    re.compile(r"一块(?![钱，。！？,.!?\s]|$|[0-9一二三四五六七八九给])|一元[旦素]|[0-9一两三]块[儿头]"),
    re.compile(r"(?<![a-z])(?:talk|speak|listen|want|need|going|go|how|back|next|here|nothing) [24](?![0-9a-z])"),
    re.compile(r"[0-9]*\s?(?:times|plus|minus|divided by|乘以?|除以)\s?[0-9]+"),
    re.compile(rf"#\s?[0-9]+|[{_LETTERS}]+-[0-9]+|\+[0-9][0-9 ]*"),
]


def find_money(text: str) -> Iterator[Candidate]:
    """Candidates for amounts and currencies in normalised `text`, and for numbers that are no amounts."""
    yield from _find_currencies(text)
    yield from _find_digit_amounts(text)
    yield from _find_english_amounts(text)
    yield from _find_chinese_amounts(text)
    for pattern in _NOT_AMOUNTS:
        for match in pattern.finditer(text):
            if not _follows_currency(text, match.start()):
                yield candidate(None, "", match.span())


def _find_currencies(text: str) -> Iterator[Candidate]:
    for match in _SYMBOL_PATTERN.finditer(text):
        yield candidate(CURRENCY, _SYMBOLS[match.group()], match.span())
    for match in _WORD_PATTERN.finditer(text):
        code = next(code for pattern, code in _WORD_CODES if pattern.fullmatch(match.group()))
        yield candidate(CURRENCY, code, match.span())
    for pattern, code in _AFTER_PATTERNS:
        for match in pattern.finditer(text):
            yield candidate(CURRENCY, code, match.span(1))


def _find_digit_amounts(text: str) -> Iterator[Candidate]:
    chinese = any("一" <= character <= "鿿" for character in text)
    for match in _DIGIT_AMOUNT.finditer(text):
        number, suffix, word, pence = match.groups()
        with_currency = _follows_currency(text, match.start())
        end = match.end() if suffix or word else match.end(1)
        if suffix == "w" and not chinese or suffix in ("m", "bn") and not with_currency:
            continue
        if not _boundaries_allow(text, match.start(), end, with_currency, pence is not None):
            continue
        with_currency = with_currency or bool(_CURRENCY_NEXT.match(text, end))
        whole = number.split(".")[0].replace(",", "")
        value = parse_digits(number) * _SUFFIXES.get(suffix or word or "", 1)
        if len(whole) > 1 and whole[0] == "0" or not with_currency and (len(whole) > 7 or not value):
            continue  # 0042 and 20261001 are codes
        yield candidate(AMOUNT, canonical(value / 100 if pence else value), (match.start(), end))


def _boundaries_allow(text: str, start: int, end: int, with_currency: bool, pence: bool) -> bool:
    """Whether the digits stand alone: not a piece of a longer number, a time, a fraction, a code or a word."""
    before, two_before = text[start - 1 : start], text[max(0, start - 2) : start - 1]
    after, two_after = text[end : end + 1], text[end + 1 : end + 2]
    if before and (before in "0123456789/#_⁄" or before.isascii() and before.isalpha() and not with_currency):
        return False
    if before and before in ".,:-" and two_before.isalnum() and two_before.isascii():
        return False
    if after and after in "0123456789%/⁄_":
        return False
    if after and after in ".,:-" and two_after.isalnum() and two_after.isascii():
        return False
    if after.isascii() and after.isalpha():
        return pence or bool(_CURRENCY_NEXT.match(text, end))
    return True


def _find_english_amounts(text: str) -> Iterator[Candidate]:
    for match in _ENGLISH_AMOUNT.finditer(text):
        value = parse_english(match.group())
        if value is None or text[max(0, match.start() - 2) : match.start()].rstrip().endswith(tuple("0123456789")):
            continue
        with_currency = _CURRENCY_NEXT.match(text, match.end()) or _follows_currency(text, match.start())
        if value >= 20 or with_currency or value > 1 and _is_told_to_move(text, match):
            yield candidate(AMOUNT, canonical(value), match.span())


def _is_told_to_move(text: str, match: re.Match) -> bool:
    """Whether a small number stands alone or after a verb of paying: "send ten to Anna", but not "two cards"."""
    if text.strip(" .!?").removeprefix("about ").removeprefix("just ") == match.group():
        return True
    verb = _MONEY_VERB.search(text, max(0, match.start() - 60), match.start())
    return bool(verb and _SENTENCE_GOES_ON.match(text, match.end()))


def _find_chinese_amounts(text: str) -> Iterator[Candidate]:
    for match in _KUAI_AND_MAO.finditer(text):
        whole, tenth = match.group(1), match.group(2)
        value = parse_digits(whole) if re.fullmatch(DIGITS, whole) else parse_chinese(whole)
        added = parse_chinese(tenth)
        if value is not None and added is not None and added and _stands_alone(text, match.start()):
            yield candidate(AMOUNT, canonical(value + added / 10), match.span())
    for match in _CHINESE_AMOUNT.finditer(text):
        run = match.group()
        if re.fullmatch(DIGITS, run) or not _stands_alone(text, match.start()):
            continue
        value = parse_chinese(run)
        if value is None:
            continue
        with_currency = _CURRENCY_NEXT.match(text, match.end()) or _follows_currency(text, match.start())
        if with_currency or value >= 11 and len(run) > 1 and any(unit in run for unit in "十百千万亿"):
            yield candidate(AMOUNT, canonical(value), match.span())


def _follows_currency(text: str, start: int) -> bool:
    return bool(_CURRENCY_BEFORE.search(text, max(0, start - 24), start))


def _stands_alone(text: str, start: int) -> bool:
    """Whether no digit or numeral runs into the number from the left ("5十" or "3.2万" read from the middle)."""
    before = text[start - 1 : start]
    return not before or before not in "0123456789.,零〇一二两三四五六七八九十百千万亿几"
