"""kill -9 of each process in turn: the customer is told honestly, nothing accepted is lost, and the stack mends itself."""

from __future__ import annotations

import uuid

import httpx
import pytest

from tests.support.running_stack import RunningStack, running_stack


@pytest.fixture(scope="module")
def stack(stack: RunningStack) -> RunningStack:
    """The shared stack; each test leaves it ready again."""
    return stack


def test_action_server_killed(stack: RunningStack) -> None:
    chat = stack.conversation("demo1")
    stack.kill("actions")
    chat.say("what's my balance?")
    assert "£" not in chat.text and chat.text  # an honest sentence, unless the restart was faster
    faq = stack.conversation()
    assert faq.say("How do I unlock my card?")["result"]["faq_id"] == "card-unlock"
    stack.wait_ready()
    assert "£" in (chat.say("what's my balance?") and chat.text)


def test_rasa_killed(stack: RunningStack) -> None:
    chat = stack.conversation()
    chat.say("hello")
    stack.kill("rasa")
    lost = {"conversation_id": chat.id, "message_id": "while-down", "text": "somebody stole my card"}
    answer = stack.api("/api/v1/messages", lost).json()
    text = " ".join(reply["text"] for reply in answer["replies"])
    assert stack.settings.emergency_phone in text  # urgent words work with everything behind the gateway down
    assert answer["state"] == "waiting"
    stack.wait_ready()
    assert stack.conversation().say("What can you do?")["result"]["intent"] == "capabilities"


def test_gateway_killed_in_the_middle_of_a_turn(stack: RunningStack) -> None:
    chat = stack.conversation()
    chat.say("hello")
    body = {"conversation_id": chat.id, "message_id": uuid.uuid4().hex, "text": "How do I unlock my card?"}
    headers = {"Authorization": f"Bearer {stack.settings.api_token}"}
    with pytest.raises(httpx.HTTPError):
        httpx.post(f"{stack.url}/api/v1/messages", json=body, headers=headers, timeout=0.002)
    stack.kill("gateway")
    stack.wait_ready()
    answer = stack.api("/api/v1/messages", body).json()
    assert answer["result"]["faq_id"] == "card-unlock"
    shown = httpx.get(f"{stack.url}/api/v1/conversations/{chat.id}/replies", headers=headers).json()["replies"]
    assert sum(
        "Cards" in reply["text"] or "card" in reply["text"].lower()
        for reply in shown
        if reply["id"] in {r["id"] for r in answer["replies"]}
    ) == len(answer["replies"])


def test_admin_killed_then_edits_go_on(stack: RunningStack) -> None:
    stack.kill("admin")
    stack.wait_ready()
    assert httpx.get(f"{stack.admin_url}/readyz").status_code == 200


def test_ctrl_c_stops_everything_in_ten_seconds_and_a_second_start_trains_nothing(tmp_path) -> None:
    """With a folder of its own, holding a copy of the trained model only."""
    import shutil

    import psutil

    from tests.support.running_stack import FOLDER

    folder = tmp_path / "var"
    shutil.copytree(FOLDER / "models", folder / "models", symlinks=True)
    with running_stack(folder) as again:
        log = again.log.read_text()
        assert "training the bot" not in log
        pids = list(again.pids().values())
        assert len(pids) == 4
        assert again.stop() < 10
        assert not [pid for pid in pids if psutil.pid_exists(pid)]
