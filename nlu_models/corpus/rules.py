"""A small synchronous grammar: one choice is made for both languages at once.

A line of grammar is `English | Chinese`, optionally followed by ` *3`, its weight. In each side

- `{name}` is a nonterminal; both sides get the two halves of the same expansion. The same name twice in a line is the
  same expansion; `{name#2}` is another, different one. Only a concept (below) may stand on one side alone.
- `[a/b/c]` is a choice of literal text that each side makes alone; an empty alternative is allowed.

- `{q}`, `{q_tail}` and `{ma}` are `?` in English and one of the usual endings of a question in Chinese.

A line of words is `name = a/b/c | 甲/乙`: a concept, that is, a nonterminal each side of which takes a synonym alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_PART = re.compile(r"\{([a-z_]+(?:#\d+)?)\}|\[([^\[\]]*)\]")
_WEIGHT = re.compile(r"\s\*(\d+)$")
_MAX_DEPTH = 12
_OTHER_TRIES = 8
# How a Chinese question may end: after a question word, after a yes-no question without 吗, and with it.
_ENDINGS = {
    "{q}": "[？/？/？/呢？/呢？/啊？/呀？/]",
    "{q_tail}": "[？/？/？/呢？/啊？/]",
    "{ma}": "[吗？/吗？/吗？/么？/吗]",
}


class GrammarError(ValueError):
    """A line of grammar is malformed; the message names it."""


@dataclass(frozen=True)
class Reference:
    """A nonterminal; `key` also tells apart two instances of one rule in a line (`amount`, `amount#2`)."""

    key: str

    @property
    def name(self) -> str:
        return self.key.split("#")[0]


@dataclass(frozen=True)
class Alternatives:
    """Literal texts of which one side takes one."""

    texts: tuple[str, ...]


Part = str | Reference | Alternatives


@dataclass(frozen=True)
class Line:
    """One aligned right-hand side."""

    english: tuple[Part, ...]
    chinese: tuple[Part, ...]
    weight: int
    source: str

    @property
    def references(self) -> tuple[Reference, ...]:
        """The nonterminals of the line, each once, in an order that does not depend on hashing."""
        return tuple(dict.fromkeys(part for part in self.english + self.chinese if isinstance(part, Reference)))

    @property
    def one_sided(self) -> tuple[Reference, ...]:
        """The nonterminals that stand on one side alone."""
        return tuple(part for part in self.references if (part in self.english) != (part in self.chinese))

    @property
    def is_question(self) -> bool:
        """Whether the English side ends as a question does."""
        return self.source.split(" | ")[0].rstrip().endswith(("?", "{q}", "{q_tail}", "{ma}"))


@dataclass(frozen=True)
class Rule:
    """A nonterminal's right-hand sides."""

    name: str
    lines: tuple[Line, ...]
    _weights: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not self.lines:
            raise GrammarError(f"rule {self.name!r} has no lines")
        cumulative, total = [], 0
        for line in self.lines:
            total += line.weight
            cumulative.append(total)
        object.__setattr__(self, "_weights", tuple(cumulative))

    @property
    def is_concept(self) -> bool:
        """Whether all it chooses between are synonyms, so that one side can use it without the other."""
        return len(self.lines) == 1 and not self.lines[0].references

    def choose(self, rng: random.Random) -> Line:
        """One line, by weight."""
        return rng.choices(self.lines, cum_weights=self._weights)[0]


def parse_rule(name: str, block: str) -> Rule:
    """Reads a block of `English | Chinese` lines; empty lines are skipped. Raises GrammarError."""
    return Rule(name, tuple(_parse_line(text) for text in _lines(block)))


def parse_words(block: str) -> dict[str, Rule]:
    """Reads a block of `name = a/b | 甲/乙` lines into rules. Raises GrammarError."""
    rules: dict[str, Rule] = {}
    for text in _lines(block):
        name, equals, sides = text.partition(" = ")
        english, bar, chinese = sides.partition(" | ")
        if not equals or not bar:
            raise GrammarError(f"expected `name = english | chinese`: {text!r}")
        if name in rules:
            raise GrammarError(f"word {name!r} is defined twice")
        rules[name] = parse_rule(name, f"[{english.strip()}] | [{chinese.strip()}]")
    return rules


def expand(line: Line, rules: Mapping[str, Rule], rng: random.Random, depth: int = 0) -> tuple[str, str]:
    """Expands a line to an (English, Chinese) pair. Raises GrammarError for an unknown or endless nonterminal."""
    if depth > _MAX_DEPTH:
        raise GrammarError(f"endless expansion at {line.source!r}")
    bound: dict[str, tuple[str, str]] = {}
    for reference in line.references:
        rule = rules.get(reference.name)
        if rule is None:
            raise GrammarError(f"unknown nonterminal {{{reference.name}}} in {line.source!r}")
        bound[reference.key] = expand(rule.choose(rng), rules, rng, depth + 1)
        for _ in range(_OTHER_TRIES):
            if "#" not in reference.key or bound[reference.key] != bound.get(reference.name):
                break
            bound[reference.key] = expand(rule.choose(rng), rules, rng, depth + 1)
    english = "".join(_render(part, 0, bound, rng) for part in line.english)
    chinese = "".join(_render(part, 1, bound, rng) for part in line.chinese)
    return " ".join(english.split()), chinese.strip()


def check(rule: Rule, rules: Mapping[str, Rule]) -> None:
    """Raises GrammarError when `rule` names a nonterminal that `rules` lacks or that one side lacks and must not."""
    for line in rule.lines:
        for reference in line.one_sided:
            if reference.name in rules and not rules[reference.name].is_concept:
                raise GrammarError(f"{{{reference.key}}} must stand on both sides: {line.source!r}")
        for reference in line.references:
            if reference.name not in rules:
                raise GrammarError(f"unknown nonterminal {{{reference.name}}} in {line.source!r}")


def _render(part: Part, side: int, bound: Mapping[str, tuple[str, str]], rng: random.Random) -> str:
    if isinstance(part, Reference):
        return bound[part.key][side]
    if isinstance(part, Alternatives):
        return rng.choice(part.texts)
    return part


def _lines(block: str) -> Iterator[str]:
    for text in block.splitlines():
        if text.strip():
            yield text.strip()


def _parse_line(text: str) -> Line:
    weight = _WEIGHT.search(text)
    body = text[: weight.start()] if weight else text
    sides = body.split(" | ")
    if len(sides) != 2:
        raise GrammarError(f"expected `english | chinese`: {text!r}")
    for ending, choices in _ENDINGS.items():
        sides = [sides[0].replace(ending, "?"), sides[1].replace(ending, choices)]
    line = Line(_parse_side(sides[0].strip()), _parse_side(sides[1].strip()), int(weight[1]) if weight else 1, body)
    if not line.english or not line.chinese:
        raise GrammarError(f"an empty side: {text!r}")
    return line


def _parse_side(text: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    position = 0
    for found in _PART.finditer(text):
        _add_literal(parts, text[position : found.start()])
        if found[1]:
            parts.append(Reference(found[1]))
        elif "{" in found[2]:
            raise GrammarError(f"a choice holds literal text only: {found[0]!r}")
        else:
            parts.append(Alternatives(tuple(found[2].split("/"))))
        position = found.end()
    _add_literal(parts, text[position:])
    return tuple(parts)


def _add_literal(parts: list[Part], text: str) -> None:
    if any(character in text for character in "{}[]"):
        raise GrammarError(f"unbalanced bracket in {text!r}")
    if text:
        parts.append(text)
