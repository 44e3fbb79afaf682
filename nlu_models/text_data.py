"""Reads training text: public sets (from a folder given on the command line) and the project's own.

Only TEXT is read here; the intent labels of public sets never reach the shipped base, so that measuring on them stays honest.
Every reader yields plain strings or (English, Chinese) pairs.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nlu_models.errors import DataError

_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{[^}]*\}|<[^>]+>")


def english_sentences(folder: Path) -> list[str]:
    """Distinct English sentences of Banking77, CLINC150 and MultiDoGO below `folder`; order is stable.

    Raises DataError when none of the sets is there.
    """
    readers = {
        "banking77/train.csv": _banking77,
        "clinc150/data_full_trainval.json": _clinc150,
        "clinc150/all_wiki_sents_unlabelled.txt": _lines,
    }
    found: list[str] = []
    for name, reader in readers.items():
        path = folder / name
        if path.is_file():
            found.extend(reader(path))
    for path in sorted((folder / "multidogo").glob("*_sentence_*.tsv")):
        found.extend(_multidogo(path))
    if not found:
        raise DataError(f"no known data set under {folder}; expected banking77/, clinc150/ or multidogo/")
    return _distinct(found, maximum_words=48)


def public_pairs(folder: Path) -> list[tuple[str, str]]:
    """(English, Chinese) pairs of Tatoeba and the Mifos interface terms below `folder`."""
    pairs: list[tuple[str, str]] = []
    tatoeba = folder / "tatoeba_cmn_eng" / "cmn.txt"
    if tatoeba.is_file():
        for line in tatoeba.read_text(encoding="utf-8").splitlines():
            fields = line.split("\t")
            if len(fields) >= 2:
                pairs.append((fields[0].strip(), fields[1].strip()))
    for path in sorted((folder / "mifos_banking_ui_en_zh").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = line.split("\t")
            if len(fields) >= 3 and not _PLACEHOLDER.search(fields[1]) and re.search(r"[\u4e00-\u9fff]", fields[2]):
                pairs.append((fields[1].strip(), fields[2].strip()))
    return list(dict.fromkeys(pair for pair in pairs if all(pair)))


def pairs_from_tsv(path: Path) -> list[tuple[str, str]]:
    """(English, Chinese) pairs of a two-column tab-separated file. Raises DataError naming the first bad line."""
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) != 2 or not all(field.strip() for field in fields):
            raise DataError(f"{path.name} line {number}: expected English<TAB>Chinese")
        pairs.append((fields[0].strip(), fields[1].strip()))
    return list(dict.fromkeys(pairs))


def pairs_from_faq(path: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """From our FAQ CSV: parallel (English, Chinese) questions and phrasings, and the remaining English phrasings.

    The first four phrasings of an entry are written as translations of each other; questions always are.
    """
    pairs: list[tuple[str, str]] = []
    english: list[str] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            pairs.append((row["question_en"], row["question_zh"]))
            left, right = row["phrasings_en"].split("|"), row["phrasings_zh"].split("|")
            pairs.extend(zip(left[:4], right[:4]))
            english.extend(left)
    return [(a.strip(), b.strip()) for a, b in pairs if a.strip() and b.strip()], [
        e.strip() for e in english if e.strip()
    ]


def _banking77(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["text"]


def _clinc150(path: Path) -> Iterator[str]:
    for split in json.loads(path.read_text(encoding="utf-8")).values():
        for text, _label in split:
            yield text


def _multidogo(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quotechar='"'):
            yield row["utterance"] or ""


def _lines(path: Path) -> Iterator[str]:
    yield from path.read_text(encoding="utf-8").splitlines()


def _distinct(texts: Iterable[str], maximum_words: int) -> list[str]:
    cleaned = (" ".join(text.split()) for text in texts)
    seen: dict[str, str] = {}
    for text in cleaned:
        if text and len(text.split()) <= maximum_words:
            seen.setdefault(text.casefold(), text)
    return list(seen.values())
