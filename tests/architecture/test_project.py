"""The project's own promises: settings documented, locks without addresses, no browser library committed."""

from __future__ import annotations

import dataclasses
import re
import subprocess

import pytest

from bot.shared.errors import SettingsError
from bot.shared.settings import ROOT, Settings, environment_name, load_settings


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^# (TELLER_[A-Z_]+)=(.*)$", text, re.MULTILINE))
    expected = {environment_name(f.name): str(f.default) for f in dataclasses.fields(Settings)}
    assert documented == expected


def test_every_setting_named_in_the_code_exists() -> None:
    known = {environment_name(f.name) for f in dataclasses.fields(Settings)}
    for path in [
        *ROOT.glob("bot/**/*.py"),
        *ROOT.glob("actions/**/*.py"),
        *ROOT.glob("knowledge_base/**/*.py"),
        *ROOT.glob("scripts/*"),
    ]:
        if "node_modules" in path.parts:
            continue
        for name in re.findall(r"TELLER_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")):
            assert name in known or name == "TELLER_X_Y", f"{path.name} names {name}"


def test_example_file_loads_as_it_is(tmp_path) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    file = tmp_path / ".env"
    file.write_text(re.sub(r"^# (TELLER_)", r"\1", text, flags=re.MULTILINE), encoding="utf-8")
    assert load_settings({}, file) == load_settings({}, tmp_path / "none")


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Settings) if f.metadata["secret"]])
def test_production_refuses_each_placeholder_secret(name: str, tmp_path) -> None:
    secrets = {
        environment_name(f.name): "a-real-secret-of-the-bank"
        for f in dataclasses.fields(Settings)
        if f.metadata["secret"]
    }
    assert load_settings({"TELLER_MODE": "production", **secrets}, tmp_path / "none").mode == "production"
    for value in ("change-me-please-change-me", getattr(Settings(), name), "short"):
        with pytest.raises(SettingsError, match=environment_name(name)):
            load_settings({"TELLER_MODE": "production", **secrets, environment_name(name): value}, tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELLER_PORT", "80000"),
        ("TELLER_PORT", "eight"),
        ("TELLER_MODE", "live"),
        ("TELLER_PROT", "1"),
        ("TELLER_UPSET_THRESHOLD", "2"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, tmp_path) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings({name: value}, tmp_path / "none")


def tracked() -> list[str]:
    result = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


def test_locks_have_hashes_and_no_registry_address() -> None:
    for name in ("requirements/lock-cpu.txt", "requirements/lock-gpu.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text and "--index" not in text
    assert '"resolved"' not in (ROOT / "bot/widget/package-lock.json").read_text(encoding="utf-8")


def test_nothing_installed_or_generated_is_tracked() -> None:
    wrong = [
        path
        for path in tracked()
        if "node_modules/" in path or path.startswith(("var/", ".venv/")) or path.endswith((".pkl", ".db"))
    ]
    assert not wrong


def test_tracked_files_are_small() -> None:
    sizes = {path: (ROOT / path).stat().st_size for path in tracked() if (ROOT / path).is_file()}
    assert not [path for path, size in sizes.items() if size > 30 * 2**20]
