"""The base encoder: an ALBERT with factorised embeddings and shared layers, mean-pooled to a unit-length sentence embedding.

Training side only (torch and transformers); serving uses `nlu_models.encoder`.
Lan et al. 2020, "ALBERT: A Lite BERT for Self-supervised Learning of Language Representations".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AlbertConfig, AlbertModel

from nlu_models.errors import ModelError
from nlu_models.tokenizer import SPECIAL, teacher_piece

MAXIMUM_TOKENS = 128


@dataclass(frozen=True)
class BaseShape:
    """The encoder's size. `groups` sets of layer weights serve `layers` layers (ALBERT's parameter sharing)."""

    layers: int = 6
    groups: int = 2
    hidden: int = 384
    embedding: int = 128
    intermediate: int = 1536
    heads: int = 12
    positions: int = 512


def new_model(vocabulary_size: int, shape: BaseShape = BaseShape()) -> AlbertModel:
    """A randomly initialised encoder without pooler."""
    config = AlbertConfig(
        vocab_size=vocabulary_size,
        embedding_size=shape.embedding,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_hidden_groups=shape.groups,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=shape.positions,
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        type_vocab_size=2,
        pad_token_id=SPECIAL.index("<pad>"),
        bos_token_id=SPECIAL.index("[CLS]"),
        eos_token_id=SPECIAL.index("[SEP]"),
    )
    return AlbertModel(config, add_pooling_layer=False)


def initialise_from_bert(
    model: AlbertModel, tokenizer: Tokenizer, weights: dict[str, torch.Tensor], vocabulary: dict[str, int]
) -> int:
    """Copies what fits from a BERT encoder of the same hidden size; returns the number of pieces initialised.

    `weights`: BERT's state dict (names as in `BertModel`), `vocabulary`: its piece -> id.
    """
    rows, sources = [], []
    for piece, index in tokenizer.get_vocab().items():
        source = vocabulary.get(piece if piece in SPECIAL else teacher_piece(piece))
        if piece == "<pad>":
            source = vocabulary.get("[PAD]")
        elif piece == "<unk>":
            source = vocabulary.get("[UNK]")
        if source is not None:
            rows.append(index)
            sources.append(source)
    _match_embeddings(model, rows, sources, weights)
    with torch.no_grad():
        for layers, number in zip(model.encoder.albert_layer_groups, _source_layers(model.config)):
            _copy_layer(layers.albert_layers[0], weights, number)
    return len(rows)


def _source_layers(config: AlbertConfig) -> list[int]:
    """Which teacher layer each shared group starts from. For two groups of a six-layer teacher, 3 and 5: of all 36 pairs
    these keep most of the teacher's pairwise similarities when repeated three times each (correlation 0.43)."""
    if config.num_hidden_groups == 2 and config.num_hidden_layers == 6:
        return [3, 5]
    per_group = config.num_hidden_layers // config.num_hidden_groups
    return [group * per_group + (per_group - 1) // 2 for group in range(config.num_hidden_groups)]


def _match_embeddings(
    model: AlbertModel, rows: list[int], sources: list[int], weights: dict[str, torch.Tensor], steps: int = 600
) -> None:
    """Factorises the teacher's embedding layer into ours.

    Starts from a truncated SVD, then fits word, position and projection weights so that our embedding layer's output equals the
    teacher's (which normalises in 384 dimensions where ALBERT normalises in 128) for random pieces at random positions.
    """
    words = weights["embeddings.word_embeddings.weight"].float()[sources]
    kind = weights["embeddings.token_type_embeddings.weight"].float()[0]
    positions = weights["embeddings.position_embeddings.weight"].float()[: model.config.max_position_embeddings]
    gain, bias = weights["embeddings.LayerNorm.weight"].float(), weights["embeddings.LayerNorm.bias"].float()
    mean = words.mean(0)
    _, _, basis = torch.linalg.svd(words - mean, full_matrices=False)
    basis = basis[: model.config.embedding_size]
    reduced = (words - mean) @ basis.T
    ours = model.embeddings
    index = torch.tensor(rows)
    with torch.no_grad():
        ours.word_embeddings.weight.normal_(0, reduced.std().item())
        ours.word_embeddings.weight[index] = reduced
        ours.position_embeddings.weight.copy_((positions - positions.mean(0)) @ basis.T)
        ours.token_type_embeddings.weight.zero_()
        model.encoder.embedding_hidden_mapping_in.weight.copy_(basis.T * gain[:, None])
        model.encoder.embedding_hidden_mapping_in.bias.copy_(bias)
    # Frequent pieces first: a Zipf weighting over the teacher's frequency-ordered ids.
    likelihood = 1.0 / (torch.tensor(sources).float() + 500.0)
    generator = torch.Generator().manual_seed(0)
    parameters = [
        ours.word_embeddings.weight,
        ours.position_embeddings.weight,
        ours.LayerNorm.weight,
        ours.LayerNorm.bias,
        *model.encoder.embedding_hidden_mapping_in.parameters(),
    ]
    optimizer = torch.optim.Adam(parameters, lr=2e-3)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - step / steps)
        if step % 2:
            chosen = torch.randint(len(rows), (2048,), generator=generator)
        else:
            chosen = torch.multinomial(likelihood, 2048, replacement=True, generator=generator)
        place = torch.randint(48, (2048,), generator=generator)
        target = torch.nn.functional.layer_norm(words[chosen] + positions[place] + kind, (words.shape[1],), gain, bias)
        vectors = ours(input_ids=index[chosen][:, None], position_ids=place[:, None])
        output = model.encoder.embedding_hidden_mapping_in(vectors)[:, 0]
        loss = torch.nn.functional.mse_loss(output, target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def _copy_layer(layer, weights: dict[str, torch.Tensor], number: int) -> None:
    prefix = f"encoder.layer.{number}."
    names = {
        "attention.query": "attention.self.query",
        "attention.key": "attention.self.key",
        "attention.value": "attention.self.value",
        "attention.dense": "attention.output.dense",
        "attention.LayerNorm": "attention.output.LayerNorm",
        "ffn": "intermediate.dense",
        "ffn_output": "output.dense",
        "full_layer_layer_norm": "output.LayerNorm",
    }
    for ours, theirs in names.items():
        module = layer.get_submodule(ours)
        module.weight.copy_(weights[f"{prefix}{theirs}.weight"])
        module.bias.copy_(weights[f"{prefix}{theirs}.bias"])


def sentence_embedding(model: AlbertModel, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """[batch, hidden], unit length: the mean of the last layer over the real tokens. Inputs are [batch, tokens]."""
    hidden = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return mean_pool(hidden, attention_mask)


def mean_pool(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
    return torch.nn.functional.normalize(pooled.float(), dim=-1)


def batch(tokenizer: Tokenizer, texts: list[str], maximum: int = MAXIMUM_TOKENS) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both [len(texts), longest], padded with <pad>."""
    tokenizer.enable_truncation(maximum)
    tokenizer.enable_padding(pad_id=SPECIAL.index("<pad>"), pad_token="<pad>")
    encodings = tokenizer.encode_batch(texts)
    return torch.tensor([e.ids for e in encodings]), torch.tensor([e.attention_mask for e in encodings])


@torch.no_grad()
def encode(model: AlbertModel, tokenizer: Tokenizer, texts: list[str], batch_size: int = 128) -> torch.Tensor:
    """[n, hidden] float32 unit vectors, in the order of `texts`; batches are formed by length."""
    model.eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    result = torch.empty(len(texts), model.config.hidden_size)
    device = next(model.parameters()).device
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        ids, mask = batch(tokenizer, [texts[i] for i in chosen])
        result[chosen] = sentence_embedding(model, ids.to(device), mask.to(device)).cpu()
    return result


def save_base(folder: Path, model: AlbertModel, tokenizer: Tokenizer) -> None:
    """Writes config.json, model.safetensors (fp16), tokenizer.json and the sentence-transformers layout to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().to(torch.float16).contiguous().cpu()
        for name, tensor in model.state_dict().items()
        if "position_ids" not in name
    }
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict()
    config.update(architectures=["AlbertModel"], dtype="float16")
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": MAXIMUM_TOKENS,
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "mask_token": "[MASK]",
        },
    )
    _write_json(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
    )
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": MAXIMUM_TOKENS, "do_lower_case": False})
    (folder / "1_Pooling").mkdir(exist_ok=True)
    _write_json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": model.config.hidden_size,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_cls_token": False,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )


def load_base(folder: Path | str) -> tuple[AlbertModel, Tokenizer]:
    """Loads an encoder saved by `save_base`, or any ALBERT by hub name or path. Raises ModelError with the reason."""
    path = Path(folder)
    try:
        if (path / "tokenizer.json").is_file():
            config = AlbertConfig.from_pretrained(path)
            model = AlbertModel(config, add_pooling_layer=False)
            state = {name: tensor.float() for name, tensor in load_file(path / "model.safetensors").items()}
            missing, _ = model.load_state_dict(state, strict=False)
            if [name for name in missing if "position_ids" not in name]:
                raise ModelError(f"{path} lacks weights: {missing[0]}")
            return model, Tokenizer.from_file(str(path / "tokenizer.json"))
        from transformers import AutoTokenizer

        model = AlbertModel.from_pretrained(str(folder), add_pooling_layer=False)
        return model.float(), AutoTokenizer.from_pretrained(str(folder)).backend_tokenizer
    except ModelError:
        raise
    except Exception as error:  # transformers raises many kinds; the caller needs one with the name in it
        raise ModelError(f"cannot load the base model {folder!s}: {error}") from error


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
