"""A stand-in gateway for the widget's browser tests: the real pages and scripts, scripted replies.

It speaks the gateway's protocol (session, WebSocket, login, logout), all in memory. Tests steer it from their own
thread: `drop_connections`, `agent_reply`, `set_state`, `say`, `repeat_last`, and the counters `refuse_sockets` and
`expire_messages`.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Form, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader

from bot.shared.settings import Settings
from tests.support.widget_script import CUSTOMERS, Conversation

WIDGET = Path(__file__).resolve().parents[2] / "bot" / "widget"
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'self'"
)


class WidgetServer:
    """The server in a thread of its own; `with WidgetServer() as server: server.url`."""

    def __init__(
        self, *, mode: str = "demo", idle_seconds: int = 1800, token_seconds: int = 900, policy: str = POLICY
    ) -> None:
        self.settings = Settings(idle_seconds=idle_seconds, token_seconds=token_seconds, mode=mode)
        self.policy = policy
        self.conversations: dict[str, Conversation] = {}
        self.tokens: dict[str, tuple[str, float]] = {}
        self.logins: dict[str, str] = {}  # session cookie -> user
        self.outbox_id = 0
        self.renewals = 0
        self.refuse_sockets = 0
        self.expire_messages = 0
        self.errors: list[str] = []
        self._pages = Environment(loader=FileSystemLoader(WIDGET / "templates"), autoescape=True)
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        # Rasa pins websockets 10, with which uvicorn's own choice ("auto") does not import.
        config = uvicorn.Config(self._app(), log_level="warning", ws="websockets", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> WidgetServer:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > deadline:
                raise TimeoutError("the stand-in gateway did not start")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[self._listener]))

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    # what tests steer

    @property
    def conversation(self) -> Conversation:
        """The newest conversation."""
        return list(self.conversations.values())[-1]

    def drop_connections(self) -> None:
        """Cuts every socket without a goodbye frame of ours."""

        async def drop() -> None:
            for conversation in self.conversations.values():
                for connected in list(conversation.sockets):
                    conversation.sockets.discard(connected)
                    await connected.close(1012)

        self._call(drop())

    def say(self, payload: dict[str, Any], sender: str = "bot", deliver: bool = True) -> int:
        """Puts a reply of `sender` into the newest conversation's outbox; returns its id."""
        return self._call(self._reply(self.conversation, payload, sender, deliver=deliver))

    def agent_reply(self, text: str, language: str = "en") -> int:
        return self.say({"text": text, "language": language, "kind": "message"}, "agent")

    def set_state(self, state: str) -> None:
        self._call(self._set_state(self.conversation, state))

    def repeat_last(self) -> None:
        """Delivers the last reply a second time, as an outbox that delivers at least once may do."""
        last = next(entry for entry in reversed(self.conversation.entries) if entry["from"] != "customer")
        self._call(self._broadcast(self.conversation, {"type": "reply", **last}))

    # the protocol

    async def _broadcast(self, conversation: Conversation, frame: dict[str, Any]) -> None:
        for connected in list(conversation.sockets):
            await connected.send_json(frame)

    async def _set_state(self, conversation: Conversation, state: str) -> None:
        conversation.state = state
        await self._broadcast(conversation, {"type": "state", "state": state})

    async def _reply(
        self, conversation: Conversation, payload: dict[str, Any], sender: str = "bot", deliver: bool = True
    ) -> int:
        self.outbox_id += 1
        entry = {"id": self.outbox_id, "from": sender, **payload}
        conversation.entries.append(entry)
        if deliver:
            await self._broadcast(conversation, {"type": "reply", **entry})
        return self.outbox_id

    def _new_token(self, conversation: Conversation) -> tuple[str, float]:
        token = secrets.token_urlsafe(16)
        expires = time.time() + self.settings.token_seconds
        self.tokens[token] = (conversation.id, expires)
        return token, expires

    def _open(self, old: str | None, user: str | None) -> Conversation:
        conversation = self.conversations.get(self.tokens.get(old or "", ("", 0.0))[0])
        if conversation is None or conversation.closed:
            conversation = Conversation(id=f"c_{secrets.token_hex(16)}")
            self.conversations[conversation.id] = conversation
        if user:
            conversation.customer = CUSTOMERS[user]
        return conversation

    async def _handle(self, conversation: Conversation, frame: dict[str, Any], connected: WebSocket) -> None:
        if self.expire_messages:
            self.expire_messages -= 1
            await connected.send_json({"type": "error", "code": "token_expired", "message": "renew", "id": frame["id"]})
            return
        text = frame.get("text") or frame.get("title", "")
        refusal = {"refuse": "rate_limited", "broken": "unavailable", "odd": "something_new"}.get(text.split(" ")[0])
        if refusal:
            await connected.send_json({"type": "error", "code": refusal, "message": "no", "id": frame["id"]})
            return
        if "lost ack" in text and frame["id"] not in conversation.received:
            await self._accept(conversation, frame, text)
            conversation.sockets.discard(connected)
            await connected.close(1012)
            return
        known = await self._accept(conversation, frame, text)
        await connected.send_json({"type": "ack", "id": frame["id"]})
        if known:
            return
        asyncio.get_running_loop().create_task(self._turn(conversation, frame, text))

    async def _accept(self, conversation: Conversation, frame: dict[str, Any], text: str) -> bool:
        known = frame["id"] in conversation.received
        conversation.received[frame["id"]] = conversation.received.get(frame["id"], 0) + 1
        if not known:
            conversation.entries.append({"id": frame["id"], "from": "customer", "text": text})
            if "lost ack" in text:
                asyncio.get_running_loop().create_task(self._turn(conversation, frame, text))
        return known

    async def _turn(self, conversation: Conversation, frame: dict[str, Any], text: str) -> None:
        await self._broadcast(conversation, {"type": "typing", "on": True})
        await asyncio.sleep(1.5 if "slow" in text else 0.05)
        before = conversation.state
        if frame["type"] == "button":
            title = conversation.tokens.get(frame["token"])
            answer = {"text": f"Done: {title}" if title else "unknown token", "language": "en", "kind": "message"}
        else:
            answer = conversation.answer(text)
        await self._broadcast(conversation, {"type": "typing", "on": False})
        if answer:
            await self._reply(conversation, {**answer, "in_reply_to": frame["id"]})
        if conversation.state != before:
            await self._set_state(conversation, conversation.state)

    async def _serve_socket(self, connected: WebSocket) -> None:
        await connected.accept()
        if self.refuse_sockets:
            self.refuse_sockets -= 1
            await connected.close(1013)
            return
        conversation = None
        try:
            hello = await connected.receive_json()
            identifier, expires = self.tokens.get(hello["token"], ("", 0.0))
            conversation = self.conversations.get(identifier)
            if conversation is None or conversation.closed or expires < time.time():
                code = "token_invalid" if conversation is None or conversation.closed else "token_expired"
                await connected.send_json({"type": "error", "code": code, "message": "no"})
                await connected.close(4401)
                return
            history = [e for e in conversation.entries if e["from"] == "customer" or e["id"] > hello["after"]]
            customer = {"name": conversation.customer} if conversation.customer else None
            await connected.send_json(
                {
                    "type": "ready",
                    "conversation_id": conversation.id,
                    "state": conversation.state,
                    "history": history,
                    "customer": customer,
                    "expires_at": expires,
                }
            )
            conversation.sockets.add(connected)
            if conversation.waiting_for_login and conversation.customer:
                conversation.waiting_for_login = False
                await self._reply(conversation, conversation.balance("en"))
            while True:
                await self._handle(conversation, await connected.receive_json(), connected)
        except (WebSocketDisconnect, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "not connected" not in str(error):
                self.errors.append(repr(error))
                raise
        finally:
            if conversation:
                conversation.sockets.discard(connected)

    def _app(self) -> FastAPI:
        app = FastAPI()
        server = self

        @app.middleware("http")
        async def headers(request: Request, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["Content-Security-Policy"] = server.policy
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response

        def user_of(request: Request) -> str | None:
            return server.logins.get(request.cookies.get("teller_session", ""))

        def page(name: str, request: Request, **more: Any) -> HTMLResponse:
            user = user_of(request)
            language = "zh" if request.headers.get("accept-language", "").startswith("zh") else "en"
            context = {
                "settings": server.settings,
                "csrf": "t0ken",
                "language": language,
                "customer": {"name": CUSTOMERS[user]} if user else None,
                **more,
            }
            return HTMLResponse(server._pages.get_template(name).render(context))

        @app.get("/")
        async def home(request: Request) -> HTMLResponse:
            return page("index.html", request)

        @app.get("/login")
        async def login_page(request: Request) -> HTMLResponse:
            return page("login.html", request)

        @app.post("/login")
        async def login(
            request: Request,
            username: str = Form(),
            password: str = Form(),
            csrf: str = Form(),
            next: str = Form("/"),
        ) -> Any:
            if username not in CUSTOMERS or password != f"{username}-pass" or csrf != "t0ken":
                return page("login.html", request, error="invalid", next=next)
            response = RedirectResponse(next if next.startswith("/") and not next.startswith("//") else "/", 303)
            session = secrets.token_hex(8)
            server.logins[session] = username
            response.set_cookie("teller_session", session, httponly=True, samesite="lax")
            return response

        @app.post("/logout")
        async def logout(request: Request, csrf: str = Form()) -> Any:
            user = server.logins.pop(request.cookies.get("teller_session", ""), None)
            for conversation in server.conversations.values():
                if user and conversation.customer == CUSTOMERS[user]:
                    conversation.closed = True
            response = RedirectResponse("/", 303)
            response.delete_cookie("teller_session")
            return response

        @app.post("/api/session")
        async def session(request: Request) -> JSONResponse:
            old = (await request.json()).get("token")
            server.renewals += bool(old)
            conversation = server._open(old, user_of(request))
            token, expires = server._new_token(conversation)
            customer = {"name": conversation.customer} if conversation.customer else None
            content = {"token": token, "conversation_id": conversation.id, "expires_at": expires, "customer": customer}
            return JSONResponse(content)

        app.add_api_websocket_route("/ws", self._serve_socket)
        app.mount("/static", StaticFiles(directory=WIDGET / "static"))
        app.mount("/vendor", StaticFiles(directory=WIDGET / "node_modules"))
        return app


if __name__ == "__main__":
    with WidgetServer() as running:
        print(running.url, flush=True)
        threading.Event().wait()
