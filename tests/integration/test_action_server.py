"""The real `python -m actions` process, called as Rasa calls it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from bot.shared.settings import ROOT, Settings, environment_name
from tests.support.account_world import AccountWorld, tracker_state

TOKEN = "a-token-of-the-test"
HEADERS = {"X-Teller-Token": TOKEN}
DEMO1 = "C100001"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def action_server(settings: Settings) -> Iterator[tuple[subprocess.Popen, httpx.Client]]:
    """Starts the server with these settings and stops it with SIGTERM."""
    changed = ("var_dir", "bank_url", "conversations_url", "actions_port", "internal_token", "host")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TELLER_")}
    environment.update({environment_name(name): str(getattr(settings, name)) for name in changed})
    process = subprocess.Popen([sys.executable, "-m", "actions"], cwd=ROOT, env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.actions_port}", timeout=15) as client:
            _wait_until_it_answers(process, client)
            yield process, client
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _wait_until_it_answers(process: subprocess.Popen, client: httpx.Client) -> None:
    deadline = time.monotonic() + 40
    while True:
        try:
            client.get("/healthz")
            return
        except httpx.ConnectError:
            assert process.poll() is None, "the action server did not start"
            assert time.monotonic() < deadline, "the action server did not answer in time"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> AccountWorld:
    folder = tmp_path_factory.mktemp("actions")
    # The host is not loopback on purpose: the action server must not care.
    return AccountWorld(folder, actions_port=free_port(), internal_token=TOKEN, host="0.0.0.0")


@pytest.fixture(scope="module")
def server(world):
    with action_server(world.settings) as running:
        yield running


@pytest.fixture
def client(server) -> httpx.Client:
    return server[1]


def call(client: httpx.Client, action: str, conversation_id: str, **state) -> httpx.Response:
    body = {
        "next_action": action,
        "sender_id": conversation_id,
        "tracker": tracker_state(conversation_id, **state),
        "version": "3.6.21",
    }
    return client.post("/webhook", json=body, headers=HEADERS)


def test_it_says_that_it_is_well(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("headers", [{}, {"X-Teller-Token": ""}, {"X-Teller-Token": "wrong"}, {"Authorization": TOKEN}])
@pytest.mark.parametrize("path", ["/webhook", "/actions", "/nowhere", "/webhook?token=wrong"])
def test_nobody_comes_in_without_the_token(client, path, headers):
    answer = client.post(path, json={"next_action": "action_check_balance", "tracker": {}}, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"error": "token_invalid"})


def test_the_token_may_come_in_the_address(client, world):
    body = {"next_action": "action_check_balance", "tracker": tracker_state(world.conversation())}
    assert client.post("/webhook", params={"token": TOKEN}, json=body).status_code == 200


def test_balance_through_rasas_protocol(client, world):
    answer = call(client, "action_check_balance", world.conversation(DEMO1), intent="check_balance", language="zh")
    assert answer.status_code == 200
    (reply,) = answer.json()["responses"]
    assert reply["custom"] == {"kind": "message", "language": "zh"}
    assert "日常账户" in reply["text"]
    assert answer.json()["events"] == [{"event": "slot", "timestamp": None, "name": "account_type", "value": None}]


def test_rasas_compressed_calls_are_read(client, world):
    body = {"next_action": "action_check_balance", "tracker": tracker_state(world.conversation())}
    packed = zlib.compress(json.dumps(body).encode())
    answer = client.post("/webhook", content=packed, headers={**HEADERS, "Content-Encoding": "deflate"})
    assert answer.json()["responses"][0]["custom"]["kind"] == "login"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json SECRET",
        b"[]",
        b"null",
        b'{"next_action": "action_check_balance"}',
        b'{"next_action": 7, "tracker": {"sender_id": "SECRET"}}',
        b'{"next_action": "action_check_balance", "tracker": {"sender_id": ["SECRET"]}}',
        b'{"a":' * 5000,
        b"\xff\xfe",
    ],
)
def test_a_malformed_call_is_refused_without_an_echo(client, body):
    answer = client.post("/webhook", content=body, headers=HEADERS)
    assert answer.status_code == 422  # Rasa would take a 400 for the action's own refusal
    assert set(answer.json()) == {"error"}
    assert "SECRET" not in answer.text


def test_an_error_inside_an_action_echoes_nothing(client, world):
    body = {"next_action": "action_check_balance", "tracker": {**tracker_state(world.conversation()), "events": 7}}
    body["tracker"]["latest_message"] = {"entities": "SECRET", "metadata": "SECRET"}
    answer = client.post("/webhook", json=body, headers=HEADERS)
    assert (answer.status_code, answer.json()) == (500, {"error": "internal"})
    assert client.get("/healthz").status_code == 200


def test_an_unknown_action_is_said_to_be_unknown(client, world):
    answer = call(client, "action_rob_the_bank", world.conversation())
    assert answer.status_code == 404
    assert answer.json() == {"error": "unknown_action", "action_name": "action_rob_the_bank"}


def test_a_huge_call_is_refused(client):
    try:
        answer = client.post("/webhook", content=b" " * 9_000_000, headers=HEADERS)
        assert answer.status_code == 413
    except httpx.TransportError:
        pass  # it may hang up before it has read everything
    bomb = zlib.compress(b" " * 30_000_000)
    answer = client.post("/webhook", content=bomb, headers={**HEADERS, "Content-Encoding": "deflate"})
    assert answer.status_code == 422
    assert client.get("/healthz").status_code == 200


def test_it_listens_on_loopback_only(server):
    process, _ = server
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    listening = {c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_a_lock_is_committed_although_the_caller_hung_up(client, world):
    conversation = world.conversation(DEMO1)
    other = sqlite3.connect(world.settings.bank_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    slots = {"card_operation": "lock", "card_last_four": "4821", "card_confirmation": True}
    body = {"next_action": "action_set_card_lock", "tracker": tracker_state(conversation, slots=slots)}
    with pytest.raises(httpx.ReadTimeout):
        client.post("/webhook", json=body, headers=HEADERS, timeout=1)
    other.execute("COMMIT")
    deadline = time.monotonic() + 10
    while {card.last_four: card.status for card in world.services.bank.cards(DEMO1)}["4821"] != "locked":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.get("/healthz").status_code == 200


def test_without_its_databases_it_runs_and_admits_it(tmp_path):
    world = AccountWorld(tmp_path, actions_port=free_port(), internal_token=TOKEN)
    conversation = world.conversation(DEMO1)
    away = world.settings.with_values(bank_url=f"postgresql://postgres@/bank?host={tmp_path}")
    with action_server(away) as (_, client):
        answer = client.get("/healthz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "bank": False, "conversations": True}
        answer = call(client, "action_check_balance", conversation)
        assert answer.status_code == 200
        (reply,) = answer.json()["responses"]
        assert reply["custom"]["kind"] == "notice"
        assert "nothing was done" in reply["text"]


def test_it_stops_within_seconds_of_sigterm(tmp_path):
    world = AccountWorld(tmp_path, actions_port=free_port(), internal_token=TOKEN)
    with action_server(world.settings) as (process, _client):
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 5


def start_in_vain(environment: dict[str, str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "actions"]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_wrong_setting_stops_it_with_one_line():
    environment = {**os.environ, "TELLER_ACTIONS_PORT": "none"}
    done = start_in_vain(environment)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("actions: TELLER_ACTIONS_PORT='none'")


def test_a_busy_port_stops_it_with_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        world = AccountWorld(tmp_path)
        environment = {
            **os.environ,
            "TELLER_VAR_DIR": world.settings.var_dir,
            "TELLER_ACTIONS_PORT": str(taken.getsockname()[1]),
        }
        done = start_in_vain(environment)
    assert done.returncode == 2
    assert "is in use" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
