"""The commands of `python -m nlu_models`. Heavy imports stay inside the commands so that `--help` is instant."""

from __future__ import annotations

from pathlib import Path

import typer

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Teller's encoder: tokenizer, distillation, evaluation."
)

DATA = typer.Option(
    ..., "--data", help="folder with the public sets (banking77/, clinc150/, multidogo/, tatoeba_cmn_eng/ ...)"
)
PAIRS = typer.Option(
    [], "--pairs", help="tab-separated English-Chinese pairs, e.g. from nlu_models.corpus.generate; repeatable"
)
FAQ = typer.Option(Path("bot/data/faq.csv"), "--faq", help="the bilingual FAQ file")


@app.command()
def tokenizer(
    data: Path = DATA,
    pairs: list[Path] = PAIRS,
    faq: Path = FAQ,
    teacher: str = typer.Option("packaged", help="whose WordPiece vocabulary the English pieces come from"),
    out: Path = typer.Option(..., help="file to write, tokenizer.json"),
) -> None:
    """Build the bilingual tokenizer (done once: new pieces need a new base)."""
    from nlu_models import teacher as teachers
    from nlu_models import text_data
    from nlu_models import tokenizer as builder
    from nlu_models.errors import ModelError

    found = teachers.bert_weights(teacher)
    if found is None:
        raise ModelError("the tokenizer needs a teacher with a WordPiece vocab.txt")
    parallel = text_data.public_pairs(data) + [pair for path in pairs for pair in text_data.pairs_from_tsv(path)]
    faq_pairs, _ = text_data.pairs_from_faq(faq)
    parallel += faq_pairs * 3
    english = text_data.english_sentences(data) + [a for a, _ in parallel]
    built = builder.build(found[1], english, [b for _, b in parallel])
    out.parent.mkdir(parents=True, exist_ok=True)
    built.save(str(out))
    typer.echo(f"{built.get_vocab_size()} pieces -> {out}")


@app.command()
def distil(
    data: Path = DATA,
    pairs: list[Path] = PAIRS,
    faq: Path = FAQ,
    tokenizer_file: Path = typer.Option(..., "--tokenizer", help="tokenizer.json to train with"),
    out: Path = typer.Option(..., help="folder for checkpoints, the log and the finished base (out/base)"),
    init: Path | None = typer.Option(None, help="start from this base instead of the teacher's weights"),
    teacher: str = typer.Option("packaged", help="a sentence-transformers model: packaged, a path or a hub name"),
    epochs: float = 4.0,
    minutes: float = typer.Option(0.0, help="end the schedule after this time at the latest; 0: no limit"),
    batch_size: int = 64,
    learning_rate: float = 6e-4,
    seed: int = 7,
) -> None:
    """Distil the teacher into the ALBERT base, English and Chinese in one space."""
    from tokenizers import Tokenizer

    from nlu_models import distillation, distillation_data, modeling
    from nlu_models import teacher as teachers

    loaded = Tokenizer.from_file(str(tokenizer_file))
    examples, held = distillation_data.collect(data, pairs, faq, teachers.load(teacher), out / "cache", seed)
    typer.echo(f"{len(examples.texts)} texts, {len(held.english)} + {len(held.pairs)} held back")
    if init:
        model, _ = modeling.load_base(init)
    else:
        model = modeling.new_model(loaded.get_vocab_size())
        found = teachers.bert_weights(teacher)
        if found:
            vocabulary = {piece: index for index, piece in enumerate(found[1])}
            count = modeling.initialise_from_bert(model, loaded, found[0], vocabulary)
            typer.echo(f"{count} of {loaded.get_vocab_size()} pieces start from the teacher")
    typer.echo(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    options = distillation.DistillationOptions(
        epochs=epochs, minutes=minutes, batch_size=batch_size, learning_rate=learning_rate, seed=seed
    )
    scores = distillation.distil(
        model, loaded, examples, options, out, lambda current: distillation_data.score(current, loaded, held)
    )
    modeling.save_base(out / "base", model, loaded)
    typer.echo(" ".join(f"{name} {value:.4f}" for name, value in scores.items()))


@app.command()
def probe(
    data: Path = DATA,
    faq: Path = FAQ,
    base: Path = typer.Option(Path("nlu_models/pretrained"), help="the encoder to measure"),
    teacher: str = typer.Option("packaged", help="measured beside it"),
    seeds: int = typer.Option(3, help="splits to average over"),
    seed: int = typer.Option(7, help="the seed that the base was distilled with: it decides what was held back"),
) -> None:
    """Measure the base before fine-tuning, beside its teacher: Banking77 probes on our own split, translations, our FAQs."""
    import random

    import numpy as np

    from nlu_models import distillation_data, modeling, probing
    from nlu_models import teacher as teachers

    model, loaded = modeling.load_base(base)
    reference = teachers.load(teacher)
    encoders = {
        "base": lambda texts: modeling.encode(model, loaded, list(texts)).numpy(),
        "teacher": lambda texts: reference.encode(list(texts), batch_size=128, normalize_embeddings=True),
    }
    *_, pairs = distillation_data.cut(data, random.Random(seed))
    for name, embed in encoders.items():
        cache: dict[tuple[str, ...], np.ndarray] = {}

        def cached(texts, embed=embed, cache=cache):
            key = tuple(texts)
            if key not in cache:
                cache[key] = embed(key)
            return cache[key]

        banking = data / "banking77" / "train.csv"
        for shots in (None, 10, 5):
            scores = [probing.linear_probe(cached, banking, number, shots) for number in range(seeds)]
            typer.echo(f"{name:8} Banking77, own split, {shots or 'all'} examples an intent: {np.mean(scores):.3f}")
        zh_en, en_zh = probing.translation_retrieval(cached, pairs)
        typer.echo(
            f"{name:8} translation found among {len(pairs)} held-back pairs: zh-en {zh_en:.3f}, en-zh {en_zh:.3f}"
        )
        for language in ("en", "zh"):
            typer.echo(
                f"{name:8} our FAQs, held-back phrasings, P@1 {language}: {probing.faq_retrieval(cached, faq, language):.3f}"
            )
