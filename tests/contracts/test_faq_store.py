"""What the FAQ store promises, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import select

from bot.shared.database import open_engine
from bot.shared.errors import ConflictError, InvalidInputError, NotFoundError
from knowledge_base.store import (
    ADMIN,
    EDITOR,
    ContentError,
    FaqContent,
    FaqStore,
    FaqText,
    RevisionConflict,
    UserStore,
    migrate,
    seed_if_empty,
)
from knowledge_base.store.embeddings import EmbeddingCache, text_hash
from knowledge_base.store.tables import audit, revisions


@pytest.fixture
def engine(database_url) -> Iterator[object]:
    engine = open_engine(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine) -> FaqStore:
    return FaqStore(engine)


def content(question: str = "How do I freeze my card?", answer: str = "Tap **Freeze**.", zh: bool = True) -> FaqContent:
    texts = {"en": FaqText(question, answer, ["block card", "pause my card"])}
    if zh:
        texts["zh"] = FaqText("怎么冻结银行卡？", "点击“冻结”。", ["锁卡", "停用卡片"])
    return FaqContent("cards", texts)


def in_parallel(*jobs) -> list[object]:
    results: list[object] = [None] * len(jobs)
    gate = threading.Barrier(len(jobs))

    def run(position: int) -> None:
        gate.wait()
        try:
            results[position] = jobs[position]()
        except Exception as error:  # the tests look at it
            results[position] = error

    threads = [threading.Thread(target=run, args=(position,)) for position in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_migrations_may_be_run_by_several_processes_at_once_and_again(database_url):
    engines = [open_engine(database_url) for _ in range(3)]
    assert in_parallel(*[lambda engine=engine: migrate(engine) for engine in engines]) == [None, None, None]
    migrate(engines[0])
    assert FaqStore(engines[0]).revision() == 0
    for engine in engines:
        engine.dispose()


def test_customers_see_the_published_version_and_never_a_draft(store):
    store.create("card-freeze", content(), "ana")
    assert store.published() == [] and store.answer("card-freeze", "en") is None
    assert store.publish("card-freeze", "ana") == 1
    draft = content(answer="A new answer.")
    assert store.save_draft("card-freeze", draft, "ben", expected_revision=1) == 2

    live = store.answer("card-freeze", "zh")
    assert (live.answer, live.language, live.revision) == ("点击“冻结”。", "zh", 1)
    assert store.answer("card-freeze", "en").answer == "Tap **Freeze**."
    assert [entry.content for entry in store.published()] == [content()]
    working = store.get("card-freeze")
    assert (working.status, working.revision, working.published_revision) == ("changed", 2, 1)
    assert working.content == draft and working.updated_by == "ben"

    assert store.publish("card-freeze", "ana") == 2
    assert store.answer("card-freeze", "en").answer == "A new answer."
    assert store.get("card-freeze").status == "published"


def test_an_answer_falls_back_to_the_language_there_is_and_says_so(store):
    store.create("only-english", content(zh=False), "ana")
    store.publish("only-english", "ana")
    assert store.answer("only-english", "zh").language == "en"
    assert store.answer("unknown", "en") is None and store.answer("x\0y", "en") is None


def test_the_publication_count_changes_exactly_when_customers_may_see_something_else(store):
    store.create("a", content(), "ana")
    store.archive("a", "ana")  # it was never live
    store.restore("a", "ana")
    assert store.revision() == 0
    store.publish("a", "ana")
    store.publish("a", "ana")  # nothing new
    assert store.save_draft("a", content(), "ana", 1) == 1  # the same text
    assert store.revision() == 1
    store.save_draft("a", content(answer="Other."), "ana", 1)
    assert store.revision() == 1
    store.archive("a", "ana")
    assert store.revision() == 2
    store.archive("a", "ana")
    assert store.revision() == 2


def test_the_second_of_two_editors_is_told_and_gets_both_versions(store):
    store.create("a", content(), "ana")
    store.save_draft("a", content(answer="Ben's."), "ben", expected_revision=1)
    with pytest.raises(RevisionConflict) as caught:
        store.save_draft("a", content(answer="Ana's."), "ana", expected_revision=1)
    conflict = caught.value
    assert isinstance(conflict, ConflictError)
    assert conflict.current.content == content(answer="Ben's.") and conflict.current.updated_by == "ben"
    assert conflict.submitted == content(answer="Ana's.")
    assert store.get("a").content == content(answer="Ben's.")
    with pytest.raises(RevisionConflict):
        store.publish("a", "ana", expected_revision=1)
    with pytest.raises(RevisionConflict):
        store.create("a", content(), "ana")
    assert store.revision() == 0


def test_of_simultaneous_saves_exactly_one_wins(store):
    store.create("a", content(), "ana")
    jobs = [lambda n=n: store.save_draft("a", content(answer=f"Version {n}."), f"editor{n}", 1) for n in range(6)]
    results = in_parallel(*jobs)
    assert results.count(2) == 1
    assert sum(isinstance(result, RevisionConflict) for result in results) == 5
    assert len(store.history("a")) == 2


def test_simultaneous_publications_are_all_counted(store):
    for n in range(6):
        store.create(f"entry-{n}", content(), "ana")
    results = in_parallel(*[lambda n=n: store.publish(f"entry-{n}", "ana") for n in range(6)])
    assert sorted(results) == [1, 2, 3, 4, 5, 6]
    assert store.revision() == 6 and len(store.published()) == 6


def test_revisions_are_kept_and_every_change_leaves_an_audit_row(store, engine):
    store.create("a", content(), "ana")
    store.save_draft("a", content(answer="Second."), "ben", 1)
    store.publish("a", "cleo")
    store.archive("a", "dan")
    store.restore("a", "ana")
    seen = [(change.action, change.author, change.revision, change.publication) for change in store.history("a")]
    assert seen == [
        ("restore", "ana", 2, None), ("archive", "dan", 2, 2), ("publish", "cleo", 2, 1), ("edit", "ben", 2, None),
        ("create", "ana", 1, None),
    ]
    assert store.version("a", 1) == content() and store.version("a", 2) == content(answer="Second.")
    assert all(change.at.tzinfo is not None for change in store.history("a"))
    with engine.connect() as connection:
        kept = connection.execute(select(revisions.c.number, revisions.c.action, revisions.c.author)).all()
    assert sorted(tuple(row) for row in kept) == [(1, "create", "ana"), (2, "edit", "ben")]
    with pytest.raises(NotFoundError):
        store.history("b")
    with pytest.raises(NotFoundError):
        store.version("a", 3)


def test_archived_entries_disappear_and_come_back_as_drafts(store):
    store.create("a", content(), "ana")
    store.publish("a", "ana")
    store.archive("a", "ana")
    assert store.published() == [] and store.answer("a", "en") is None
    assert store.search() == [] and [entry.id for entry in store.search(status="archived")] == ["a"]
    store.restore("a", "ana")
    assert store.get("a").status == "draft" and store.answer("a", "en") is None
    store.publish("a", "ana")
    assert store.answer("a", "en") is not None


def test_search_finds_words_in_both_languages_and_filters(store):
    store.create("card-freeze", content(), "ana")
    store.create("fees", FaqContent("fees", {"en": FaqText("What are your FEES?", "100% free_of charge.")}), "ana")
    store.publish("fees", "ana")

    def found(*arguments, **filters) -> list[str]:
        assert store.count(*arguments, **filters) == len(store.search(*arguments, **filters))
        return [entry.id for entry in store.search(*arguments, **filters)]

    assert found() == ["card-freeze", "fees"]
    assert found("freeze CARD") == ["card-freeze"] and found("冻结") == ["card-freeze"]
    assert found("fees") == ["fees"] and found("pause") == ["card-freeze"]
    assert found("100%") == ["fees"] and found("e_o") == ["fees"] and found("%%") == [] and found("a_d") == []
    assert found("card", "zh") == ["card-freeze"]  # by its id
    assert found("pause", "zh") == [] and found("", "zh") == ["card-freeze"]
    assert found(status="published") == ["fees"] and found(status="draft") == ["card-freeze"]
    assert found(missing="zh") == ["fees"] and found(missing="en") == [] and found(category="cards") == ["card-freeze"]
    assert found("x'; DROP TABLE faq_entries; --\0") == []
    assert store.categories() == ["cards", "fees"]
    assert [entry.id for entry in store.search(limit=1, offset=1)] == ["fees"]


def test_text_that_breaks_a_rule_is_refused_and_nothing_is_stored(store):
    bad = [
        (FaqContent("", content().translations), "required", "category"),
        (FaqContent("cards", {}), "no_language", "question_en"),
        (FaqContent("cards", {"en": FaqText("Question?", "")}), "required", "answer_en"),
        (FaqContent("cards", {"en": FaqText("q" * 301, "a")}), "too_long", "question_en"),
        (FaqContent("cards", {"en": FaqText("q", "a\0b")}), "bad_character", "answer_en"),
        (FaqContent("cards", {"en": FaqText("\ud800", "a")}), "bad_character", "question_en"),
        (FaqContent("cards", {"fr": FaqText("q", "a")}), "unknown_language", "question_fr"),
    ]
    for wrong, code, column in bad:
        with pytest.raises(ContentError) as caught:
            store.create("a", wrong, "ana")
        assert (caught.value.code, caught.value.column) == (code, column)
    for wrong_id in ("", " ", "a b", "a/b", "-a", "a" * 81, "卡", "a\n"):
        if wrong_id.strip() == "a":
            continue
        with pytest.raises(ContentError):
            store.create(wrong_id, content(), "ana")
    assert store.is_empty()


# CSV


NASTY = [
    "=HYPERLINK(\"http://x\")", "+1", "-2 + 3", "@SUM(A1)", "'quoted", "'=already", "＝1", "a|b", "back\\slash",
    "\\|", "|", "comma, \"quote\"", "emoji 🏦", "end\\",
]


def test_export_and_import_lose_nothing(store, database_url):
    for number, text in enumerate(NASTY):
        entry = FaqContent(text, {"en": FaqText(text, f"{text}\n\n- list\n{text}", [text + " x", "=" + text])})
        store.create(f"entry-{number}", entry, "ana")
    store.create("both", content(), "ana")
    store.create("gone", content(), "ana")
    store.archive("gone", "ana")
    file = io.BytesIO()
    assert store.export_csv(file) == len(NASTY) + 1
    exported = file.getvalue()
    assert exported.startswith(b"\xef\xbb\xbfid,category,question_en")
    assert b",=" not in exported and b'"=' not in exported and b",@" not in exported
    before = {entry.id: entry.content for entry in store.search()}

    report = store.import_csv(io.BytesIO(exported), "ben")
    assert (report.added, report.changed, len(report.unchanged)) == ([], [], len(before))

    for entry_id in before:  # change everything, then bring it back from the file
        entry = store.get(entry_id)
        store.save_draft(entry_id, FaqContent("x", {"en": FaqText("x", "x")}), "ana", entry.revision)
    report = store.import_csv(io.BytesIO(exported), "ben")
    assert sorted(report.changed) == sorted(before) and report.applied
    assert {entry.id: entry.content for entry in store.search()} == before
    again = io.BytesIO()
    store.export_csv(again)
    assert again.getvalue() == exported


HEADER = "id,category,question_en,answer_en,phrasings_en,question_zh,answer_zh,phrasings_zh\n"


def csv(text: str, header: str = HEADER) -> io.BytesIO:
    return io.BytesIO((header + text).encode("utf-8"))


def test_a_dry_run_says_what_would_happen_and_changes_nothing(store):
    store.create("old", content(), "ana")
    before = store.get("old")
    file = "old,cards,New question?,New answer,,,,\nnew,fees,What does it cost?,Nothing.,price|cost,,,\n"
    report = store.import_csv(csv(file), "ben", publish=True, dry_run=True)
    assert report.ok and not report.applied and (report.added, report.changed) == (["new"], ["old"])
    assert store.get("old") == before and store.revision() == 0
    report = store.import_csv(csv(file), "ben", publish=True)
    assert report.applied and report.revision == store.revision() == 1  # one publication for the whole file
    assert store.get("new").content.translations["en"].phrasings == ["price", "cost"]
    assert {entry.id for entry in store.published()} == {"old", "new"}
    assert store.history("new")[-1].action == "import"
    assert store.import_csv(csv(file), "ben", publish=True).revision == 1  # the same file again


@pytest.mark.parametrize(
    ("file", "header", "row", "column", "code"),
    [
        ("a,cards,Q?,A,,,,\n,cards,Q?,A,,,,\n", HEADER, 3, "id", "required"),
        ("a,cards,Q?,A,,,,\na,cards,Q?,A,,,,\n", HEADER, 3, "id", "duplicate_id"),
        ("a,cards,Q?,,,,,\n", HEADER, 2, "answer_en", "required"),
        ("a,cards,Q?,A\n", HEADER, 2, "", "wrong_cell_count"),
        ("a,cards,,,,,,\n", HEADER, 2, "question_en", "no_language"),
        ('a,cards,"Q?,A,,,,\n', HEADER, 2, "", "bad_csv"),
        ("a,Q?\n", "id,question\n", 1, "question", "unknown_column"),
        ("a,b\n", "id,category\n", 1, "question_en", "missing_column"),
        ("", HEADER, 1, "", "empty_file"),
        ("", "", 1, "id", "missing_column"),
    ],
)
def test_a_bad_file_is_reported_row_by_row_and_changes_nothing(store, file, header, row, column, code):
    store.create("good", content(), "ana")
    report = store.import_csv(csv(file, header), "ben", publish=True)
    assert (row, column, code) in [(error.row, error.column, error.code) for error in report.errors]
    assert any(str(error).startswith(f"row {row}, {column or 'file'}: {code}") for error in report.errors)
    assert not report.applied and [entry.id for entry in store.search()] == ["good"] and store.revision() == 0


def test_files_that_are_no_text_or_too_big_are_refused(store):
    assert [e.code for e in store.import_csv(io.BytesIO("é,".encode("latin-1")), "ben").errors] == ["not_utf8"]
    too_big = io.BytesIO(b"x" * (5 * 1024 * 1024 + 1))
    assert [e.code for e in store.import_csv(too_big, "ben").errors] == ["file_too_big"]
    rows = "".join(f"e{n},c,Q?,A,,,,\n" for n in range(5001))
    assert [e.code for e in store.import_csv(csv(rows), "ben").errors] == ["too_many_rows"]
    nul = store.import_csv(csv("a\0,cards,Q?,A,,,,\n"), "ben")
    assert nul.errors and store.is_empty()


def test_a_bank_with_one_language_brings_only_that_language(store):
    header = "id,category,question_zh,answer_zh\n"
    assert store.import_csv(csv("a,卡片,怎么挂失？,请致电。\n", header), "ben", publish=True).applied
    assert store.answer("a", "zh").answer == "请致电。"


def test_seeding_fills_only_a_store_that_never_had_an_entry(store, tmp_path):
    seed = tmp_path / "faq.csv"
    seed.write_bytes(csv("a,cards,Q?,A,,,,\nb,cards,R?,B,,,,\n").getvalue())
    assert seed_if_empty(store, seed) == 2 and store.revision() == 1
    store.save_draft("a", content(), "ana", 1)
    assert seed_if_empty(store, seed) == 0 and store.get("a").content == content()


def test_a_bad_seed_names_its_first_bad_row(store, tmp_path):
    seed = tmp_path / "faq.csv"
    seed.write_bytes(csv("a,cards,Q?,A,,,,\nb,,R?,B,,,,\n").getvalue())
    with pytest.raises(InvalidInputError, match="row 3, column category: required"):
        seed_if_empty(store, seed)
    assert store.is_empty()


# Users


@pytest.fixture
def users(engine) -> UserStore:
    return UserStore(engine)


def test_passwords_are_argon2_hashes_and_only_the_right_one_opens(users, engine):
    users.create("ana", "correct horse battery", ADMIN, "system")
    assert users.verify("ana", "correct horse battery").role == ADMIN
    assert users.verify("ana", "wrong") is None and users.verify("nobody", "correct horse battery") is None
    assert users.verify("ana\0", "x") is None and users.verify("ana", "\ud800") is None
    with engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT password_hash FROM faq_users").scalar()
        actions = connection.execute(select(audit.c.action, audit.c.detail)).all()
    assert stored.startswith("$argon2id$")
    assert [tuple(row) for row in actions] == [("user_create", {"username": "ana", "role": "admin"})]
    with pytest.raises(ConflictError):
        users.create("ana", "another password", EDITOR, "system")
    for wrong, code in (("short", "password_short"), ("x" * 201, "password_long")):
        with pytest.raises(InvalidInputError) as caught:
            users.create("ben", wrong, EDITOR, "system")
        assert caught.value.code == code


def test_sessions_end_with_logout_a_new_password_or_being_switched_off(users):
    users.create("ana", "correct horse battery", ADMIN, "system")
    users.create("ben", "correct horse battery", EDITOR, "system")
    first, second, third = (users.open_session("ben") for _ in range(3))
    assert users.session_user(first).username == "ben" and users.session_user("made up") is None
    users.close_session(first)
    assert users.session_user(first) is None and users.session_user(second) is not None
    users.set_password("ben", "another password", "ana")
    assert users.session_user(second) is None and users.session_user(third) is None
    fourth = users.open_session("ben")
    users.change("ben", EDITOR, False, "ana")
    assert users.session_user(fourth) is None and users.verify("ben", "another password") is None


def test_the_last_admin_stays(users):
    users.create("ana", "correct horse battery", ADMIN, "system")
    users.create("ben", "correct horse battery", ADMIN, "system")
    users.change("ben", EDITOR, True, "ana")
    for role, active in ((EDITOR, True), (ADMIN, False)):
        with pytest.raises(InvalidInputError) as caught:
            users.change("ana", role, active, "ana")
        assert caught.value.code == "last_admin"
    assert users.get("ana").may("users") and not users.get("ben").may("handoffs")


def test_embeddings_are_kept_by_encoder_and_text(engine):
    cache = EmbeddingCache(engine)
    keys = [text_hash(f"text {n}") for n in range(1000)]
    vectors = {key: np.full(4, n, np.float32) for n, key in enumerate(keys)}
    cache.save("one", vectors)
    cache.save("one", vectors)  # again is nothing new
    found = cache.load("one", [*keys, text_hash("unknown")])
    assert len(found) == 1000 and found[keys[7]].tolist() == [7.0] * 4
    assert cache.load("two", keys) == {}
