"""Small disturbances of a message that do not change what it means: typing slips, dropped punctuation, casing, politeness."""

from __future__ import annotations

import random
import re

_KEYS = {
    "a": "sq",
    "b": "vn",
    "c": "xv",
    "d": "sf",
    "e": "wr",
    "f": "dg",
    "g": "fh",
    "h": "gj",
    "i": "uo",
    "j": "hk",
    "k": "jl",
    "l": "k",
    "m": "n",
    "n": "bm",
    "o": "ip",
    "p": "o",
    "q": "w",
    "r": "et",
    "s": "ad",
    "t": "ry",
    "u": "yi",
    "v": "cb",
    "w": "qe",
    "x": "zc",
    "y": "tu",
    "z": "x",
}
_ENGLISH_OPENERS = ("hi, ", "hello, ", "please ", "hey ", "um ", "quick question: ", "ok so ", "hi there ")
_CHINESE_OPENERS = ("请问", "你好，", "您好，", "我想问下", "麻烦问一下，", "那个", "想咨询一下，", "哈喽，")
_CHINESE_ENDINGS = ("呢", "啊", "呀", "谢谢", "，谢谢", "？？", "了", "吗")
_PARTICLES = re.compile(r"[吗呢啊呀吧哦]?[？?。！!]*$")
# Characters of one sound that input methods mix up most in banking talk.
_HOMOPHONES = {
    "账": "帐",
    "录": "陆",
    "密": "蜜",
    "额": "鹅",
    "款": "宽",
    "贷": "代",
    "的": "得",
    "在": "再",
    "做": "作",
    "限": "线",
    "激": "机",
}


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def disturb(text: str, rng: random.Random) -> str:
    """One or two random disturbances of `text`; the result is never empty."""
    changed = _disturb_chinese(text, rng) if is_chinese(text) else _disturb_english(text, rng)
    return changed if changed.strip() else text


def _disturb_english(text: str, rng: random.Random) -> str:
    kind = rng.randrange(6)
    if kind == 0:
        return re.sub(r"[^\w\s]", "", text)
    if kind == 1:
        return rng.choice(_ENGLISH_OPENERS) + text[:1].lower() + text[1:]
    if kind == 2:
        return text.rstrip("?.! ") + rng.choice(("", "?", " please", " thanks", "??", "!"))
    words = text.split()
    for _ in range(1 if len(words) < 8 else 2):
        position = rng.randrange(len(words))
        words[position] = _typo(words[position], rng)
    return " ".join(words)


def _typo(word: str, rng: random.Random) -> str:
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    near = _KEYS.get(word[at].lower())
    return word[:at] + rng.choice(near) + word[at + 1 :] if near else word


def _disturb_chinese(text: str, rng: random.Random) -> str:
    kind = rng.randrange(5)
    if kind == 0:
        return _PARTICLES.sub("", text)
    if kind == 1:
        return rng.choice(_CHINESE_OPENERS) + text
    if kind == 2:
        return _PARTICLES.sub("", text) + rng.choice(_CHINESE_ENDINGS)
    if kind == 3:
        found = [i for i, character in enumerate(text) if character in _HOMOPHONES]
        if found:
            at = rng.choice(found)
            return text[:at] + _HOMOPHONES[text[at]] + text[at + 1 :]
    if len(text) > 5:
        at = rng.randrange(len(text))
        return text[:at] + text[at + 1 :]
    return text
