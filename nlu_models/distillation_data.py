"""What distillation trains on and how it is watched: texts, teacher targets, and held-back texts and pairs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nlu_models import distillation, modeling, text_data

HELD_ENGLISH = 500
HELD_PAIRS = 400
# English sides of generated pairs repeat each other's words; a third of them is enough beside the real sentences.
GENERATED_ENGLISH_SHARE = 0.33
OWN_REPEATS = 4


@dataclass(frozen=True)
class HeldBack:
    """Never trained on: English sentences with their teacher vectors [n, hidden], and translation pairs."""

    english: list[str]
    vectors: np.ndarray
    pairs: list[tuple[str, str]]


def collect(
    data: Path, pair_files: Sequence[Path], faq: Path, teacher, cache: Path, seed: int
) -> tuple[distillation.Examples, HeldBack]:
    """Reads every source, encodes each distinct English text once with the teacher, and cuts what is held back."""
    rng = random.Random(seed)
    english, public, held_english, held_pairs = cut(data, rng)
    generated = [pair for path in pair_files for pair in text_data.pairs_from_tsv(path)]
    own, own_english = text_data.pairs_from_faq(faq)

    groups = [english, [a for a, _ in public], [a for a, _ in generated], [a for a, _ in own] + own_english]
    vectors: list[np.ndarray] = []
    row: dict[str, int] = {}
    for group in groups:
        fresh = [text for text in dict.fromkeys(group) if text not in row]
        for text in fresh:
            row[text] = len(row)
        if fresh:
            vectors.append(distillation.teacher_embeddings(teacher, fresh, cache))
    texts: list[str] = []
    targets: list[int] = []

    def add(text: str, source: str, times: int = 1) -> None:
        texts.extend([text] * times)
        targets.extend([row[source]] * times)

    for text in english:
        add(text, text)
    for left, right in public:
        add(right, left)
        if rng.random() < GENERATED_ENGLISH_SHARE:
            add(left, left)
    for left, right in generated:
        add(right, left)
        if rng.random() < GENERATED_ENGLISH_SHARE:
            add(left, left)
    for left, right in own:
        add(right, left, OWN_REPEATS)
        add(left, left)
    for text in own_english:
        add(text, text)
    held = HeldBack(held_english, distillation.teacher_embeddings(teacher, held_english, cache), held_pairs)
    return distillation.Examples(texts, np.array(targets), np.concatenate(vectors)), held


def cut(data: Path, rng: random.Random) -> tuple[list[str], list[tuple[str, str]], list[str], list[tuple[str, str]]]:
    """(English texts, pairs) to train on and (English texts, pairs) held back; the same for a generator of the same seed."""
    english = text_data.english_sentences(data)
    public = text_data.public_pairs(data)
    rng.shuffle(english)
    candidates = [pair for pair in public if 3 <= len(pair[1]) <= 40]
    # A held-back English sentence must not come back with another translation.
    held_left = {pair[0] for pair in rng.sample(candidates, min(HELD_PAIRS, len(candidates) // 10))}
    held_pairs = list({left: (left, right) for left, right in public if left in held_left}.values())
    public = [pair for pair in public if pair[0] not in held_left]
    return english[HELD_ENGLISH:], public, english[:HELD_ENGLISH], held_pairs


def score(model, tokenizer, held: HeldBack) -> dict[str, float]:
    """`cosine` with the teacher on held-back English; `zh_to_en` and `en_to_zh`: the translation is the nearest of all held-back pairs."""
    english = modeling.encode(model, tokenizer, held.english)
    scores = {"cosine": float((english * torch.from_numpy(held.vectors).float()).sum(1).mean())}
    if held.pairs:
        left = modeling.encode(model, tokenizer, [a for a, _ in held.pairs])
        right = modeling.encode(model, tokenizer, [b for _, b in held.pairs])
        similarity = right @ left.T
        index = torch.arange(len(held.pairs))
        scores["zh_to_en"] = float((similarity.argmax(1) == index).float().mean())
        scores["en_to_zh"] = float((similarity.argmax(0) == index).float().mean())
    return scores
