"""Every word of the admin pages exists in both languages, and every text that a page asks for exists."""

from __future__ import annotations

import re
import string
from pathlib import Path

import knowledge_base.admin
from knowledge_base.admin.texts import all_texts, translate
from knowledge_base.store import ROLES, STATUSES

ADMIN = Path(knowledge_base.admin.__file__).parent


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_are_there_and_fill_in_the_same_values():
    for key, (english, chinese) in all_texts().items():
        assert english.strip() and chinese.strip(), key
        assert placeholders(english) == placeholders(chinese), key
        assert not re.search(r"[\u4e00-\u9fff]", english), key


def test_every_text_a_page_asks_for_exists():
    asked = set()
    for path in [*ADMIN.glob("templates/*.html"), *ADMIN.glob("*.py")]:
        asked |= set(re.findall(r"""\bt\(['"]([a-z_]+)['"]""", path.read_text(encoding="utf-8")))
    families = {f"status_{name}" for name in STATUSES} | {f"role_{name}" for name in ROLES}
    families |= {f"index_{name}" for name in ("starting", "building", "ready", "failed", "no_encoder")}
    families |= {f"device_{name}" for name in ("setting", "cpu_build", "no_gpu", "gpu")}
    families |= {f"handoff_{name}" for name in ("waiting", "taken", "returned", "timed_out")}
    families |= {f"from_{name}" for name in ("customer", "bot", "agent", "system")}
    families |= {f"action_{name}" for name in ("create", "edit", "import", "publish", "archive", "restore")}
    asked = {key for key in asked if not key.endswith("_")}  # 'status_' ~ name: those are the families
    assert len(asked) > 80
    assert asked | families <= set(all_texts())


def test_every_code_of_a_rule_or_a_csv_error_has_words():
    store = ADMIN.parent / "store"
    rules = set(re.findall(r'ContentError\("([a-z_]+)"', (store / "content.py").read_text(encoding="utf-8")))
    assert rules and all(f"field_{code}" in all_texts() for code in rules)
    rows = set(re.findall(r'RowError\([^")]*(?:"[^"]*")?[^")]*, "([a-z_0-9]+)"', (store / "faq_csv.py").read_text()))
    assert {"file_too_big", "duplicate_id", "bad_csv"} <= rows
    assert all(f"csv_{code}" in all_texts() for code in rows)


def test_values_are_filled_in():
    assert translate("entries_found", "en", count=3) == "3 entries"
    assert translate("entries_found", "zh", count=3) == "共 3 条"
