"""How people really type Chinese: greetings, no particles, half-width punctuation, homophone typos."""

from __future__ import annotations

import random

_OPENERS = (
    "请问", "请问一下，", "你好，", "您好，", "我想问下，", "想问一下，", "问下", "你好请问", "那个，", "麻烦问下，",
)  # fmt: skip
_QUESTION_TAILS = ("呢？", "啊？", "呀？", "？", "?", "??", "？？", " ", "")
_STATEMENT_TAILS = ("。", "！", "", "~", " ")
# What an input method offers first is often the wrong one of two words with the same sound.
_TYPOS = (
    ("账户", "帐户"), ("账号", "帐号"), ("账单", "帐单"), ("到账", "到帐"), ("转账", "转帐"), ("入账", "入帐"),
    ("登录", "登陆"), ("登不上", "登陆不上"), ("额度", "额渡"), ("逾期", "愈期"), ("分期", "分其"), ("还款", "还宽"),
    ("的时候", "得时候"), ("已经", "以经"), ("怎么", "怎末"), ("怎么", "咋么"), ("为什么", "为啥"),
    ("什么时候", "啥时候"), ("身份证", "身份正"), ("密码", "秘码"), ("验证码", "验正码"), ("支付", "支负"),
    ("手续费", "手续废"), ("在哪", "再哪"), ("没有", "木有"), ("冻结", "冻节"), ("利息", "利西"),
)  # fmt: skip
_HALF_WIDTH = str.maketrans("，。？！：；（）", ",.?!:;()")
_SPACES = str.maketrans("，。？！", "    ")


def roughen(text: str, question: bool, rng: random.Random) -> str:
    """`text` with one or two of the usual untidinesses; it never becomes empty. `question`: it asks something."""
    for edit in rng.sample((_open, _retail, _mistype, _punctuate), rng.choice((1, 1, 2))):
        text = edit(text, question, rng)
    return text.strip()


def _open(text: str, question: bool, rng: random.Random) -> str:
    if text.startswith(("请", "你好", "您好", "我想问", "想问", "麻烦", "问下", "嗨", "在吗")):
        return text
    return rng.choice(_OPENERS if question else ("你好，", "您好，", "那个，", "喂，")) + text


def _retail(text: str, question: bool, rng: random.Random) -> str:
    bare = text.rstrip("。！？!?.~ ")
    if question:
        bare = bare.rstrip("呢啊呀")
        # After 吗 another particle is wrong.
        tails = ("？", "?", "??", "") if bare.endswith(("吗", "么", "没", "嘛")) else _QUESTION_TAILS
        return (bare + rng.choice(tails)) or text
    if bare.endswith("了"):
        return bare + rng.choice(("", "啊", "！", "。", "呀"))
    return (bare + rng.choice(_STATEMENT_TAILS)) or text


def _mistype(text: str, question: bool, rng: random.Random) -> str:
    possible = [(right, wrong) for right, wrong in _TYPOS if right in text]
    if not possible:
        return _punctuate(text, question, rng)
    right, wrong = rng.choice(possible)
    return text.replace(right, wrong, 1)


def _punctuate(text: str, question: bool, rng: random.Random) -> str:
    kind = rng.randrange(3)
    if kind == 0:
        return text.translate(_HALF_WIDTH)
    if kind == 1:
        return text.rstrip("。？！").translate(_SPACES)
    return text.rstrip("。？！")
