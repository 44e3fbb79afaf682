"""`teller evaluate`: routing, FAQ answers and sentiment on a file of questions, with the model that is in service.

The file has the columns text, language, expected, kind; kind is faq (expected: an entry's id), intent, oos (expected: nlu_fallback)
or sentiment. Nothing is trained or tuned on it.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import typer
import yaml

from bot.shared.errors import InvalidInputError
from bot.shared.settings import ROOT, Settings

KINDS = ("faq", "intent", "oos", "sentiment")


def evaluate_questions(settings: Settings, file: Path, as_json: bool) -> None:
    """Prints one table; with `as_json`, one object with the same numbers as the last line. Raises InvalidInputError."""
    rows = _read(file)
    understand = _understander(settings)
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    retrieved: dict[str, list[bool]] = defaultdict(list)
    outcomes: dict[tuple[str, str], Counter] = defaultdict(Counter)
    alarms: dict[str, list[bool]] = defaultdict(list)
    wrong: list[tuple[str, str, str]] = []
    for row in rows:
        found = understand(row["text"], row["language"])
        kind, language = row["kind"], row["language"]
        if kind == "sentiment":
            right[kind, language].append(found["sentiment"] == row["expected"])
            if row["expected"] == "neutral":
                alarms[language].append(found["negative"] >= settings.upset_threshold)
            else:
                outcomes[row["expected"], language][
                    "upset" if found["negative"] >= settings.upset_threshold else "not upset"
                ] += 1
            continue
        answer = found["faq_id"] if found["route"] == "faq" else found["intent"]
        good = answer == row["expected"]
        right[kind, language].append(good)
        outcomes[kind, language][found["route"] if not good else "right"] += 1
        if kind == "faq":
            retrieved[language].append(bool(found["hits"]) and found["hits"][0] == row["expected"])
        if not good:
            wrong.append((row["text"], row["expected"], f"{found['route']} {answer}"))
    table = _summary(right, retrieved, outcomes, alarms)
    for name, values in table.items():
        typer.echo(f"{name:34} " + "  ".join(f"{key} {value}" for key, value in values.items()))
    if as_json:
        typer.echo(json.dumps(table))
    else:
        report = settings.var_path / "evaluation.tsv"
        report.write_text("text\texpected\tgot\n" + "".join("\t".join(line) + "\n" for line in wrong), encoding="utf-8")
        typer.echo(f"{len(wrong)} of {len(rows)} differ; listed in {report}")


def _summary(right, retrieved, outcomes, alarms) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    for (kind, language), values in sorted(right.items()):
        table[f"{kind} {language}: right"] = {"n": len(values), "share": round(sum(values) / len(values), 3)}
        table[f"{kind} {language}: right"].update(outcomes.get((kind, language), {}))
    for language, values in sorted(retrieved.items()):
        table[f"faq {language}: retrieval P@1"] = {"n": len(values), "share": round(sum(values) / len(values), 3)}
    for language, values in sorted(alarms.items()):
        table[f"neutral {language}: false alarms"] = {"n": len(values), "share": round(sum(values) / len(values), 3)}
        caught = outcomes["negative", language]
        table[f"negative {language}: noticed"] = {
            "n": sum(caught.values()),
            "share": round(caught["upset"] / max(1, sum(caught.values())), 3),
        }
    return table


def _understander(settings: Settings):
    """A function of (text, language): the same encoder, index and routing rules as the live path, without Rasa around them."""
    from bot.dialogue.routing import Context, Thresholds, decide
    from knowledge_base.retrieval import Retriever
    from nlu_models.encoder import Encoder, current_folder

    encoder = Encoder.load(current_folder(settings.var_path))
    retriever = Retriever(settings.var_path / "index", encoder.hash, device=settings.faiss_device)
    thresholds = Thresholds(**_router_options())

    def understand(text: str, language: str) -> dict[str, Any]:
        seen = encoder.run(text, language)
        hits = [(hit.entry_id, hit.score) for hit in retriever.search(seen.embedding, 5)]
        decision = decide(seen.intents, hits, Context(), thresholds, seen.nearest[1])
        return {
            "route": decision.kind,
            "intent": decision.intent,
            "faq_id": decision.candidates[0].faq_id if decision.candidates else None,
            "hits": [entry for entry, _ in hits],
            "sentiment": max(seen.sentiment, key=seen.sentiment.get),
            "negative": seen.sentiment["negative"],
        }

    return understand


def _router_options() -> dict[str, float]:
    """The thresholds that `config.yml` sets."""
    pipeline = yaml.safe_load((ROOT / "config.yml").read_text(encoding="utf-8"))["pipeline"]
    router = next(part for part in pipeline if part["name"] == "bot.dialogue.router.Router")
    return {name: value for name, value in router.items() if name != "name"}


def _read(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.DictReader(source)
            missing = {"text", "language", "expected", "kind"} - set(reader.fieldnames or ())
            if missing:
                raise InvalidInputError(f"{file.name}: column {sorted(missing)[0]!r} is missing")
            rows = list(reader)
    except OSError as error:
        raise InvalidInputError(f"cannot read {file}: {error.strerror}") from error
    unknown = {row["kind"] for row in rows} - set(KINDS)
    if unknown:
        raise InvalidInputError(f"{file.name}: unknown kind {sorted(unknown)[0]!r}; use {', '.join(KINDS)}")
    return rows
