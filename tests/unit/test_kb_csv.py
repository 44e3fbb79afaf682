"""Phrasings and cells survive the way through a spreadsheet."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.store import FaqContent, FaqText
from knowledge_base.store.content import collect_content
from knowledge_base.store.faq_csv import _from_cell, _to_cell, join_phrasings, split_phrasings

anything = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40)


@given(st.lists(anything.map(str.strip).filter(bool), max_size=6))
def test_phrasings_are_joined_and_split_without_loss(phrasings):
    assert split_phrasings(join_phrasings(phrasings)) == phrasings


def test_phrasings_written_by_hand_are_read_as_they_look():
    assert split_phrasings("a | b||c\\d |") == ["a", "b", "c\\d"]
    assert split_phrasings("") == [] and split_phrasings(" | ") == []


@given(st.text(st.sampled_from("'=+-@\t＝a1|"), max_size=8))
def test_no_cell_can_be_a_formula_and_every_cell_is_restored(text):
    cell = _to_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))
    assert _from_cell(cell) == text


@given(anything, anything)
def test_what_the_rules_accept_is_accepted_unchanged_the_second_time(question, answer):
    errors: list = []
    once = collect_content(FaqContent("cards", {"en": FaqText(question, answer, [answer, question])}), errors)
    if not errors:
        again: list = []
        assert collect_content(once, again) == once and again == []


@given(st.lists(anything, min_size=1, max_size=4))
def test_python_reads_back_what_python_writes(cells):
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow([_to_cell(cell) for cell in cells])
    [row] = list(csv.reader(io.StringIO(buffer.getvalue(), newline=""), strict=True)) or [[""]]
    assert [_from_cell(cell) for cell in row] == cells
