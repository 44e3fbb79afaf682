"""Multi-task fine-tuning of the base: intent and sentiment, while the sentence embedding stays good for retrieval.

Both heads read the mean-pooled last layer. A third loss keeps each message's embedding near the base's own, so that fine-tuning
does not spoil retrieval. A split is held back, stratified by intent, for early stopping and for the temperatures
(Guo et al. 2017, "On Calibration of Modern Neural Networks").
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer
from torch import nn
from tqdm import tqdm
from transformers import AlbertModel

from nlu_models import augmentation, modeling
from nlu_models.errors import DataError

SENTIMENTS = ("negative", "neutral", "positive")


@dataclass(frozen=True)
class FineTuningOptions:
    """Training arguments, all of them settable in `config.yml`."""

    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 3e-4
    head_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    sentiment_weight: float = 0.5
    preserve_weight: float = 2.0
    dropout: float = 0.1
    augment: float = 0.4
    held_back: float = 0.08
    patience: int = 3
    seed: int = 7

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "head_learning_rate", "patience"):
            if getattr(self, name) <= 0:
                raise DataError(f"AlbertClassifier: {name} must be positive, not {getattr(self, name)}")
        for name in ("label_smoothing", "dropout", "augment", "held_back"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise DataError(f"AlbertClassifier: {name} must lie in [0, 1), not {getattr(self, name)}")


class MultiTaskModel(nn.Module):
    """The base and its heads. `forward` gives embedding [b, hidden] (unit length), intent and sentiment logits."""

    def __init__(self, base: AlbertModel, intents: int, dropout: float) -> None:
        super().__init__()
        self.base = base
        hidden = base.config.hidden_size
        self.intent = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, intents)
        )
        self.sentiment = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(hidden, 128), nn.GELU(), nn.Linear(128, len(SENTIMENTS))
        )

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        hidden = self.base(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        embedding = modeling.mean_pool(hidden, attention_mask)
        # Unit vectors times sqrt(hidden) have features of size one, whatever the length of the message.
        features = embedding * hidden.shape[-1] ** 0.5
        return embedding, self.intent(features), self.sentiment(features)


@dataclass
class Trained:
    """The outcome. `temperature` per language; `report` holds what the held-back split measured."""

    model: MultiTaskModel
    intents: list[str]
    temperature: dict[str, float]
    report: dict[str, float] = field(default_factory=dict)


def fine_tune(
    base: AlbertModel,
    tokenizer: Tokenizer,
    intent_examples: Sequence[tuple[str, str]],
    sentiment_examples: Sequence[tuple[str, str]],
    options: FineTuningOptions = FineTuningOptions(),
) -> Trained:
    """Trains a copy of `base` on (text, intent) and (text, sentiment) examples. Raises DataError for too little data."""
    intents = sorted({label for _, label in intent_examples})
    if len(intents) < 2:
        raise DataError("training needs examples of at least two intents")
    unknown = sorted({label for _, label in sentiment_examples} - set(SENTIMENTS))
    if unknown:
        raise DataError(f"unknown sentiment {unknown[0]!r}; use negative, neutral or positive")
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train, held = split(intent_examples, options.held_back, rng)
    feelings, held_feelings = split(sentiment_examples, options.held_back, rng)
    reference = copy.deepcopy(base).to(device).eval()
    originals = modeling.encode(reference, tokenizer, [text for text, _ in train] + [text for text, _ in feelings])
    model = MultiTaskModel(copy.deepcopy(base), len(intents), options.dropout).to(device)
    weights = _class_weights([label for _, label in train], intents).to(device)
    heads = [*model.intent.parameters(), *model.sentiment.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": model.base.parameters(), "lr": options.learning_rate},
            {"params": heads, "lr": options.head_learning_rate},
        ],
        weight_decay=options.weight_decay,
    )
    rows = [(text, intents.index(label), -100, i) for i, (text, label) in enumerate(train)]
    rows += [(text, -100, SENTIMENTS.index(label), len(train) + i) for i, (text, label) in enumerate(feelings)]
    steps = options.epochs * ((len(rows) + options.batch_size - 1) // options.batch_size)
    warmup = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))
    )
    best, best_loss, waited = None, float("inf"), 0
    with tqdm(total=steps, desc="fine-tune", unit="step", mininterval=2.0) as bar:
        for epoch in range(options.epochs):
            model.train()
            for chosen in _length_batches(rows, options.batch_size, rng):
                texts = [augmentation.disturb(r[0], rng) if rng.random() < options.augment else r[0] for r in chosen]
                ids, mask = (tensor.to(device) for tensor in modeling.batch(tokenizer, texts, 64))
                intent = torch.tensor([r[1] for r in chosen], device=device)
                feeling = torch.tensor([r[2] for r in chosen], device=device)
                with torch.autocast(device.type, torch.bfloat16):
                    embedding, intent_logits, sentiment_logits = model(ids, mask)
                loss = (
                    options.preserve_weight
                    * (1 - (embedding.float() * originals[[r[3] for r in chosen]].to(device)).sum(-1)).mean()
                )
                if (intent >= 0).any():
                    loss = loss + nn.functional.cross_entropy(
                        intent_logits.float(),
                        intent,
                        weights,
                        ignore_index=-100,
                        label_smoothing=options.label_smoothing,
                    )
                if (feeling >= 0).any():
                    loss = loss + options.sentiment_weight * nn.functional.cross_entropy(
                        sentiment_logits.float(), feeling, ignore_index=-100, label_smoothing=options.label_smoothing
                    )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                bar.update(1)
            if not held:
                continue
            logits, labels = _predict(model, tokenizer, held, intents)
            held_loss = nn.functional.cross_entropy(logits, labels).item()
            accuracy = (logits.argmax(1) == labels).float().mean().item()
            bar.set_postfix(epoch=epoch + 1, held_back_accuracy=f"{accuracy:.3f}")
            if held_loss < best_loss:
                best, best_loss, waited = copy.deepcopy(model.state_dict()), held_loss, 0
            else:
                waited += 1
                if waited >= options.patience:
                    break
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    return _calibrated(model, tokenizer, intents, held, held_feelings)


def split(examples: Sequence[tuple[str, str]], share: float, rng: random.Random) -> tuple[list, list]:
    """(train, held back), stratified by label; texts equal after folding case and spaces stay on one side."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for text, label in dict.fromkeys(examples):
        groups.setdefault("".join(text.casefold().split()), []).append((text, label))
    by_label: dict[str, list] = {}
    for members in groups.values():
        by_label.setdefault(members[0][1], []).append(members)
    train: list[tuple[str, str]] = []
    held: list[tuple[str, str]] = []
    for label in sorted(by_label):
        members = by_label[label]
        rng.shuffle(members)
        count = int(len(members) * share)
        for group in members[:count]:
            held.extend(group)
        for group in members[count:]:
            train.extend(group)
    return train, held


def _class_weights(labels: list[str], names: list[str]) -> torch.Tensor:
    """Proportional to 1/sqrt(count), mean one: a rare intent is heard, a common one not drowned."""
    counts = Counter(labels)
    weights = torch.tensor([counts[name] ** -0.5 for name in names])
    return weights / weights.mean()


def _length_batches(rows: list, size: int, rng: random.Random) -> list[list]:
    order = list(rows)
    rng.shuffle(order)
    pool = size * 20
    batches = []
    for start in range(0, len(order), pool):
        chunk = sorted(order[start : start + pool], key=lambda row: len(row[0].encode()))
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    rng.shuffle(batches)
    return batches


@torch.no_grad()
def _predict(
    model: MultiTaskModel,
    tokenizer: Tokenizer,
    examples: Sequence[tuple[str, str]],
    names: Sequence[str],
    head: int = 1,
) -> tuple[torch.Tensor, torch.Tensor]:
    model.eval()
    device = next(model.parameters()).device
    outputs = []
    for start in range(0, len(examples), 64):
        ids, mask = (
            tensor.to(device)
            for tensor in modeling.batch(tokenizer, [text for text, _ in examples[start : start + 64]])
        )
        outputs.append(model(ids, mask)[head].float().cpu())
    return torch.cat(outputs), torch.tensor([list(names).index(label) for _, label in examples])


def _calibrated(model, tokenizer, intents, held, held_feelings) -> Trained:
    temperature = {"en": 1.0, "zh": 1.0}
    report: dict[str, float] = {}
    if held:
        logits, labels = _predict(model, tokenizer, held, intents)
        report["intent_accuracy"] = (logits.argmax(1) == labels).float().mean().item()
        chinese = torch.tensor([augmentation.is_chinese(text) for text, _ in held])
        for language, chosen in (("en", ~chinese), ("zh", chinese)):
            if chosen.sum() >= 20:
                temperature[language] = _temperature(logits[chosen], labels[chosen])
                report[f"intent_accuracy_{language}"] = (
                    (logits[chosen].argmax(1) == labels[chosen]).float().mean().item()
                )
    if held_feelings:
        logits, labels = _predict(model, tokenizer, held_feelings, SENTIMENTS, head=2)
        report["sentiment_accuracy"] = (logits.argmax(1) == labels).float().mean().item()
    return Trained(model, intents, temperature, report)


def _temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature in 0.3 to 3 of least held-back cross-entropy."""
    candidates = [0.3 * 1.05**k for k in range(48)]
    return min(candidates, key=lambda t: nn.functional.cross_entropy(logits / t, labels).item())
