"""What holds for any text, and that the extractor agrees with the annotations of our own training examples."""

import re
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlu_models.entities import extract
from nlu_models.entities.model import NormalisedText

NLU = Path(__file__).resolve().parents[2] / "bot" / "data" / "nlu"
TODAY = date(2026, 10, 15)

PIECES = [
    "1", "2025", "1,200.50", "５００", "£", "HK$", "¥", "k", "one", "hundred", "and a half", "一",
    "两", "千", "万", "零", "块", "元",
    "尾号", "ending ", "card ", "last ", "from ", "to ", "since ", "Oct", "May", "Monday",
    "days", "月", "号", "到", "上个", "周",
    "最近", "半", "年", "以来", "q3", "-", "/", ".", "，", " ", "㈠", "½",
    "①", "ﬁ", "İ", "\u200b", "储蓄", "current ", "•••",
]
texts = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
days = st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 12, 31))


@settings(max_examples=400, deadline=None)
@given(texts, days)
def test_any_text_gives_ordered_spans_and_well_formed_values(text, today):
    end = 0
    for entity in extract(text, today):
        assert end <= entity.start < entity.end <= len(text)
        assert entity.raw == text[entity.start:entity.end]
        end = entity.end
        if entity.type == "amount":
            assert re.fullmatch(r"[0-9]+(\.[0-9]{2})?", entity.value) and Decimal(entity.value) >= 0
        elif entity.type == "currency":
            assert re.fullmatch(r"[A-Z]{3}", entity.value)
        elif entity.type == "account_type":
            assert entity.value in {"current", "savings", "credit_card", "loan"}
        elif entity.type == "card_last_four":
            assert re.fullmatch(r"[0-9]{4}", entity.value)
        else:
            assert entity.type == "date_range"
            first, last = (date.fromisoformat(day) for day in entity.value.split("/"))
            assert first <= last and (last <= today or first > today)


@settings(max_examples=200, deadline=None)
@given(texts)
def test_offsets_survive_normalisation(text):
    normalised = NormalisedText(text)
    for index in range(len(normalised.text)):
        start, end = normalised.original_span(index, index + 1)
        assert 0 <= start < end <= len(text)


@settings(max_examples=100, deadline=None)
@given(st.decimals(min_value=Decimal("0.01"), max_value=Decimal("9999999.99"), places=2))
def test_any_amount_of_money_is_read_back(value):
    for text in (f"send £{value} to Anna", f"send £{value:,} to Anna", f"给他转{value}块"):
        amounts = [Decimal(entity.value) for entity in extract(text, TODAY) if entity.type == "amount"]
        assert amounts == [value], text


@pytest.mark.parametrize("piece", ["1", "一", "十", "one ", "£", "1月到", "from 1 oct to ", "三块", "1,", "近1个半"])
def test_the_longest_message_is_read_in_time(piece):
    started = time.perf_counter()
    extract((piece * 4000)[:4000], TODAY)
    assert time.perf_counter() - started < 3  # quadratic patterns took longer; a normal message takes about 1 ms


def _annotated_examples():
    for path in sorted(NLU.glob("*.yml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("    - "):
                text, spans, position = "", [], 0
                for match in re.finditer(r"\[([^\]]*)\]\((\w+)\)", line[6:]):
                    text += line[6:][position:match.start()]
                    spans.append((match.group(2), len(text), len(text) + len(match.group(1))))
                    text, position = text + match.group(1), match.end()
                yield text + line[6:][position:], spans


def test_annotations_of_the_training_examples_agree_with_the_extractor():
    examples = list(_annotated_examples())
    different = [
        (text, spans)
        for text, spans in examples
        if [(entity.type, entity.start, entity.end) for entity in extract(text, TODAY)] != spans
    ]
    assert len(examples) > 2000
    assert len(different) <= 0.01 * len(examples), different
