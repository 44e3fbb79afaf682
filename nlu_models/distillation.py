"""Distils a sentence-embedding teacher into the ALBERT base, with Chinese pulled into the same space by translation pairs.

The student's embedding of a text is trained towards the teacher's embedding of the same text (English) or of its English
translation (Chinese): cosine distance, plus the mean squared difference of the batch's pairwise similarities.
Reimers & Gurevych 2020, "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation";
Tung & Mori 2019, "Similarity-Preserving Knowledge Distillation".
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tqdm import tqdm
from transformers import AlbertModel

from nlu_models import augmentation, modeling


@dataclass(frozen=True)
class DistillationOptions:
    """Training arguments. `minutes` > 0 ends the schedule early by the clock: the learning rate decays by whichever of
    steps and minutes is further along, so that a time-boxed run still ends at a small learning rate."""

    epochs: float = 4.0
    batch_size: int = 128
    learning_rate: float = 6e-4
    warmup: float = 0.04
    weight_decay: float = 0.01
    similarity_weight: float = 10.0
    augment: float = 0.3
    seed: int = 7
    minutes: float = 0.0
    checkpoint_every: int = 400
    bf16: bool = True


@dataclass(frozen=True)
class Examples:
    """`texts[i]` is trained towards row `targets[i]` of `teacher` ([n, hidden], float16, unit length)."""

    texts: list[str]
    targets: np.ndarray
    teacher: np.ndarray


def teacher_embeddings(teacher, texts: Sequence[str], cache: Path | None = None) -> np.ndarray:
    """[len(texts), hidden] float16 unit vectors of a SentenceTransformer; cached in `cache` by the exact list of texts."""
    import hashlib

    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    file = cache / f"teacher-{key}.npy" if cache else None
    if file and file.is_file():
        return np.load(file)
    with torch.autocast("cpu", torch.bfloat16, enabled=not torch.cuda.is_available()):
        vectors = teacher.encode(list(texts), batch_size=128, normalize_embeddings=True, show_progress_bar=True)
    vectors = vectors.astype(np.float16)
    if file:
        cache.mkdir(parents=True, exist_ok=True)
        np.save(file, vectors)
    return vectors


def distil(
    model: AlbertModel,
    tokenizer: Tokenizer,
    examples: Examples,
    options: DistillationOptions,
    folder: Path,
    evaluate: Callable[[AlbertModel], dict[str, float]] | None = None,
) -> dict[str, float]:
    """Trains `model` in place, with checkpoints in `folder`; resumes from `folder/checkpoint.pt` when it fits these options.

    Returns the last evaluation. Ctrl-C leaves a checkpoint behind.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).train()
    decay = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": options.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=options.learning_rate,
        betas=(0.9, 0.98),
        eps=1e-6,
    )
    per_epoch = math.ceil(len(examples.texts) / options.batch_size)
    total = max(1, int(per_epoch * options.epochs))
    step, elapsed = _resume(folder, model, optimizer, options, len(examples.texts))
    clock = time.monotonic() - elapsed
    teacher = torch.from_numpy(examples.teacher)
    bar = tqdm(total=total, initial=step, unit="step", desc="distil")
    running = None
    try:
        while step < total:
            for chosen in _batches(examples.texts, options, step // per_epoch, step % per_epoch):
                progress = max(
                    step / total, (time.monotonic() - clock) / 60 / options.minutes if options.minutes else 0.0
                )
                if progress >= 1.0:
                    step = total
                    break
                for group in optimizer.param_groups:
                    group["lr"] = options.learning_rate * _schedule(progress, options.warmup)
                rng = random.Random(options.seed * 1_000_003 + step)
                texts = [
                    augmentation.disturb(examples.texts[i], rng)
                    if rng.random() < options.augment
                    else examples.texts[i]
                    for i in chosen
                ]
                ids, mask = modeling.batch(tokenizer, texts, 64)
                ids, mask = ids.to(device), mask.to(device)
                target = teacher[examples.targets[chosen]].to(device).float()
                with torch.autocast(device.type, torch.bfloat16, enabled=options.bf16):
                    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
                vectors = modeling.mean_pool(hidden, mask)
                distance = 1 - (vectors * target).sum(-1).mean()
                similarity = torch.nn.functional.mse_loss(vectors @ vectors.T, target @ target.T)
                loss = distance + options.similarity_weight * similarity
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                step += 1
                running = distance.item() if running is None else 0.98 * running + 0.02 * distance.item()
                bar.update(1)
                bar.set_postfix(cosine=f"{1 - running:.4f}", at=f"{progress:.0%}")
                if step % options.checkpoint_every == 0:
                    _checkpoint(folder, model, optimizer, options, step, time.monotonic() - clock, len(examples.texts))
                    if evaluate:
                        scores = evaluate(model)
                        model.train()
                        with (folder / "log.jsonl").open("a") as file:
                            file.write(
                                json.dumps({"step": step, "minutes": (time.monotonic() - clock) / 60, **scores}) + "\n"
                            )
                if step >= total:
                    break
    except KeyboardInterrupt:
        _checkpoint(folder, model, optimizer, options, step, time.monotonic() - clock, len(examples.texts))
        raise
    finally:
        bar.close()
    return evaluate(model) if evaluate else {}


def _batches(texts: list[str], options: DistillationOptions, epoch: int, skip: int):
    """Shuffled batches of texts of similar length (padding costs time); the same for the same epoch and seed."""
    rng = random.Random(options.seed + epoch)
    order = list(range(len(texts)))
    rng.shuffle(order)
    pool = options.batch_size * 50
    batches = []
    for start in range(0, len(order), pool):
        chunk = sorted(order[start : start + pool], key=lambda i: len(texts[i].encode()))
        batches += [np.array(chunk[i : i + options.batch_size]) for i in range(0, len(chunk), options.batch_size)]
    rng.shuffle(batches)
    yield from batches[skip:]


def _schedule(progress: float, warmup: float) -> float:
    if progress < warmup:
        return max(progress / warmup, 0.01)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def _checkpoint(folder, model, optimizer, options, step, elapsed, count) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "checkpoint.part"
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "elapsed": elapsed,
            "options": asdict(options),
            "examples": count,
        },
        part,
    )
    part.replace(folder / "checkpoint.pt")


def _resume(folder, model, optimizer, options, count) -> tuple[int, float]:
    file = folder / "checkpoint.pt"
    if not file.is_file():
        return 0, 0.0
    saved = torch.load(file, map_location="cpu", weights_only=True)
    if saved["options"] != asdict(options) or saved["examples"] != count:
        return 0, 0.0
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return saved["step"], saved["elapsed"]
