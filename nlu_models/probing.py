"""What the base encoder is worth before any fine-tuning: linear probes and translation retrieval, beside the teacher.

Banking77's own training file is split by us (stratified, seeded); its official test set is not read.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from nlu_models.errors import DataError

Embed = Callable[[Sequence[str]], np.ndarray]


def linear_probe(embed: Embed, file: Path, seed: int, shots: int | None = None) -> float:
    """Accuracy of a logistic regression on the embeddings of `file` (columns text, category or label); a fifth is held back.

    `shots`: train on that many examples of each label only.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split

    texts, labels = _read(file)
    vectors = embed(texts)
    index = np.arange(len(texts))
    train, test = train_test_split(index, test_size=0.2, random_state=seed, stratify=labels)
    if shots:
        rng = np.random.default_rng(seed)
        train = np.concatenate(
            [rng.permutation(train[labels[train] == label])[:shots] for label in sorted(set(labels))]
        )
    model = LogisticRegression(C=20.0, max_iter=400)
    model.fit(vectors[train], labels[train])
    return float((model.predict(vectors[test]) == labels[test]).mean())


def translation_retrieval(embed: Embed, pairs: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """(Chinese to English, English to Chinese): how often the translation is the nearest of all `pairs`."""
    left, right = embed([a for a, _ in pairs]), embed([b for _, b in pairs])
    similarity = right @ left.T
    index = np.arange(len(pairs))
    return float((similarity.argmax(1) == index).mean()), float((similarity.argmax(0) == index).mean())


def faq_retrieval(embed: Embed, file: Path, language: str) -> float:
    """P@1 on a FAQ CSV of ours: each entry's last two phrasings search among all entries' questions and other phrasings."""
    entries, queries = [], []
    with file.open(encoding="utf-8-sig", newline="") as source:
        for row in csv.DictReader(source):
            phrasings = [text for text in row[f"phrasings_{language}"].split("|") if text.strip()]
            entries += [(row["id"], text) for text in [row[f"question_{language}"], *phrasings[:-2]]]
            queries += [(row["id"], text) for text in phrasings[-2:]]
    similarity = embed([text for _, text in queries]) @ embed([text for _, text in entries]).T
    found = [entries[best][0] for best in similarity.argmax(1)]
    return float(np.mean([entry == wanted for entry, (wanted, _) in zip(found, queries)]))


def _read(file: Path) -> tuple[list[str], np.ndarray]:
    with file.open(encoding="utf-8-sig", newline="") as source:
        reader = csv.DictReader(source)
        column = next((name for name in ("label", "category") if name in (reader.fieldnames or [])), None)
        if column is None or "text" not in (reader.fieldnames or []):
            raise DataError(f"{file.name}: expected the columns text and label (or category)")
        rows = [(row["text"], row[column]) for row in reader]
    return [text for text, _ in rows], np.array([label for _, label in rows])
