"""Data the model learns from: readers, augmentation, leak-free splits, the tokenizer that ships."""

from __future__ import annotations

import functools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from bot.shared.settings import ROOT
from nlu_models import augmentation, own_data, text_data
from nlu_models.errors import DataError
from nlu_models.finetuning import FineTuningOptions, split
from nlu_models.tokenizer import fold, teacher_piece


@functools.cache
def shipped_tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(ROOT / "nlu_models" / "pretrained" / "tokenizer.json"))


@pytest.fixture
def tokenizer() -> Tokenizer:
    return shipped_tokenizer()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("轉帳", "转帐"),
        ("ＡＢＣ１２３", "abc123"),
        ("Café", "cafe"),
        ("信用卡？", "信用卡?"),
        ("HOW do I", "how do i"),
        ("我的\u3000卡", "我的 卡"),
        ("can’t", "can't"),
    ],
)
def test_variants_reach_the_same_pieces(tokenizer: Tokenizer, one: str, other: str) -> None:
    assert tokenizer.encode(one).ids == tokenizer.encode(other).ids


def test_every_common_chinese_character_is_a_piece(tokenizer: Tokenizer) -> None:
    vocabulary = tokenizer.get_vocab()
    missing = []
    for high in range(0xB0, 0xF8):
        for low in range(0xA1, 0xFF):
            try:
                character = bytes((high, low)).decode("gb2312")
            except UnicodeDecodeError:
                continue
            if character not in vocabulary:
                missing.append(character)
    assert not missing


def test_offsets_point_into_the_original_text(tokenizer: Tokenizer) -> None:
    text = "請問ＡＴＭ怎麼取£50？"
    encoding = tokenizer.encode(text)
    pieces = [text[start:end] for start, end in encoding.offsets if end > start]
    assert "".join(pieces) == text
    assert "ＡＴＭ" in pieces


@given(st.text(max_size=80))
def test_no_text_is_unknown(text: str) -> None:
    tokenizer = shipped_tokenizer()
    encoding = tokenizer.encode(text.encode("utf-8", "ignore").decode())
    assert tokenizer.token_to_id("<unk>") not in encoding.ids


def test_pieces_map_to_the_teachers_names() -> None:
    assert teacher_piece("▁card") == "card" and teacher_piece("ing") == "##ing" and teacher_piece("卡") == "卡"


def test_fold_is_the_normalisers_rule() -> None:
    assert fold("Ａ", str) == "a" and fold("\u200b", str) == "" and fold("。", str) == "." and fold("\x07", str) == " "


@given(st.text(min_size=1, max_size=60).filter(lambda text: text.strip()), st.integers(0, 10_000))
def test_a_disturbed_message_is_never_empty(text: str, seed: int) -> None:
    assert augmentation.disturb(text, random.Random(seed)).strip()


def test_disturbing_is_seeded_and_does_change_something() -> None:
    text = "how do I unlock my card please"
    once = [augmentation.disturb(text, random.Random(seed)) for seed in range(30)]
    assert once == [augmentation.disturb(text, random.Random(seed)) for seed in range(30)]
    assert len(set(once)) > 10


def test_split_is_stratified_and_keeps_equal_texts_on_one_side() -> None:
    examples = [(f"text {i} of {label}", label) for label in "abcd" for i in range(50)]
    examples += [(text.upper(), label) for text, label in examples]
    train, held = split(examples, 0.2, random.Random(1))
    assert sorted(train + held) == sorted(examples)
    assert not {t.casefold() for t, _ in train} & {t.casefold() for t, _ in held}
    assert {label: sum(1 for _, other in held if other == label) for label in "abcd"} == dict.fromkeys("abcd", 20)


@pytest.mark.parametrize("values", [{"epochs": 0}, {"learning_rate": -1.0}, {"dropout": 1.0}, {"held_back": 2.0}])
def test_impossible_options_are_refused(values: dict) -> None:
    with pytest.raises(DataError, match=next(iter(values))):
        FineTuningOptions(**values)


def test_our_own_files_are_read() -> None:
    questions = own_data.faq_examples(ROOT / "bot/data/faq.csv")
    assert len(questions) > 600 and {label for _, label in questions} == {"faq"}
    feelings = own_data.sentiment_examples(ROOT / "bot/data/sentiment.csv")
    assert {label for _, label in feelings} == {"negative", "neutral", "positive"}


def test_bad_files_are_named_with_their_line(tmp_path) -> None:
    wrong = tmp_path / "feelings.csv"
    wrong.write_text("text,label,language\nfine,happy,en\n")
    with pytest.raises(DataError, match=r"feelings\.csv line 2.*happy"):
        own_data.sentiment_examples(wrong)
    wrong.write_text("words,label\nfine,neutral\n")
    with pytest.raises(DataError, match="'text'"):
        own_data.sentiment_examples(wrong)
    with pytest.raises(DataError, match="none.csv"):
        own_data.faq_examples(tmp_path / "none.csv")
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("one\t一\nonly one side\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"pairs\.tsv line 2"):
        text_data.pairs_from_tsv(pairs)
    with pytest.raises(DataError, match="no known data set"):
        text_data.english_sentences(tmp_path)


def test_public_sets_are_read_as_text_only(tmp_path) -> None:
    (tmp_path / "banking77").mkdir()
    (tmp_path / "banking77/train.csv").write_text("text,category\nWhere is  my card?,a\nwhere is my card?,b\nHello,a\n")
    assert text_data.english_sentences(tmp_path) == ["Where is my card?", "Hello"]
    (tmp_path / "tatoeba_cmn_eng").mkdir()
    (tmp_path / "tatoeba_cmn_eng/cmn.txt").write_text("Hi.\t嗨。\tsomeone\nHi.\t嗨。\tsomeone else\n", encoding="utf-8")
    assert text_data.public_pairs(tmp_path) == [("Hi.", "嗨。")]
