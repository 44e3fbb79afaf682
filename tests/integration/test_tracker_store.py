"""The tracker store inside Rasa's own agent and processor, over a real conversation store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from rasa.core.agent import Agent
from rasa.core.channels.channel import UserMessage
from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator
from rasa.core.tracker_store import FailSafeTrackerStore, InMemoryTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, ActiveLoop, BotUttered, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.conversations.store import ConversationStore
from bot.conversations.tables import migrate
from bot.dialogue.action_endpoint import TurnEndpoint
from bot.dialogue.answers import AnswerGenerator
from bot.dialogue.channel import TurnOutput
from bot.dialogue.rasa_patches import harden
from bot.dialogue.tracker_store import TellerTrackerStore
from bot.dialogue.turn import TurnContext, TurnRequest, current_turn
from bot.dialogue.window import KEPT, LONGEST, deserialise, rebuild
from bot.shared.database import open_engine
from bot.shared.errors import SettingsError, StorageError
from bot.shared.settings import ROOT, Settings
from tests.support.rasa_process import keyword_model


class BreakableStore(ConversationStore):
    """A real store whose database can be cut off."""

    broken_reads = broken_writes = False

    def load_events(self, conversation_id, limit=None):
        if self.broken_reads:
            raise StorageError("cut off")
        return super().load_events(conversation_id, limit)

    def commit_turn(self, turn):
        if self.broken_writes:
            raise StorageError("cut off")
        return super().commit_turn(turn)


class World:
    """An agent as `rasa run` builds it, hardened."""

    def __init__(self, settings: Settings, conversations: BreakableStore, live_trackers: int = 500) -> None:
        self.conversations = conversations
        self.store = TellerTrackerStore(
            settings=settings, conversations=conversations, live_trackers=live_trackers
        )
        self.agent = Agent(
            generator=AnswerGenerator(settings=settings),
            tracker_store=self.store,
            action_endpoint=EndpointConfig("http://127.0.0.1:9/webhook"),
        )
        self.agent.load_model(keyword_model())
        harden(self.agent, 1.0)

    def new(self) -> str:
        return self.conversations.create("test").id

    def say(self, conversation_id: str, text: str, inbox_id: int | None = None) -> TurnContext:
        if inbox_id is None:
            inbox_id = self.accept(conversation_id, text)

        async def turn() -> TurnContext:
            request = TurnRequest(conversation_id, inbox_id, f"m{inbox_id}", "text", "en", False, text=text)
            context = TurnContext(request)
            current_turn.set(context)
            await self.agent.handle_message(
                UserMessage(text, TurnOutput(context), conversation_id, metadata=request.metadata())
            )
            return context

        return asyncio.run(turn())

    def accept(self, conversation_id: str, text: str) -> int:
        number = len(self.conversations.unfinished()) + len(self.conversations.load_events(conversation_id))
        return self.conversations.accept(conversation_id, "test", f"{conversation_id}-{number}", "text", text, {})[0].id

    def stored_texts(self, conversation_id: str) -> list[str]:
        events = ConversationStore.load_events(self.conversations, conversation_id)
        return [event["text"] for event in events if event["event"] == "user"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    folder = tmp_path_factory.mktemp("store")
    return Settings(
        var_dir=str(folder),
        conversations_url=f"sqlite:///{folder / 'conversations.db'}",
        knowledge_url=f"sqlite:///{folder / 'knowledge.db'}",
    )


@pytest.fixture(scope="module")
def module_world(settings) -> World:
    engine = open_engine(settings.conversations_url)
    migrate(engine)
    return World(settings, BreakableStore(engine))


@pytest.fixture
def world(module_world) -> Iterator[World]:
    yield module_world
    module_world.conversations.broken_reads = module_world.conversations.broken_writes = False


# --- what we change in Rasa (fails when Rasa's classes change under bot/dialogue/rasa_patches.py)


def test_rasa_still_wraps_every_tracker_store_in_one_that_hides_failures(settings, world) -> None:
    store = TellerTrackerStore(settings=settings, conversations=world.conversations)
    agent = Agent(tracker_store=store)
    assert type(agent.tracker_store) is FailSafeTrackerStore and agent.tracker_store._tracker_store is store
    world.conversations.broken_reads = True
    context = TurnContext(TurnRequest("c_x", 1, "m", "text", "en", False, text="hi"))

    async def retrieve(from_store):
        current_turn.set(context)
        return await from_store.retrieve("c_x")

    assert asyncio.run(retrieve(agent.tracker_store)) is None  # the reason for the patch
    agent.action_endpoint = EndpointConfig("http://127.0.0.1:9")
    harden(agent, 1.0)
    with pytest.raises(StorageError):
        asyncio.run(retrieve(agent.tracker_store))


def test_the_patches_reach_the_processor_and_survive_a_reload(world) -> None:
    for _ in range(2):
        processor = world.agent.processor
        assert processor.tracker_store is world.store and world.agent.tracker_store is world.store
        assert type(processor.action_endpoint) is TurnEndpoint
        assert processor.action_endpoint is world.agent.action_endpoint
        assert processor.nlg.responses == world.agent.domain.responses
        world.agent.load_model(keyword_model())
    assert harden(world.agent, 1.0) is world.store


def test_another_tracker_store_or_a_misspelled_one_is_refused() -> None:
    with pytest.raises(SettingsError):
        harden(Agent(tracker_store=InMemoryTrackerStore(Domain.empty())), 1.0)


def test_rasa_still_hands_responses_to_subclasses_of_its_generator() -> None:
    assert issubclass(AnswerGenerator, TemplatedNaturalLanguageGenerator)


# --- one commit a turn, closed when it fails


def test_only_new_events_are_stored(world) -> None:
    chat = world.new()
    world.say(chat, "hello")
    first = world.conversations.load_events(chat)
    world.say(chat, "tell me a joke")
    both = world.conversations.load_events(chat)
    assert both[: len(first)] == first and world.stored_texts(chat) == ["hello", "tell me a joke"]
    assert [e["event"] for e in both].count("session_started") == 1


def test_a_failed_commit_leaves_nothing_behind(world) -> None:
    chat = world.new()
    world.say(chat, "hello")
    world.conversations.broken_writes = True
    inbox_id = world.accept(chat, "tell me a joke")
    with pytest.raises(StorageError):
        world.say(chat, "tell me a joke", inbox_id)
    world.conversations.broken_writes = False
    assert world.stored_texts(chat) == ["hello"]
    assert world.conversations.outbox_after(chat, 0)[1:] == []
    world.say(chat, "tell me a joke", inbox_id)
    assert world.stored_texts(chat) == ["hello", "tell me a joke"]
    world.say(chat, "hello")
    assert world.stored_texts(chat) == ["hello", "tell me a joke", "hello"]


def test_an_unreadable_database_starts_no_empty_conversation(world) -> None:
    chat = world.new()
    world.say(chat, "hello")
    world.store.forget(chat)
    inbox_id = world.accept(chat, "hi")
    world.conversations.broken_reads = True
    with pytest.raises(StorageError):
        world.say(chat, "hi", inbox_id)
    world.conversations.broken_reads = False
    assert world.stored_texts(chat) == ["hello"]


def test_a_live_tracker_and_one_from_the_database_are_the_same(world) -> None:
    chat = world.new()
    for text in ("hello", "gnarf", "either", "what is my balance"):
        world.say(chat, text)
    live = world.store._live[chat]
    stored = rebuild(chat, deserialise(world.conversations.load_events(chat)), world.store.domain.slots)
    assert [e.as_dict() for e in live.events] == [e.as_dict() for e in stored.events]
    assert live.current_slot_values() == stored.current_slot_values()
    assert live.latest_action_name == stored.latest_action_name


def test_failure_counts_survive_the_memory(world) -> None:
    chat = world.new()
    world.say(chat, "gnarf")
    world.store.forget(chat)
    assert "bring in a person" in world.say(chat, "gnarf").committed[0].payload["text"]


def test_an_unreadable_knowledge_base_is_admitted(world) -> None:
    chat = world.new()
    turn = world.say(chat, "how do I unlock my card?")  # nobody has created its tables here
    assert "cannot reach the answer" in turn.committed[0].payload["text"] and turn.result["faq_id"] is None


def test_the_memory_is_bounded(world) -> None:
    world.store._live_trackers, before = 3, world.store._live_trackers
    chats = [world.new() for _ in range(5)]
    for chat in chats:
        world.say(chat, "hello")
    assert list(world.store._live) == chats[-3:]
    world.store._live_trackers = before
    world.say(chats[0], "hello")
    assert world.stored_texts(chats[0]) == ["hello", "hello"]


def test_a_long_conversation_stays_short_in_memory_and_whole_in_the_database(world) -> None:
    chat = world.new()
    for number in range(40):
        world.say(chat, "hello" if number % 2 else "tell me a joke")
        if chat in world.store._live:
            assert len(world.store._live[chat].events) <= LONGEST
    assert len(world.stored_texts(chat)) == 40


def test_without_a_turn_rasa_has_a_plain_store_in_memory(world) -> None:
    async def shell() -> list[dict]:
        return await world.agent.handle_text("hello", sender_id="shell")

    assert "welcome" in asyncio.run(shell())[0]["text"]
    asyncio.run(shell())
    assert asyncio.run(world.store.retrieve("shell")).latest_message.text == "hello"
    assert world.conversations.load_events("shell") == []


# --- the window


def tracker_of(turns: int, domain: Domain, *first: object) -> DialogueStateTracker:
    events = [ActionExecuted("action_session_start"), ActionExecuted("action_listen"), *first]
    for number in range(turns):
        events += [UserUttered(f"m{number}", {"name": "greet"}), ActionExecuted("utter_greet"), BotUttered("hi"),
                   ActionExecuted("action_listen")]
    return rebuild("c", events, domain.slots)


@pytest.fixture(scope="module")
def domain() -> Domain:
    return Domain.load(str(ROOT / "bot/domain"))


def test_slots_and_the_open_form_are_carried_over_the_window(domain) -> None:
    first = (ActiveLoop("card_lock_form"), SlotSet("pending_request", "lock_card"), SlotSet("card_last_four", "1234"),
             SlotSet("requested_slot", "card_confirmation"))
    cut = tracker_of(60, domain, *first)
    assert KEPT <= len(cut.events) <= KEPT + 15
    for tracker in (cut, cut.copy(), DialogueStateTracker.from_events("c", list(cut.events), domain.slots)):
        assert tracker.get_slot("pending_request") == "lock_card" and tracker.get_slot("card_last_four") == "1234"
        assert tracker.active_loop_name == "card_lock_form"
        assert tracker.get_slot("requested_slot") == "card_confirmation"
        assert tracker.latest_message.text == "m59" and tracker.latest_action_name == "action_listen"


def test_the_window_begins_with_a_whole_turn(domain) -> None:
    events = list(tracker_of(60, domain).events)
    assert isinstance(events[0], ActionExecuted) and events[0].action_name == "action_listen"
    assert isinstance(events[1], UserUttered)


def test_a_short_conversation_is_left_alone(domain) -> None:
    assert len(tracker_of(10, domain).events) == 42
