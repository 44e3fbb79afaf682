"""Generates the parallel corpus: `python -m nlu_models.corpus.generate --count 60000 --seed 1 --out pairs.tsv`.

Three sources are mixed: sentences of the grammar (most), every hand-written pair of `phrases/*.tsv`, and the glossary's
terms, bare and inside carrier sentences. The standard library and PyYAML are all it needs.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import yaml

from nlu_models.corpus import noise as chinese_noise
from nlu_models.corpus.rules import GrammarError, Rule, check, expand, parse_rule, parse_words

FOLDER = Path(__file__).parent
GLOSSARY = "glossary.tsv"
DEFAULT_NOISE = 0.15
# Kinds of a topic's sentences, as weights: its own frames, then the shared frames around its phrases.
_KINDS = {"frames": 50, "acts": 28, "problems": 12, "things": 10}
_CASUAL = 0.25
_HAND_WRITTEN_SHARE = 0.35
_CARRIER_SHARE = 0.08
_MAX_MISSES = 400
_ASKED_ALREADY = re.compile(
    r"((?:能不能|可不可以|有没有|要不要|会不会|需不需要|收不收|能否|是否)[^，。？！]*?)[吗么](?=[？。]|$)"
)

Pair = tuple[str, str]


@dataclass(frozen=True)
class Topic:
    """One banking topic. `scope` holds its own rules and everything shared; `asks` names the shared frames its
    acts fit; a `plain` one (thanks, anger) gets no context around its sentences."""

    name: str
    weight: int
    scope: Mapping[str, Rule]
    frames: Rule
    asks: tuple[str, ...]
    thing_asks: tuple[str, ...]
    plain: bool


@dataclass(frozen=True)
class Grammar:
    """The whole grammar as loaded from `grammar/*.yml`."""

    shared: Mapping[str, Rule]
    topics: tuple[Topic, ...]


@lru_cache(maxsize=1)
def load_grammar() -> Grammar:
    """Reads and checks `grammar/*.yml`. Raises GrammarError, which names the offending line."""
    words: dict[str, Rule] = {}
    drafts: dict[str, dict] = {}
    for path in sorted((FOLDER / "grammar").glob("*.yml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, rule in _read_rules(document).items():
            if name in words:
                raise GrammarError(f"{path.name}: rule {name!r} is defined twice")
            words[name] = rule
        for name, draft in document.get("topics", {}).items():
            if name in drafts:
                raise GrammarError(f"{path.name}: topic {name!r} is defined twice")
            drafts[name] = draft
    topics = tuple(_read_topic(name, draft, words) for name, draft in drafts.items())
    local = {"act", "problem", "thing"}
    for rule in words.values():
        check(rule, words | {name: rule for name in local})
    return Grammar(MappingProxyType(words), topics)


@lru_cache(maxsize=1)
def load_phrases() -> tuple[Pair, ...]:
    """The hand-written pairs of `phrases/*.tsv`, without the glossary. Raises ValueError for a malformed line."""
    paths = [path for path in sorted((FOLDER / "phrases").glob("*.tsv")) if path.name != GLOSSARY]
    return tuple(dict.fromkeys(pair for path in paths for pair in _read_pairs(path)))


@lru_cache(maxsize=1)
def load_glossary() -> tuple[Pair, ...]:
    """The term pairs of `phrases/glossary.tsv`; verbs begin with "to ". Raises ValueError for a malformed line."""
    return tuple(dict.fromkeys(_read_pairs(FOLDER / "phrases" / GLOSSARY)))


def sentence(topic: Topic, rng: random.Random) -> Pair:
    """One sentence of the grammar about `topic`, sometimes with a greeting, a context or a plea around it."""
    kinds = [kind for kind in _KINDS if kind == "frames" or kind[:-1] in topic.scope]
    kind = rng.choices(kinds, [_KINDS[name] for name in kinds])[0]
    if kind == "frames":
        rule = topic.frames
    elif kind == "acts":
        rule = topic.scope["ask_" + rng.choice(topic.asks)]
    elif kind == "things":
        rule = topic.scope["thing_" + rng.choice(topic.thing_asks)]
    else:
        rule = topic.scope["problem_frames"]
    line = rule.choose(rng)
    pair = expand(line, topic.scope, rng)
    return pair if topic.plain else _wrap(pair, line.is_question, kind, topic, rng)


def generate(seed: int, count: int, noise: float = DEFAULT_NOISE) -> Iterator[Pair]:
    """Yields `count` distinct (English, Chinese) pairs, the same for the same arguments.

    `noise` is the share of pairs whose Chinese side is made untidy as people type it. Every hand-written pair and every
    glossary term is among them as long as they make up at most 35 % of `count`; otherwise a random part of them is.
    Raises ValueError for a negative count, a noise outside 0..1, or when the grammar has no more to say.
    """
    if count < 0 or not 0.0 <= noise <= 1.0:
        raise ValueError(f"count={count} must not be negative and noise={noise} must lie between 0 and 1")
    rng = random.Random(seed)
    grammar = load_grammar()
    topics, weights = grammar.topics, [topic.weight for topic in grammar.topics]
    written = [*load_phrases(), *load_glossary()]
    rng.shuffle(written)
    written = [_bare(pair) for pair in written[: int(count * _HAND_WRITTEN_SHARE)]]
    carriers = int(count * _CARRIER_SHARE)

    def from_grammar() -> Pair:
        return sentence(rng.choices(topics, weights)[0], rng)

    def from_glossary() -> Pair:
        return _carry(rng.choice(load_glossary()), grammar.shared, rng)

    sources: list[Pair | Callable[[], Pair]] = [*written, *[from_glossary] * carriers]
    sources += [from_grammar] * (count - len(sources))
    rng.shuffle(sources)
    seen: set[Pair] = set()
    for source in sources:
        yield _distinct(source, seen, noise, rng, from_grammar)


def _distinct(
    source: Pair | Callable[[], Pair], seen: set[Pair], noise: float, rng: random.Random, fallback: Callable[[], Pair]
) -> Pair:
    """The next pair not in `seen`, which it joins; a source that repeats itself gives way to the grammar."""
    for attempt in range(_MAX_MISSES):
        if callable(source):
            pair = _finish((source if attempt < 5 else fallback)(), noise, rng)
        else:
            pair, source = source, fallback
        if pair not in seen:
            seen.add(pair)
            return pair
    raise ValueError(f"the grammar has no more than about {len(seen)} distinct pairs")


def _wrap(pair: Pair, question: bool, kind: str, topic: Topic, rng: random.Random) -> Pair:
    shared = topic.scope
    roll = rng.random()
    if question and roll < 0.07:
        pair = _join(_expand_rule("context", shared, rng), pair)
    elif question and roll < 0.20 and "problem" in shared and kind == "acts":
        pair = _join(_expand_rule("problem_statement", shared, rng), pair)
    elif question and 0.20 <= roll < 0.23:
        pair = _join(pair, _expand_rule("close_question", shared, rng))
    elif kind == "problems" and roll < 0.10:
        pair = _join(pair, _expand_rule("close_problem", shared, rng))
    roll = rng.random()
    if roll < 0.06:
        pair = _join(_expand_rule("open_any", shared, rng), pair)
    elif question and roll < 0.12:
        pair = _join(_expand_rule("open_question", shared, rng), pair)
    return pair


def _carry(term: Pair, shared: Mapping[str, Rule], rng: random.Random) -> Pair:
    """A glossary term inside a carrier sentence: a verb in the frames of acts, a noun in those of terms."""
    english, chinese = term
    is_verb = english.startswith("to ")
    line = shared["carry_verb" if is_verb else "carry_noun"].choose(rng)
    english_frame, chinese_frame = expand(line, shared, rng)
    bare = english[3:] if is_verb else english
    return english_frame.replace("TERM", bare), chinese_frame.replace("TERM", chinese)


def _bare(pair: Pair) -> Pair:
    english, chinese = pair
    return (english[3:] if english.startswith("to ") and not english.endswith((".", "?", "!")) else english), chinese


def _finish(pair: Pair, noise: float, rng: random.Random) -> Pair:
    english, chinese = _capitalise(_agree(pair[0])), _one_particle(pair[1])
    if rng.random() < _CASUAL:
        english = english.rstrip(".?!")
        english = english.lower() if rng.random() < 0.5 else english
        chinese = chinese.rstrip("。？！")
    if rng.random() < noise:
        chinese = chinese_noise.roughen(chinese, pair[0].endswith("?"), rng)
    return english, chinese


def _agree(text: str) -> str:
    """`an cashpoint`, `a ATM`: the article after the synonym is known."""
    text = re.sub(r"\b([Aa])n (?=[bcdfgjkpqtvwxyz])", r"\1 ", text)
    return re.sub(r"\b([Aa]) (?=(?!one|euro|uni|use)[aeiou]|ATM|ID )", r"\1n ", text)


def _one_particle(text: str) -> str:
    """A question asks once: no 呢 after 吗, no 吗 where 能不能 or 有没有 asks already; 要要回 is 要回."""
    text = re.sub("吗[呢啊呀]", "吗", text).replace("要要", "要")
    return _ASKED_ALREADY.sub(r"\1", text)


def _capitalise(text: str) -> str:
    return re.sub(r"(^|[.?!] )([a-z])", lambda found: found[1] + found[2].upper(), text)


def _join(first: Pair, second: Pair) -> Pair:
    gap = "" if first[1].endswith(("，", "。", "？", "！", "：", "…", "请问")) else "，"
    return f"{first[0]} {second[0]}", first[1] + gap + second[1]


def _expand_rule(name: str, rules: Mapping[str, Rule], rng: random.Random) -> Pair:
    return expand(rules[name].choose(rng), rules, rng)


def _read_rules(document: Mapping) -> dict[str, Rule]:
    rules = parse_words(document.get("words", ""))
    for name, block in document.get("rules", {}).items():
        if name in rules:
            raise GrammarError(f"rule {name!r} is defined twice")
        rules[name] = parse_rule(name, block)
    return rules


def _read_topic(name: str, draft: Mapping, shared: Mapping[str, Rule]) -> Topic:
    known = {"weight", "words", "rules", "acts", "asks", "problems", "things", "thing_asks", "frames", "plain"}
    if unknown := sorted(set(draft) - known):
        raise GrammarError(f"topic {name!r}: unknown key {unknown[0]!r}")
    local = _read_rules(draft)
    for key in ("acts", "problems", "things"):
        if key in draft:
            local[key[:-1]] = parse_rule(f"{name}.{key}", draft[key])
    scope = {**shared, **local}
    frames = parse_rule(f"{name}.frames", draft["frames"])
    asks = tuple(draft.get("asks", "how can request fail keyword").split())
    thing_asks = tuple(draft.get("thing_asks", "about").split())
    for rule in (frames, *local.values(), *(scope.get(f"ask_{ask}", frames) for ask in asks if "act" in local)):
        check(rule, scope)
    missing = [ask for ask in asks if f"ask_{ask}" not in shared]
    missing += [ask for ask in thing_asks if f"thing_{ask}" not in shared]
    if missing:
        raise GrammarError(f"topic {name!r}: no shared frames {missing[0]!r}")
    plain = bool(draft.get("plain", False))
    return Topic(name, int(draft.get("weight", 1)), MappingProxyType(scope), frames, asks, thing_asks, plain)


def _read_pairs(path: Path) -> Iterator[Pair]:
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip():
            continue
        sides = [side.strip() for side in text.split("\t")]
        if len(sides) != 2 or not all(sides):
            raise ValueError(f"{path.name}:{number}: expected english<TAB>chinese: {text!r}")
        yield sides[0], sides[1]


def _main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Writes English<TAB>Chinese banking pairs, one a line.")
    parser.add_argument("--count", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise", type=float, default=DEFAULT_NOISE, help="share of untidy Chinese sides, 0 to 1")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    with options.out.open("w", encoding="utf-8") as file:
        for english, chinese in generate(options.seed, options.count, options.noise):
            file.write(f"{english}\t{chinese}\n")


if __name__ == "__main__":
    _main()
