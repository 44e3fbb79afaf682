"""The model's life in small: a tiny ALBERT is trained, exported, reloaded, and refused when damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from bot.shared.errors import ModelError
from bot.shared.settings import ROOT
from nlu_models import distillation, export, finetuning, modeling
from nlu_models.encoder import Encoder
from nlu_models.errors import DataError

SHAPE = modeling.BaseShape(layers=2, groups=1, hidden=24, embedding=16, intermediate=48, heads=2, positions=160)
EXAMPLES = [
    (f"{verb} my {thing} {n}", verb)
    for verb in ("lock", "show", "锁定")
    for thing in ("card", "账户")
    for n in range(8)
]
FEELINGS = [
    (f"{word} {n}", label)
    for word, label in (("awful", "negative"), ("ok", "neutral"), ("great", "positive"))
    for n in range(8)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    torch.manual_seed(0)
    _, tokenizer = modeling.load_base(ROOT / "nlu_models" / "pretrained")
    return modeling.new_model(tokenizer.get_vocab_size(), SHAPE), tokenizer


@pytest.fixture(scope="module")
def trained(base):
    options = finetuning.FineTuningOptions(epochs=8, batch_size=8, augment=0.0, learning_rate=2e-3, preserve_weight=0.1)
    return finetuning.fine_tune(*base, EXAMPLES, FEELINGS, options)


@pytest.fixture(scope="module")
def folder(trained, base, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("encoder")
    export.export(trained, base[1], EXAMPLES, FEELINGS, path)
    return path


def test_training_learns_and_is_seeded(base, trained) -> None:
    ids, mask = modeling.batch(base[1], [text for text, _ in EXAMPLES])
    guesses = trained.model(ids, mask)[1].argmax(1)
    right = [trained.intents[guess] == label for guess, (_, label) in zip(guesses.tolist(), EXAMPLES)]
    assert sum(right) / len(right) > 0.9
    options = finetuning.FineTuningOptions(epochs=1, batch_size=8)
    once, twice = (finetuning.fine_tune(*base, EXAMPLES, FEELINGS, options) for _ in range(2))
    first, second = (model.model.state_dict() for model in (once, twice))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_export_equals_torch_and_reloads_to_the_same_bits(trained, base, folder: Path) -> None:
    texts = ["lock my card 3", "锁定我的账户", "x", "a much longer message " * 60]
    one, two = Encoder.load(folder), Encoder.load(folder)
    assert np.array_equal(one.encode(texts), two.encode(texts))
    expected = modeling.encode(trained.model.base, base[1], texts).numpy()
    assert np.abs(one.encode(texts) - expected).max() < export.TOLERANCE
    assert np.allclose(np.linalg.norm(one.encode(texts), axis=1), 1.0, atol=1e-5)


def test_one_pass_gives_everything(folder: Path) -> None:
    seen = Encoder.load(folder).run("lock my card 5")
    assert seen.intents[0][0] == "lock" and abs(sum(p for _, p in seen.intents) - 1) < 1e-6
    assert set(seen.sentiment) == set(finetuning.SENTIMENTS) and abs(sum(seen.sentiment.values()) - 1) < 1e-6
    assert seen.nearest[0] == "lock" and seen.nearest[1] > 0.99
    assert seen.embedding.shape == (24,) and seen.embedding.dtype == np.float32


def test_a_damaged_or_foreign_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no readable model manifest"):
        Encoder.load(tmp_path / "nowhere")
    for name in ("model.onnx", "tokenizer.json", "examples.npz"):
        copy = tmp_path / name.replace(".", "-")
        shutil.copytree(folder, copy)
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 0xFF
        (copy / name).write_bytes(content)
        with pytest.raises(ModelError, match="damaged"):
            Encoder.load(copy)
        (copy / name).unlink()
        with pytest.raises(ModelError, match="missing"):
            Encoder.load(copy)
    broken = tmp_path / "json"
    shutil.copytree(folder, broken)
    (broken / "manifest.json").write_text("{")
    with pytest.raises(ModelError):
        Encoder.load(broken)


def test_too_little_or_wrong_data_is_refused(base) -> None:
    with pytest.raises(DataError, match="at least two intents"):
        finetuning.fine_tune(*base, [("a", "x"), ("b", "x")], FEELINGS)
    with pytest.raises(DataError, match="furious"):
        finetuning.fine_tune(*base, EXAMPLES, [("a", "furious")])


def test_base_survives_saving(base, tmp_path: Path) -> None:
    modeling.save_base(tmp_path, *base)
    model, tokenizer = modeling.load_base(tmp_path)
    texts = ["how do I unlock my card?", "怎么解锁"]
    assert (modeling.encode(model, tokenizer, texts) * modeling.encode(*base, texts)).sum(1).min() > 0.9999
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot load"):
        modeling.load_base(tmp_path)


def test_the_shipped_base_is_small_and_loads_with_plain_libraries() -> None:
    from sentence_transformers import SentenceTransformer
    from transformers import AlbertModel

    folder = ROOT / "nlu_models" / "pretrained"
    plain = AlbertModel.from_pretrained(folder, add_pooling_layer=False)
    assert sum(parameter.numel() for parameter in plain.parameters()) < 8_000_000
    model, tokenizer = modeling.load_base(folder)
    texts = ["how do I unlock my card?", "怎么解锁我的卡"]
    ours = modeling.encode(model, tokenizer, texts).numpy()
    theirs = SentenceTransformer(str(folder), device="cpu").encode(texts, normalize_embeddings=True)
    assert np.abs(ours - theirs).max() < 5e-3  # sentence-transformers keeps the weights in half precision


def test_distillation_approaches_the_teacher_and_resumes(base, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(len(EXAMPLES), 24)).astype(np.float16)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    examples = distillation.Examples([text for text, _ in EXAMPLES], np.arange(len(EXAMPLES)), targets)
    options = distillation.DistillationOptions(
        epochs=30, batch_size=16, learning_rate=3e-3, augment=0.0, checkpoint_every=30, similarity_weight=1.0
    )
    model = modeling.new_model(base[1].get_vocab_size(), SHAPE)

    def cosine(current) -> dict[str, float]:
        vectors = modeling.encode(current, base[1], examples.texts)
        return {"cosine": float((vectors * torch.from_numpy(targets).float()).sum(1).mean())}

    before = cosine(model)["cosine"]
    after = distillation.distil(model, base[1], examples, options, tmp_path, cosine)["cosine"]
    assert after > before + 0.2
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [30, 60, 90]
    again = modeling.new_model(base[1].get_vocab_size(), SHAPE)
    distillation.distil(
        again, base[1], examples, options, tmp_path, cosine
    )  # goes on from the last checkpoint: nothing left
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]
    assert all(torch.equal(saved[name], value) for name, value in again.state_dict().items())
