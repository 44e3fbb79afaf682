"""An action server that does what a test tells it to: answer, fail, answer nonsense, or never answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[dict[str, Any]], tuple[int, Any]]


class StubActions:
    """`behaviour(call)` gives (status, body); `calls` keeps what Rasa sent. `release` lets a `hang` go on."""

    def __init__(self, port: int, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.calls: list[dict[str, Any]] = []
        self.called, self.release = threading.Event(), threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.calls.append(call)
                stub.called.set()
                status, body = stub.behaviour(call)
                data = json.dumps(body).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the caller did not wait, which is what some tests are about

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def hang(self, call: dict[str, Any]) -> tuple[int, Any]:
        """A behaviour: no answer before `release`."""
        self.release.wait(timeout=60)
        return 200, {"events": [], "responses": []}

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
