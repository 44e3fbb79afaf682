"""What every message passes before anything else reads it: cleaning, disarming of Rasa commands, language detection."""

from __future__ import annotations

import re
import unicodedata

LANGUAGES = ("en", "zh")

_LINE_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")
# Joiners hold emoji and some scripts together; every other invisible format character only hides or reorders text.
_KEPT_FORMAT_CHARACTERS = "\u200c\u200d"

_ADDRESS = re.compile(r"https?://\S+|www\.\S+|[\w.+-]+@[\w-]+\.\w+")
_CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['’][A-Za-z]+)?")
_CURRENCY_ZH = re.compile(r"英镑|港币|港元|人民币|美元|美金|欧元|日元|(?<=\d)\s*[元块镑]钱?")
# Words that people write the same way in either language, so that they say nothing about which one it is.
_NEUTRAL_WORDS = frozenset(
    "gbp hkd cny rmb usd eur jpy pound pounds euro euros dollar dollars yuan renminbi "
    "ok okay atm app pin pos iban swift visa mastercard unionpay paypal vip id sms qr faq".split()
)


def clean(text: str) -> str:
    """`text` in NFKC without control characters, NUL, lone surrogates or invisible format characters, ends stripped.

    Line breaks stay (all kinds become `\\n`, at most two in a row); other runs of space become one space.
    """
    text = _LINE_BREAKS.sub("\n", text)
    # A lone surrogate cannot be encoded, so it must go before normalisation and before any store or log sees it.
    text = "".join(character for character in text if not "\ud800" <= character <= "\udfff")
    text = unicodedata.normalize("NFKC", text)
    text = "".join(character for character in text if _is_kept(character))
    text = _BLANK_LINES.sub("\n\n", _SPACES.sub(" ", text))
    return text.strip().strip(_KEPT_FORMAT_CHARACTERS).strip()


def neutralise_commands(text: str) -> str:
    """`text` without the leading slash that makes Rasa read `/intent{"slot": ...}` as a command.

    Full-width slashes, slashes behind unusual spaces or invisible characters, and repeated slashes go too.
    Any other text comes back unchanged.
    """
    position = 0
    last_slash = -1
    while position < len(text):
        character = text[position]
        if unicodedata.normalize("NFKC", character) == "/":
            last_slash = position
        elif not (character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Mn", "Zs")):
            break
        position += 1
    return text[last_slash + 1 :].lstrip() if last_slash >= 0 else text


def detect_language(text: str, default: str = "en") -> str:
    """ "en" or "zh", whichever the message is mostly written in; `default` when it does not show.

    A Chinese character weighs as much as a Latin word. Digits, addresses and words that both languages share
    (currencies, "ok", "ATM") have no weight; a tie keeps `default`.
    """
    text = _CURRENCY_ZH.sub(" ", _ADDRESS.sub(" ", unicodedata.normalize("NFKC", text)))
    chinese = len(_CJK.findall(text))
    latin = sum(1 for word in _LATIN_WORD.findall(text) if word.lower() not in _NEUTRAL_WORDS)
    if chinese == latin:
        return default
    return "zh" if chinese > latin else "en"


def _is_kept(character: str) -> bool:
    if character == "\n" or character in _KEPT_FORMAT_CHARACTERS:
        return True
    if character == "\t":
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs")
