"""A stand-in for Rasa on a real port: speaks docs/architecture.md, Gateway <-> Rasa, and commits as Rasa's side does.

What a turn does is said by its first word: see `FakeRasa.turn`.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bot.conversations.records import TurnCommit
from bot.conversations.store import ConversationStore


class FakeRasa:
    """`start`, `stop` and start again keep the port. `turns` holds the bodies received, in order."""

    def __init__(self, store: ConversationStore, token: str) -> None:
        self.store = store
        self.token = token
        self.turns: list[dict[str, Any]] = []
        self.busy: dict[str, int] = {}
        self.overlaps = 0
        self.port = 0
        self._refusals = 0
        self._server: ThreadingHTTPServer | None = None
        self._guard = threading.Lock()

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"rasa": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def refuse(self, times: int) -> None:
        """The next `times` turns are answered 503, with nothing committed."""
        self._refusals = times

    def texts(self) -> list[str]:
        return [body.get("text", body.get("event", {}).get("intent")) for body in self.turns]

    def turn(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self._guard:
            self.turns.append(body)
            self.busy[body["conversation_id"]] = self.busy.get(body["conversation_id"], 0) + 1
            self.overlaps += self.busy[body["conversation_id"]] > 1
            refused = self._refusals > 0
            self._refusals -= refused
        try:
            return (503, {"error": "storage"}) if refused else self._answer(body)
        finally:
            with self._guard:
                self.busy[body["conversation_id"]] -= 1

    def _answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        word = body["text"].split()[0].lower() if body["kind"] == "text" else body["event"]["intent"]
        text = f"You said: {body.get('text', word)}"
        reply: dict[str, Any] = {"text": text, "language": body["language"], "kind": "message"}
        handoff = None
        if word == "slow":
            time.sleep(1.5)
        elif word == "human":
            handoff, reply["kind"] = "request_human", "handoff"
        elif word == "liar":  # answers without a commit
            return 200, {"replies": [], "result": {}}
        elif word == "choose":
            reply["buttons"] = [
                {"title": "Yes", "intent": "affirm", "slots": {"card": "1234"}},
                {"title": "Fees", "text": "what are the fees"},
                {"title": "Log in", "url": "/login"},
                {"title": "Elsewhere", "url": "//elsewhere.example"},
            ]
            reply["source"] = {"faq_id": "card-unlock", "question": "How?", "revision": 3, "score": 0.9}
        result = {"intent": word, "language": body["language"], "route": "intent", "handoff": handoff is not None}
        events = [{"event": "user", "timestamp": time.time(), "text": body.get("text", "")}]
        rows = self.store.commit_turn(
            TurnCommit(body["inbox_id"], body["conversation_id"], events, [reply], result, handoff, body["language"])
        )
        replies = [
            {"id": row.id, "reply_id": row.reply_id, "sender": row.sender, "payload": row.payload} for row in rows
        ]
        return 200, {"replies": replies, "result": result}


class _Handler(BaseHTTPRequestHandler):
    rasa: FakeRasa
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(200 if self.path == "/webhooks/teller/ready" else 404, {"ready": True})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("X-Teller-Token") != self.rasa.token:
            self._send(401, {"error": "unauthorized"})
        elif body.get("text") == "crash":
            self.close_connection = True  # as a killed process: no answer at all
        else:
            self._send(*self.rasa.turn(body))

    def _send(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Quiet: a test that fails shows what it compared."""
