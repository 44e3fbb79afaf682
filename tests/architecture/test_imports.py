"""Who may import whom (docs/architecture.md), and that importing does nothing but define."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.shared.settings import ROOT

PACKAGES = ("bot", "actions", "knowledge_base", "nlu_models")
RASA_COMPONENTS = ("nlu_models.rasa_components", "knowledge_base.rasa_components")
TRAINING_ONLY = ("torch", "transformers", "sentence_transformers")


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            yield ".".join(parts), path


MODULES = dict(modules())


def imported(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Full names of everything the file imports; `from a import b` counts as a.b when that is a module of ours."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if full in MODULES else node.module)
    return names


def within(name: str, *prefixes: str) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def ours(path: Path) -> set[str]:
    return {name for name in imported(path) if name.split(".")[0] in PACKAGES}


def allowed_of_ours(module: str) -> tuple[str, ...]:
    """The packages of ours that `module` may import."""
    anyone = ("bot.shared", "bot.conversations")
    if within(module, "bot.shared"):
        return ("bot", "bot.shared")
    if within(module, "bot.conversations"):
        return anyone
    if within(module, "nlu_models"):
        return ("nlu_models", "bot.shared")
    if within(module, "knowledge_base"):
        return ("knowledge_base", "nlu_models.encoder", *anyone)
    if within(module, "actions.bank"):
        return ("actions.bank", "bot.shared")
    if within(module, "actions"):
        return ("actions", "knowledge_base", *anyone)
    if within(module, "bot.gateway"):
        return ("bot.gateway", *anyone)
    if within(module, "bot.dialogue"):
        return ("bot.dialogue", "knowledge_base", *anyone)
    if within(module, "bot.launcher"):
        # Works for the composition root: starts, trains and measures what the other parts define.
        return PACKAGES
    return PACKAGES if module in ("bot", "bot.cli") else ()


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_what_its_place_allows(module: str) -> None:
    permitted = allowed_of_ours(module)
    wrong = sorted(name for name in ours(MODULES[module]) if not within(name, *permitted))
    assert not wrong, f"{module} must not import {wrong}"


@pytest.mark.parametrize(
    ("library", "places"),
    [
        ("rasa", ("bot.dialogue", *RASA_COMPONENTS)),
        ("rasa_sdk", ("actions",)),
        ("fastapi", ("bot.gateway", "knowledge_base.admin")),
        ("faiss", ("knowledge_base.index", "knowledge_base.retrieval")),
    ],
)
def test_library_stays_in_its_place(library: str, places: tuple[str, ...]) -> None:
    wrong = [
        module
        for module, path in MODULES.items()
        if any(within(name, library) for name in imported(path)) and not within(module, *places)
    ]
    assert not wrong, f"{library} may be imported only in {places}"


def test_bank_knows_neither_rasa_nor_http() -> None:
    http = ("rasa_sdk", "rasa", "fastapi", "starlette", "sanic", "httpx", "aiohttp", "requests")
    for module, path in MODULES.items():
        if within(module, "actions.bank"):
            assert not [name for name in imported(path) if within(name, *http)], module


def test_shared_and_conversations_need_standard_library_and_sqlalchemy_first() -> None:
    permitted = set(sys.stdlib_module_names) | {"bot", "sqlalchemy", "alembic", "itsdangerous", "stdnum"}
    for module, path in MODULES.items():
        if within(module, "bot.shared", "bot.conversations"):
            wrong = {name.split(".")[0] for name in imported(path)} - permitted
            assert not wrong, f"{module} imports {wrong}"


IMPORT_ALL = """
import importlib, socket, sys, builtins, sqlite3
opened = []
def refuse(*arguments, **options):
    raise AssertionError(f"import opened {arguments[:2]}")
socket.socket.connect = refuse
sqlite3.connect = refuse
real_open = builtins.open
def watched(file, mode="r", *arguments, **options):
    if any(letter in str(mode) for letter in "wax+"):
        raise AssertionError(f"import writes {file}")
    return real_open(file, mode, *arguments, **options)
builtins.open = watched
for name in sys.argv[1:]:
    importlib.import_module(name)
loaded = sorted(set(sys.modules) & {"torch", "transformers", "sentence_transformers", "tensorflow", "rasa", "onnxruntime", "faiss"})
print(" ".join(loaded))
"""


def import_in_fresh_process(names: list[str]) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *names], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return set(result.stdout.split("\n")[-2].split())


def importable(*packages: str) -> list[str]:
    skipped = ("migrations", "__main__")
    return [m for m in MODULES if within(m, *packages) and not any(part in skipped for part in m.split("."))]


def test_every_light_module_imports_without_side_effects_or_training_libraries() -> None:
    names = importable(
        "bot.shared", "bot.conversations", "bot.gateway", "bot.launcher", "bot.cli", "actions", "knowledge_base"
    )
    names = [name for name in names if not within(name, *RASA_COMPONENTS)]
    loaded = import_in_fresh_process(names)
    assert not loaded & {*TRAINING_ONLY, "tensorflow", "rasa"}, loaded


def test_rasa_side_serves_without_torch_and_transformers() -> None:
    names = importable("bot.dialogue", *RASA_COMPONENTS) + ["nlu_models.encoder"]
    loaded = import_in_fresh_process(names)
    assert "rasa" in loaded
    assert not loaded & set(TRAINING_ONLY), loaded


def test_training_modules_import_without_side_effects() -> None:
    import_in_fresh_process([name for name in importable("nlu_models") if not within(name, *RASA_COMPONENTS)])
