"""What every database under the conversation store must do: the same tests on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from bot.conversations.records import TurnCommit
from bot.conversations.store import ConversationStore
from bot.conversations.tables import VERSION_TABLE, metadata, migrate
from bot.shared.database import open_engine
from bot.shared.errors import ConflictError, InvalidInputError, NotFoundError, StorageError

START = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)


class Clock:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def engine(database_url):
    engine = open_engine(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine, clock) -> ConversationStore:
    return ConversationStore(engine, clock)


def accept(store, conversation, message_id="m1", text="hello", kind="text"):
    return store.accept(conversation.id, conversation.channel, message_id, kind, text, {"language": "en"})[0]


def reply(text: str) -> dict:
    return {"text": text, "language": "en", "kind": "message"}


def turn(message, *, replies=("hi",), events=2, handoff=None, language="en") -> TurnCommit:
    return TurnCommit(
        inbox_id=message.id,
        conversation_id=message.conversation_id,
        events=[{"event": "user", "timestamp": 1000.5 + n, "text": f"event {n} 你好"} for n in range(events)],
        replies=[reply(text) for text in replies],
        result={"intent": "greet", "handoff": handoff is not None},
        handoff=handoff,
        language=language,
    )


def count(engine, table) -> int:
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(metadata.tables[table])).scalar()


# --- tables -------------------------------------------------------------------------------------------------------


def test_the_migrations_make_the_tables_that_the_code_declares(engine):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "include_name": lambda name, *_: name != "sqlite_sequence"}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_migrating_again_keeps_what_is_there(engine, store):
    conversation = store.create("widget")
    migrate(engine)
    assert store.get(conversation.id) == conversation


def test_processes_that_migrate_at_once_do_not_disturb_each_other(database_url):
    engines = [open_engine(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, engines))
    store = ConversationStore(engines[0])
    assert store.get(store.create("widget").id).channel == "widget"
    for engine in engines:
        engine.dispose()


# --- conversations ------------------------------------------------------------------------------------------------


def test_a_conversation_comes_back_as_it_was_made(store):
    until = START + timedelta(minutes=15)
    made = store.create("api", language="zh", customer_id="cust-1", authenticated_until=until)
    assert store.get(made.id) == made
    assert made.id.startswith("c_") and len(made.id) > 20 and made.state == "bot" and made.created_at == START
    assert made.is_authenticated(START) and not made.is_authenticated(until)
    assert store.create("api").id != made.id
    with pytest.raises(NotFoundError):
        store.get("c_nobody")


def test_identity_comes_goes_and_never_changes_hands(store):
    conversation = store.create("widget")
    store.identify(conversation.id, "cust-1", START + timedelta(hours=1))
    assert store.get(conversation.id).is_authenticated(START)
    with pytest.raises(ConflictError):
        store.identify(conversation.id, "cust-2", START + timedelta(hours=1))
    store.identify(conversation.id, "cust-1", START + timedelta(hours=2))
    store.forget_identity(conversation.id)
    assert store.get(conversation.id).customer_id is None
    with pytest.raises(NotFoundError):
        store.identify("c_nobody", "cust-1", START)


def test_a_closed_conversation_takes_no_message_and_no_identity_but_repeats_its_replies(store):
    conversation = store.create("widget", customer_id="cust-1", authenticated_until=START + timedelta(hours=1))
    message = accept(store, conversation)
    store.commit_turn(turn(message))
    store.open_handoff(conversation.id, "complaint")
    store.close(conversation.id)
    closed = store.get(conversation.id)
    assert closed.closed_at == START and not closed.is_authenticated(START) and closed.state == "bot"
    assert store.handoffs(["waiting"]) == []
    with pytest.raises(InvalidInputError) as refusal:
        accept(store, conversation, "m2")
    assert refusal.value.code == "conversation_closed"
    with pytest.raises(InvalidInputError):
        store.identify(conversation.id, "cust-1", START + timedelta(hours=1))
    with pytest.raises(InvalidInputError):
        store.open_handoff(conversation.id, "complaint")
    assert accept(store, conversation).status == "done"
    store.close(conversation.id)  # once more changes nothing
    assert store.get(conversation.id) == closed


def test_only_idle_conversations_are_closed(store, clock):
    idle, active = store.create("widget"), store.create("widget")
    clock.forward(100)
    accept(store, active)
    assert store.close_idle(START + timedelta(seconds=50)) == [idle.id]
    assert store.close_idle(START + timedelta(seconds=50)) == []
    assert store.get(active.id).closed_at is None
    assert store.states([idle.id, active.id, "c_nobody"]) == {active.id: "bot"}


# --- inbox and turns ----------------------------------------------------------------------------------------------


def test_a_message_is_accepted_once_for_a_channel(store):
    first, second = store.create("slack"), store.create("slack")
    message, known = store.accept(first.id, "slack", "m1", "text", "你好 😀", {"a": [1, None]})
    assert not known and message.status == "queued" and message.attempts == 0
    again, known = store.accept(first.id, "slack", "m1", "text", "other words", {})
    assert known and again == message
    with pytest.raises(ConflictError):
        store.accept(second.id, "slack", "m1", "text", "hello", {})
    assert not store.accept(second.id, "widget", "m1", "text", "hello", {})[1]
    with pytest.raises(NotFoundError):
        store.accept("c_nobody", "slack", "m9", "text", "hello", {})


def test_the_same_message_from_many_threads_is_one_row(store, engine):
    conversation = store.create("widget")
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: store.accept(conversation.id, "widget", "m", "text", "x", {}), range(16)))
    assert sum(not known for _, known in results) == 1 and len({message.id for message, _ in results}) == 1
    assert count(engine, "inbox") == 1


def test_unfinished_messages_come_back_in_order_until_they_are_done(store):
    conversation = store.create("widget")
    first, second, third = (accept(store, conversation, f"m{n}") for n in range(3))
    assert [store.start(first.id).attempts, store.start(first.id).attempts] == [1, 2]
    assert [message.id for message in store.unfinished()] == [first.id, second.id, third.id]
    store.commit_turn(turn(first))
    store.fail(second.id, [reply("sorry")], {})
    assert [message.id for message in store.unfinished()] == [third.id]
    assert store.start(first.id).status == "done" and store.start(first.id).attempts == 2
    with pytest.raises(NotFoundError):
        store.start(10**6)


def test_a_turn_is_one_commit_and_a_repeated_one_changes_nothing(store, engine, clock):
    conversation = store.create("widget")
    message = accept(store, conversation)
    clock.forward(2)
    rows = store.commit_turn(turn(message, replies=("one", "二"), handoff="dispute", language="zh"))
    assert [(row.payload["text"], row.reply_id, row.sender) for row in rows] == [
        ("one", f"{message.id}:0", "bot"), ("二", f"{message.id}:1", "bot"),
    ]
    assert [row.in_reply_to for row in rows] == ["m1", "m1"]
    before = {name: count(engine, name) for name in metadata.tables}
    repeated = store.commit_turn(turn(message, replies=("other",), events=9, language="en"))
    assert repeated == rows == store.replies(message.id) == store.outbox_after(conversation.id, 0)
    assert before == {name: count(engine, name) for name in metadata.tables}
    after = store.get(conversation.id)
    assert (after.language, after.state, after.last_active_at) == ("zh", "waiting", clock.now)
    assert store.turn_result(message.id) == {"intent": "greet", "handoff": True}
    assert store.find_open_handoff(conversation.id).reason == "dispute"


def test_a_turn_that_cannot_be_written_whole_leaves_nothing(store, engine):
    conversation = store.create("widget")
    message = accept(store, conversation)
    broken = turn(message, handoff="fraud")
    broken.replies.append({"text": object()})  # no JSON: fails after the events were written
    with pytest.raises(StorageError):
        store.commit_turn(broken)
    assert [count(engine, name) for name in ("events", "outbox", "turns", "handoffs")] == [0, 0, 0, 0]
    assert [left.id for left in store.unfinished()] == [message.id]
    assert store.get(conversation.id).state == "bot"


def test_a_turn_belongs_to_its_own_conversation(store):
    message = accept(store, store.create("widget"))
    other = store.create("widget")
    with pytest.raises(NotFoundError):
        store.commit_turn(TurnCommit(message.id, other.id, [], [reply("x")], {}, None, "en"))
    with pytest.raises(NotFoundError):
        store.commit_turn(TurnCommit(10**6, other.id, [], [reply("x")], {}, None, "en"))
    assert store.outbox_after(other.id, 0) == []


def test_a_failure_is_told_once_and_a_late_turn_still_counts(store):
    conversation = store.create("widget")
    message = accept(store, conversation)
    [sorry] = store.fail(message.id, [reply("sorry")], {"error": "turn_timeout"}, handoff="human")
    assert store.fail(message.id, [reply("sorry again")], {}) == [sorry]
    assert store.find_open_handoff(conversation.id).reason == "human"
    [late] = store.commit_turn(turn(message, replies=("your card is locked",)))
    assert late.id > sorry.id and late.reply_id == f"{message.id}:1"
    assert store.turn_result(message.id)["intent"] == "greet"
    assert len(store.load_events(conversation.id)) == 2
    assert store.commit_turn(turn(message)) == [sorry, late]
    assert store.fail(message.id, [reply("no")], {}) == [sorry, late]
    with pytest.raises(NotFoundError):
        store.fail(10**6, [], {})


def test_events_come_back_newest_first_cut_and_in_order(store):
    conversation = store.create("widget")
    for number in range(3):
        store.commit_turn(turn(accept(store, conversation, f"m{number}"), events=4))
    assert len(store.load_events(conversation.id)) == 12
    newest = store.load_events(conversation.id, 5)
    assert [event["text"] for event in newest] == [f"event {n} 你好" for n in (3, 0, 1, 2, 3)]
    assert newest[0]["timestamp"] == 1003.5
    assert store.load_events(store.create("widget").id) == []


def test_the_outbox_is_read_in_order_from_a_cursor(store, clock):
    conversation, other = store.create("widget"), store.create("widget")
    rows = store.commit_turn(turn(accept(store, conversation), replies=("a", "b", "c")))
    [foreign] = store.commit_turn(turn(accept(store, other, "m2"), replies=("d",)))
    assert [row.payload["text"] for row in store.outbox_after(conversation.id, rows[0].id)] == ["b", "c"]
    assert len(store.outbox_after(conversation.id, 0, limit=2)) == 2
    both = store.outbox_after_many({conversation.id: rows[1].id, other.id: 0})
    assert [row.id for row in both] == [rows[2].id, foreign.id] and store.outbox_after_many({}) == []
    store.mark_delivered([rows[0].id])
    clock.forward(5)
    store.mark_delivered([row.id for row in rows])
    assert [row.delivered_at for row in store.outbox_after(conversation.id, 0)] == [START, clock.now, clock.now]


def test_writers_of_one_conversation_commit_their_replies_in_the_order_of_the_ids(engine, store):
    """A reader that polls with the last id it saw must never miss a row that was committed late."""
    conversation = store.create("widget")
    messages = [accept(store, conversation, f"m{number}") for number in range(24)]
    seen: list[int] = []
    stop = threading.Event()

    def poll() -> None:
        while True:
            finished = stop.is_set()
            seen.extend(row.id for row in store.outbox_after(conversation.id, seen[-1] if seen else 0))
            if finished:
                return
            time.sleep(0.001)

    reader = threading.Thread(target=poll)
    reader.start()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda message: store.commit_turn(turn(message, replies=("a", "b"))), messages))
    stop.set()
    reader.join()
    assert seen == [row.id for row in store.outbox_after(conversation.id, 0)] and len(seen) == 48


def test_the_transcript_has_both_sides_in_order(store, clock):
    conversation = store.create("widget")
    first = accept(store, conversation, "m1", "hello")
    clock.forward(1)
    store.commit_turn(turn(first, replies=("hi",)))
    clock.forward(1)
    accept(store, conversation, "e1", "", kind="event")  # internal: nobody said it
    accept(store, conversation, "m2", "Yes", kind="event")
    clock.forward(1)
    handoff = store.open_handoff(conversation.id, "human")
    store.take(handoff.id, "maya")
    store.agent_reply(handoff.id, "maya", "Maya here, card 4111 1111 1111 1111")
    entries = store.transcript(conversation.id)
    assert [(entry["from"], entry["text"]) for entry in entries if entry["from"] != "system"] == [
        ("customer", "hello"), ("bot", "hi"), ("customer", "Yes"), ("agent", "Maya here, card [card ••••1111]"),
    ]
    assert entries[0]["result"]["intent"] == "greet" and entries[0]["at"] == START and entries[2]["result"] is None
    assert entries[1]["in_reply_to"] == "m1" and entries[1]["kind"] == "message"


# --- people -------------------------------------------------------------------------------------------------------


def test_a_handoff_is_opened_once_taken_answered_and_returned(store, clock):
    conversation = store.create("widget", language="zh")
    opened = store.open_handoff(conversation.id, "complaint")
    assert store.open_handoff(conversation.id, "fraud") == opened == store.handoff(opened.id)
    assert store.get(conversation.id).state == "waiting"
    clock.forward(60)
    taken = store.take(opened.id, "maya")
    assert (taken.status, taken.agent, taken.taken_at) == ("taken", "maya", clock.now)
    assert store.take(opened.id, "maya") == taken
    assert store.get(conversation.id).state == "agent"
    for refused in (
        lambda: store.take(opened.id, "li"),
        lambda: store.agent_reply(opened.id, "li", "hello"),
        lambda: store.return_to_bot(opened.id, "li"),
    ):
        with pytest.raises(ConflictError):
            refused()
    said = store.agent_reply(opened.id, "maya", "您好")
    assert (said.sender, said.payload["text"], said.inbox_id) == ("agent", "您好", None)
    assert store.return_to_bot(opened.id, "maya").status == "returned"
    assert store.get(conversation.id).state == "bot" and store.find_open_handoff(conversation.id) is None
    with pytest.raises(ConflictError):
        store.agent_reply(opened.id, "maya", "too late")
    senders = [(row.sender, row.payload["language"]) for row in store.outbox_after(conversation.id, 0)]
    assert senders == [("system", "zh"), ("agent", "zh"), ("system", "zh")]
    assert store.open_handoff(conversation.id, "fraud").id != opened.id
    with pytest.raises(NotFoundError):
        store.take(10**6, "maya")


def test_two_agents_cannot_take_the_same_customer(store):
    handoff = store.open_handoff(store.create("widget").id, "human")

    def try_to_take(agent: str) -> bool:
        try:
            store.take(handoff.id, agent)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(try_to_take, [f"agent{n}" for n in range(6)])) == 1


def test_the_database_itself_refuses_a_second_open_handoff(store, engine):
    conversation = store.create("widget")
    store.open_handoff(conversation.id, "human")
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(
            sa.insert(metadata.tables["handoffs"]).values(
                conversation_id=conversation.id, reason="human", status="taken", created_at=START
            )
        )


def test_waiting_customers_get_the_bot_back_after_a_while(store, clock):
    late, fresh = store.create("widget", language="zh"), store.create("widget")
    overdue = store.open_handoff(late.id, "human")
    clock.forward(700)
    store.open_handoff(fresh.id, "human")
    [ended] = store.expire_handoffs(START + timedelta(seconds=100))
    assert (ended.id, ended.status, ended.ended_at) == (overdue.id, "timed_out", clock.now)
    assert store.get(late.id).state == "bot" and store.get(fresh.id).state == "waiting"
    [told] = store.outbox_after(late.id, 0)
    assert told.sender == "system" and told.payload["language"] == "zh"
    assert store.expire_handoffs(START + timedelta(seconds=100)) == []


def test_an_agent_who_falls_silent_loses_the_customer_but_a_silent_customer_does_not_lose_the_agent(store, clock):
    conversation = store.create("widget")
    handoff = store.open_handoff(conversation.id, "human")
    store.take(handoff.id, "maya")
    store.agent_reply(handoff.id, "maya", "how can I help?")
    clock.forward(1000)
    assert store.expire_handoffs(clock.now - timedelta(seconds=600)) == []  # the customer's turn
    clock.forward(1)
    accept(store, conversation)
    assert store.expire_handoffs(clock.now - timedelta(seconds=600)) == []
    clock.forward(601)
    assert [ended.id for ended in store.expire_handoffs(clock.now - timedelta(seconds=600))] == [handoff.id]
    never_answered = store.open_handoff(store.create("widget").id, "human")
    store.take(never_answered.id, "maya")
    clock.forward(601)
    assert [ended.id for ended in store.expire_handoffs(clock.now - timedelta(seconds=600))] == [never_answered.id]


def test_erasing_leaves_no_row(store, engine):
    kept, gone = store.create("widget"), store.create("widget")
    for conversation, message_id in ((kept, "a"), (gone, "b")):
        store.commit_turn(turn(accept(store, conversation, message_id), handoff="human"))
    before = {name: count(engine, name) for name in metadata.tables}
    store.erase(gone.id)
    assert {name: count(engine, name) * 2 for name in metadata.tables} == before
    with pytest.raises(NotFoundError):
        store.get(gone.id)
    with pytest.raises(NotFoundError):
        store.erase(gone.id)
    assert len(store.transcript(kept.id)) == 2


def test_a_database_that_is_gone_is_a_storage_error(tmp_path):
    nowhere = ConversationStore(open_engine("postgresql://nobody@127.0.0.1:1/none"))
    unmigrated = ConversationStore(open_engine(f"sqlite:///{tmp_path / 'empty.db'}"))
    for store in (nowhere, unmigrated):
        with pytest.raises(StorageError):
            store.get("c_x")
        with pytest.raises(StorageError):
            store.create("widget")
