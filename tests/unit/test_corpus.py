"""The parallel corpus: what the grammar promises, and what the training relies on."""

from __future__ import annotations

import random
import re

import pytest

from nlu_models.corpus import noise
from nlu_models.corpus.generate import generate, load_glossary, load_grammar, load_phrases, sentence
from nlu_models.corpus.rules import GrammarError, check, expand, parse_rule, parse_words

SAMPLE = 4_000
CJK = re.compile(r"[\u4e00-\u9fff]")
NOTATION = re.compile(r"[{}\[\]|\t\n]|\*\d|TERM")


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str]]:
    return list(generate(seed=7, count=SAMPLE))


def test_the_same_seed_gives_the_same_pairs(pairs):
    assert list(generate(seed=7, count=SAMPLE)) == pairs


def test_another_seed_gives_other_pairs(pairs):
    other = set(generate(seed=8, count=SAMPLE))
    assert len(other & set(pairs)) < SAMPLE * 0.6


def test_pairs_are_distinct_and_as_many_as_asked_for(pairs):
    assert len(pairs) == SAMPLE
    assert len(set(pairs)) == SAMPLE


def test_sixty_thousand_distinct_pairs_hold_all_that_is_written_by_hand():
    # Without noise a hand-written pair appears as it was written, but for capitals and final stops of glossary verbs.
    whole = set(generate(seed=1, count=60_000, noise=0.0))
    assert len(whole) == 60_000
    chinese = {zh for _, zh in whole}
    assert {zh for _, zh in load_phrases()} <= chinese
    assert {zh for _, zh in load_glossary()} <= chinese


def test_no_side_is_empty_or_keeps_notation(pairs):
    for english, chinese in pairs:
        assert english.strip() == english != ""
        assert chinese.strip() == chinese != ""
        assert not NOTATION.search(english), english
        assert not NOTATION.search(chinese), chinese


def test_each_side_is_in_its_language(pairs):
    for english, chinese in pairs:
        assert not CJK.search(english), english
        assert CJK.search(chinese), chinese


def test_breadth_of_topics_and_of_what_is_written_by_hand():
    topics = load_grammar().topics
    assert len(topics) >= 60
    assert {topic.name: len(topic.frames.lines) for topic in topics if len(topic.frames.lines) < 8} == {}
    assert len(load_phrases()) >= 700
    assert len(load_glossary()) >= 900


def test_every_line_of_every_topic_expands_to_both_languages():
    rng = random.Random(0)
    for topic in load_grammar().topics:
        for rule in (topic.frames, *(topic.scope[f"ask_{ask}"] for ask in topic.asks if "act" in topic.scope)):
            for line in rule.lines:
                english, chinese = expand(line, topic.scope, rng)
                assert english and CJK.search(chinese), line.source
                assert not NOTATION.search(english + chinese), line.source


def test_a_number_with_decimals_or_thousands_is_on_both_sides():
    rng = random.Random(3)
    for topic in load_grammar().topics:
        for _ in range(40):
            english, chinese = sentence(topic, rng)
            if "1,500" in english:
                assert "1500" in chinese, (english, chinese)
            if "HK$" in english or "Hong Kong dollars" in english:
                assert re.search("港币|港元", chinese), (english, chinese)


def test_hand_written_pairs_are_in_the_right_columns():
    for english, chinese in (*load_phrases(), *load_glossary()):
        assert not CJK.search(english), english
        assert re.search(r"[\u4e00-\u9fffA-Z]", chinese), chinese
    assert len({english for english, _ in load_phrases()}) == len(load_phrases())


def test_noise_never_empties_a_sentence_and_is_off_at_zero():
    rng = random.Random(5)
    for _, chinese in generate(seed=2, count=1_000, noise=0.0):
        for question in (True, False):
            assert noise.roughen(chinese, question, rng)
    untouched = list(generate(seed=3, count=500, noise=0.0))
    roughened = list(generate(seed=3, count=500, noise=1.0))
    assert sum(a[1] != b[1] for a, b in zip(untouched, roughened, strict=True)) > 300


@pytest.mark.parametrize(("count", "share"), [(-1, 0.1), (10, 1.5), (10, -0.1)])
def test_bad_arguments_are_refused(count, share):
    with pytest.raises(ValueError):
        list(generate(seed=1, count=count, noise=share))


def test_one_choice_serves_both_languages():
    rules = {"colour": parse_rule("colour", "red | 红\nblue | 蓝")}
    line = parse_rule("top", "{colour} then {colour#2}, again {colour} | {colour#2}前是{colour}").lines[0]
    chinese_of = {"red": "红", "blue": "蓝"}
    for seed in range(20):
        english, chinese = expand(line, rules, random.Random(seed))
        first, second = re.fullmatch(r"(\w+) then (\w+), again \1", english).groups()
        assert first != second
        assert chinese == f"{chinese_of[second]}前是{chinese_of[first]}"


def test_a_concept_chooses_its_synonyms_on_each_side_alone():
    rules = parse_words("freeze = freeze/lock | 冻结/锁定")
    line = parse_rule("top", "{freeze} it | {freeze}").lines[0]
    assert len({expand(line, rules, random.Random(seed)) for seed in range(60)}) == 4


@pytest.mark.parametrize(
    "block", ["no chinese side", "a | b | c", "un{closed | 坏", "[un | 坏", "choice [of {x}] | 坏", " | 坏"]
)
def test_malformed_lines_are_named(block):
    with pytest.raises(GrammarError):
        parse_rule("bad", block)


def test_unknown_and_one_sided_nonterminals_are_refused():
    two_lines = {"colour": parse_rule("colour", "red | 红\nblue | 蓝")}
    with pytest.raises(GrammarError, match="unknown"):
        check(parse_rule("top", "{shape} | {shape}"), two_lines)
    with pytest.raises(GrammarError, match="both sides"):
        check(parse_rule("top", "the {colour} one | 那个"), two_lines)
