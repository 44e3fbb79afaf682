"""Index and retriever on real FAISS, real files and a real store; only the encoder is a stand-in."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bot.shared.database import open_engine
from bot.shared.errors import InvalidInputError, ModelError, NotFoundError, SettingsError
from bot.shared.settings import load_settings
from knowledge_base.index import IndexBuilder, choose_device, read_manifest, read_snapshot
from knowledge_base.retrieval import Retriever
from knowledge_base.service import prepare
from knowledge_base.store import FaqContent, FaqStore, FaqText, migrate
from tests.support.fake_encoder import FakeEncoder


@pytest.fixture
def store(tmp_path) -> Iterator[FaqStore]:
    engine = open_engine(f"sqlite:///{tmp_path / 'knowledge.db'}")
    migrate(engine)
    yield FaqStore(engine)
    engine.dispose()


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "index"


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def publish(store: FaqStore, entry_id: str, question: str, *phrasings: str, zh: str = "") -> None:
    texts = {"en": FaqText(question, "An answer.", list(phrasings))}
    if zh:
        texts["zh"] = FaqText(zh, "答案。")
    content = FaqContent("cards", texts)
    try:
        revision = store.get(entry_id).revision
    except NotFoundError:
        store.create(entry_id, content, "ana")
    else:
        store.save_draft(entry_id, content, "ana", revision)
    store.publish(entry_id, "ana")


def test_every_question_and_phrasing_of_published_entries_is_a_row(store, encoder, folder):
    publish(store, "freeze", "freeze card", "pause card", zh="冻结卡片")
    publish(store, "fees", "monthly fees")
    store.create("draft", FaqContent("x", {"en": FaqText("secret draft", "a")}), "ana")
    store.save_draft("fees", FaqContent("x", {"en": FaqText("secret change", "a")}), "ana", 1)
    manifest = IndexBuilder(store, encoder, folder).build()
    assert (manifest.revision, manifest.entries, manifest.rows) == (2, 2, 4)
    assert manifest.rows_by_language == {"en": 3, "zh": 1} and manifest.encoder_hash == "fake"
    rows = [(row.entry_id, row.language, row.text) for row in read_snapshot(folder / "fake").rows]
    assert rows == [
        ("fees", "en", "monthly fees"), ("freeze", "en", "freeze card"), ("freeze", "en", "pause card"),
        ("freeze", "zh", "冻结卡片"),
    ]


def test_search_is_exact_and_gives_each_entry_once_by_its_best_row(store, encoder, folder):
    words = ["card", "fee", "loan", "app", "pin", "branch", "limit", "abroad"]
    random = np.random.default_rng(7)
    for number in range(30):
        texts = [" ".join(random.choice(words, 4)) for _ in range(1 + number % 9)]
        publish(store, f"entry-{number}", *texts, zh=" ".join(random.choice(words, 3)))
    IndexBuilder(store, encoder, folder).build()
    retriever = Retriever(folder, "fake")
    for language in (None, "en", "zh"):
        for _ in range(20):
            query = encoder.encode([" ".join(random.choice(words, 3))])[0]
            expected: dict[str, float] = {}
            for entry in store.published():
                for found, text in entry.translations.items():
                    if language in (None, found):
                        scores = encoder.encode([text.question, *text.phrasings]) @ query
                        expected[entry.id] = max(expected.get(entry.id, -1.0), float(scores.max()))
            for k in (1, 3, 30, 100):
                hits = retriever.search(query, k, language)
                assert len(hits) == min(k, 30) == len({hit.entry_id for hit in hits})
                best = sorted(expected.values(), reverse=True)[:k]
                assert np.allclose([hit.score for hit in hits], best, atol=1e-5)
                assert all(abs(hit.score - expected[hit.entry_id]) < 1e-5 for hit in hits)
                assert language is None or {hit.language for hit in hits} == {language}


def test_a_question_may_find_an_entry_through_the_other_language(store, encoder, folder):
    publish(store, "freeze", "freeze card", zh="冻结卡片")
    IndexBuilder(store, encoder, folder).build()
    [hit] = Retriever(folder, "fake").search(encoder.encode(["冻结卡片"])[0], 3)
    assert (hit.entry_id, hit.language, hit.text) == ("freeze", "zh", "冻结卡片") and hit.score > 0.99


def test_each_text_is_encoded_once_even_when_it_leaves_and_returns(store, encoder, folder):
    publish(store, "a", "freeze card", "pause card")
    publish(store, "b", "pause card")  # the same text in another entry
    builder = IndexBuilder(store, encoder, folder)
    builder.build()
    assert sorted(encoder.encoded) == ["freeze card", "pause card"]
    publish(store, "a", "freeze card", "stop my card")
    builder.build()
    store.archive("a", "ana")
    builder.build()
    publish(store, "a", "freeze card", "stop my card")
    builder.build()
    assert sorted(encoder.encoded) == ["freeze card", "pause card", "stop my card"]
    other = FakeEncoder("other")
    IndexBuilder(store, other, folder).build()
    assert sorted(other.encoded) == ["freeze card", "pause card", "stop my card"]


def test_the_retriever_follows_its_own_encoder_and_gives_nothing_without_a_snapshot(store, encoder, folder):
    publish(store, "a", "freeze card")
    retriever = Retriever(folder, "fake")
    query = encoder.encode(["freeze card"])[0]
    assert retriever.search(query, 3) == [] and retriever.manifest is None
    IndexBuilder(store, FakeEncoder("other"), folder).build()
    assert Retriever(folder, "fake").search(query, 3) == []
    IndexBuilder(store, encoder, folder).build()
    deadline = time.monotonic() + 2
    while not retriever.search(query, 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [hit.entry_id for hit in retriever.search(query, 3)] == ["a"]
    with pytest.raises(InvalidInputError):
        retriever.search(query[:100], 3)
    for bad in ("", "../x", "a/b", "."):
        with pytest.raises(ModelError):
            Retriever(folder, bad)


def test_the_newest_snapshot_is_looked_for_at_most_every_200_ms(store, encoder, folder):
    publish(store, "a", "freeze card")
    builder = IndexBuilder(store, encoder, folder)
    builder.build()
    clock = Clock()
    retriever = Retriever(folder, "fake", clock=clock)
    query = encoder.encode(["monthly fees"])[0]
    assert retriever.search_with_revision(query, 1)[1] == 1
    publish(store, "b", "monthly fees")
    builder.build()
    clock.now = 0.19
    assert retriever.search_with_revision(query, 1)[1] == 1
    clock.now = 0.21
    hits, revision = retriever.search_with_revision(query, 1)
    assert (hits[0].entry_id, revision) == ("b", 2)


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
@pytest.mark.parametrize("file", ["vectors.npy", "rows.json", "manifest.json", "CURRENT"])
def test_a_damaged_snapshot_is_refused_and_the_old_one_goes_on_serving(store, encoder, folder, file, damage):
    publish(store, "a", "freeze card")
    builder = IndexBuilder(store, encoder, folder)
    builder.build()
    clock = Clock()
    retriever = Retriever(folder, "fake", clock=clock)
    query = encoder.encode(["freeze card"])[0]
    assert retriever.search(query, 1)
    publish(store, "b", "monthly fees")
    manifest = builder.build()
    path = folder / "fake" / file if file == "CURRENT" else folder / "fake" / manifest.name / file
    data = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(data[:-5] if damage == "cut" else bytes([data[0] ^ 1]) + data[1:])

    clock.now = 1.0
    hits, revision = retriever.search_with_revision(query, 1)
    assert ([hit.entry_id for hit in hits], revision) == (["a"], 1)
    assert Retriever(folder, "fake").search(query, 1) == []  # a new process has nothing sound to serve
    assert (retriever.last_error is None) == (file == "CURRENT" and damage == "gone")

    assert builder.ensure().revision == 2  # rebuilds what is not sound
    clock.now = 2.0
    assert retriever.search_with_revision(query, 1)[1] == 2 and retriever.last_error is None


def test_two_snapshots_are_kept_and_a_killed_builders_leftovers_do_no_harm(store, encoder, folder):
    publish(store, "a", "freeze card")
    builder = IndexBuilder(store, encoder, folder)
    (folder / "fake" / ".building-1-1").mkdir(parents=True)
    (folder / "fake" / ".building-1-1" / "vectors.npy").write_bytes(b"half")
    names = [builder.build().name for _ in range(4)]
    kept = sorted(path.name for path in (folder / "fake").iterdir() if path.is_dir())
    assert kept == sorted(names[-2:]) and read_manifest(folder / "fake").name == names[-1]


def test_a_failed_build_leaves_the_old_snapshot(store, encoder, folder):
    publish(store, "a", "freeze card")
    builder = IndexBuilder(store, encoder, folder)
    before = builder.build()
    publish(store, "b", "monthly fees")
    for wrong in (np.full((1, 384), np.nan), np.zeros((1, 384)), np.ones((1, 3)), np.ones((2, 384))):
        encoder.encode = lambda texts, wrong=wrong: wrong
        with pytest.raises(ModelError):
            builder.build()
    assert read_manifest(folder / "fake") == before
    assert Retriever(folder, "fake").search_with_revision(FakeEncoder().encode(["freeze card"])[0], 1)[1] == 1


def test_nothing_published_is_an_index_without_rows(store, encoder, folder):
    assert IndexBuilder(store, encoder, folder).build().rows == 0
    assert Retriever(folder, "fake").search_with_revision(encoder.encode(["x"])[0], 5) == ([], 0)


def test_searches_go_on_while_snapshots_are_built_and_swapped(store, encoder, folder):
    publish(store, "a", "freeze card", "number 0")
    builder = IndexBuilder(store, encoder, folder)
    builder.build()
    retriever = Retriever(folder, "fake")
    query = FakeEncoder().encode(["freeze card"])[0]
    stop, failures, revisions = threading.Event(), [], set()

    def search() -> None:
        while not stop.is_set():
            try:
                hits, revision = retriever.search_with_revision(query, 2)
                revisions.add(revision)
                if [hit.entry_id for hit in hits][:1] != ["a"]:
                    failures.append(hits)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 8):
        publish(store, "a", "freeze card", f"number {number}")
        builder.build()
        time.sleep(0.1)
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert failures == [] and len(revisions) > 1 and max(revisions) == 8


def test_the_device_is_chosen_and_a_gpu_that_is_not_there_cannot_be_demanded(folder):
    import faiss

    assert choose_device("cpu").kind == "cpu"
    if hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0:
        assert choose_device("auto").kind == choose_device("gpu").kind == "gpu"
    else:
        assert choose_device("auto").kind == "cpu" and choose_device("auto").reason
        with pytest.raises(SettingsError, match="TELLER_FAISS_DEVICE=gpu"):
            Retriever(folder, "fake", device="gpu")


def test_prepare_seeds_once_and_touches_nothing_of_the_editors(tmp_path, encoder):
    settings = load_settings({"TELLER_VAR_DIR": str(tmp_path)}, dotenv=tmp_path / "none")
    first = prepare(settings, encoder)
    assert first.seeded >= 50 and first.index.entries == first.seeded
    encoded = len(encoder.encoded)
    engine = open_engine(settings.knowledge_url)
    store = FaqStore(engine)
    entry = store.published()[0]
    store.archive(entry.id, "ana")
    second = prepare(settings, encoder)
    assert second.seeded == 0 and second.index.entries == first.seeded - 1 and len(encoder.encoded) == encoded
    assert store.get(entry.id).status == "archived"
    shutil.rmtree(tmp_path / "index")
    assert prepare(settings, encoder).index.entries == first.seeded - 1
    engine.dispose()


def test_the_rasa_component_puts_plain_hits_into_the_message_output(store, encoder, tmp_path, monkeypatch):
    from rasa.shared.nlu.training_data.message import Message

    from knowledge_base.rasa_components.faq_retriever import FaqRetriever

    publish(store, "freeze", "freeze card", zh="冻结卡片")
    monkeypatch.setenv("TELLER_VAR_DIR", str(tmp_path))
    component = FaqRetriever.create({"k": 3}, None, None, None)
    message = Message({"text": "freeze card"})
    message.set("sentence_embedding", encoder.encode(["freeze card"])[0])
    message.set("encoder_hash", "fake")
    component.process([message])
    assert message.get("faq") == {"hits": [], "revision": 0}  # no index yet

    IndexBuilder(store, encoder, tmp_path / "index").build()
    deadline = time.monotonic() + 2
    while not message.get("faq")["hits"] and time.monotonic() < deadline:
        time.sleep(0.05)
        component.process([message])
    output = json.loads(json.dumps(message.as_dict(only_output_properties=True)["faq"]))
    assert output["revision"] == 1
    [hit] = output["hits"]
    assert (hit["id"], hit["language"], hit["text"]) == ("freeze", "en", "freeze card") and hit["score"] > 0.99

    bare = Message({"text": "hello"})
    component.process([bare])
    assert bare.get("faq") == {"hits": [], "revision": 0}
