"""The admin pages over a real store, a real index and a real conversation store; only the encoder is a stand-in."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from bot.conversations.records import TurnCommit
from bot.shared.errors import ModelError
from bot.shared.settings import load_settings
from knowledge_base.admin.app import create_app
from knowledge_base.retrieval import Retriever
from knowledge_base.store import FaqContent, FaqText
from tests.support.fake_encoder import FakeEncoder

ORIGIN = {"Origin": "http://testserver"}


class World:
    """A running admin app with its services and one browser."""

    def __init__(self, settings, client: TestClient, encoder: FakeEncoder) -> None:
        self.settings = settings
        self.client = client
        self.encoder = encoder
        self.services = client.app.state.services

    def new_browser(self) -> TestClient:
        return TestClient(self.client.app, follow_redirects=False)

    def index_search(self, question: str) -> str | None:
        """The entry another process would find for a question now."""
        retriever = Retriever(self.settings.var_path / "index", self.encoder.hash)
        hits = retriever.search(self.encoder.encode([question])[0], 1)
        return hits[0].entry_id if hits and hits[0].score > 0.9 else None


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    settings = load_settings({"TELLER_VAR_DIR": str(tmp_path)}, dotenv=tmp_path / "none")
    encoder = FakeEncoder()
    with TestClient(create_app(settings, lambda: encoder), follow_redirects=False) as client:
        yield World(settings, client, encoder)


def token_of(client: TestClient, path: str) -> str:
    page = client.get(path)
    return re.search(r'name="form_token" value="([^"]+)"', page.text).group(1)


def send(client: TestClient, path: str, page: str, files=None, **fields):
    """Posts a form as a browser would from `page`."""
    return client.post(path, data={"form_token": token_of(client, page), **fields}, files=files, headers=ORIGIN)


def log_in(client: TestClient, username: str = "admin", password: str = "demo-only-admin"):
    return send(client, "/login", "/login", username=username, password=password)


def entry_form(**changes: str) -> dict[str, str]:
    return {
        "category": "cards", "question_en": "How do I unblock zebra?", "answer_en": "Use **the app**.",
        "phrasings_en": "zebra one\n\nzebra two\n", "question_zh": "怎么解冻？", "answer_zh": "打开应用。",
        "phrasings_zh": "", **changes,
    }


# Who may come in


def test_every_page_asks_for_a_login_first(world):
    paths = [
        "/faqs", "/new-faq", "/import", "/export.csv", "/index", "/handoffs", "/users", "/password", "/faqs/x",
        "/faqs/x/history", "/index/panel", "/handoffs/1",
    ]
    for path in paths:
        answer = world.client.get(path)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/login"), path
    for path in ("/new-faq", "/faqs/x", "/import/apply", "/users", "/index/rebuild", "/handoffs/1/reply", "/logout"):
        assert world.client.post(path, headers=ORIGIN).status_code in (303, 403), path
    answer = world.client.get("/api/handoffs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "login_required")


def test_logging_in_sets_a_strict_cookie_and_logging_out_ends_the_session(world):
    answer = log_in(world.client)
    assert answer.status_code == 303 and answer.headers["location"] == "/faqs"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=lax" in cookie.lower()
    stolen = world.client.cookies["teller_admin"]
    assert world.client.get("/faqs").status_code == 200
    assert send(world.client, "/logout", "/faqs").status_code == 303
    thief = world.new_browser()
    thief.cookies.set("teller_admin", stolen)
    assert thief.get("/faqs").status_code == 303
    thief.cookies.set("teller_admin", stolen[:-2] + "xx")
    assert thief.get("/faqs").status_code == 303


def test_wrong_passwords_are_slowed_down_and_no_redirect_leads_elsewhere(world):
    for _ in range(5):
        assert log_in(world.client, password="guess").status_code == 401
    answer = log_in(world.client)  # right, but too late
    assert answer.status_code == 429 and "Too many tries" in answer.text
    assert log_in(world.client, "editor", "editor-pass").status_code == 303  # another name still may
    for target in ("https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)"):
        browser = world.new_browser()
        answer = send(browser, "/login", "/login", username="editor", password="editor-pass", next=target)
        assert answer.headers["location"] == "/faqs"
        assert world.client.get("/language/zh", params={"next": target}).headers["location"] == "/"


def test_forms_from_elsewhere_or_without_this_sessions_token_are_refused(world):
    log_in(world.client)
    token = token_of(world.client, "/new-faq")
    fields = {"id": "forged", **entry_form()}
    other = world.new_browser()
    log_in(other, "editor", "editor-pass")
    foreign = token_of(other, "/new-faq")
    refused = [
        ({"form_token": token, **fields}, {"Origin": "https://evil.test"}),
        ({"form_token": token, **fields}, {"Origin": "null"}),
        ({"form_token": token, **fields}, {}),
        ({"form_token": token, **fields}, {"Referer": "https://evil.test/http://testserver"}),
        (fields, ORIGIN),
        ({"form_token": foreign, **fields}, ORIGIN),
        ({"form_token": token[:-1], **fields}, ORIGIN),
    ]
    for data, headers in refused:
        assert world.client.post("/new-faq", data=data, headers=headers).status_code == 403
    assert world.services.faqs.is_empty()
    assert world.client.post("/new-faq", data={"form_token": token, **fields}, headers=ORIGIN).status_code == 303


def test_roles_an_editor_writes_an_agent_answers_an_admin_does_all(world):
    log_in(world.client)
    added = send(world.client, "/users", "/users", username="ann", password="agent password", role="agent")
    assert added.status_code == 303
    send(world.client, "/new-faq", "/new-faq", id="a", do="publish", **entry_form())
    editor, agent = world.new_browser(), world.new_browser()
    log_in(editor, "editor", "editor-pass")
    assert log_in(agent, "ann", "agent password").headers["location"] == "/handoffs"
    assert [editor.get(p).status_code for p in ("/faqs", "/import", "/index", "/handoffs", "/users")] == [
        200, 200, 200, 403, 403,
    ]
    assert [agent.get(p).status_code for p in ("/faqs", "/export.csv", "/index", "/handoffs", "/users")] == [
        403, 403, 403, 200, 403,
    ]
    assert send(editor, "/faqs/a/archive", "/faqs/a").status_code == 403
    assert send(editor, "/users", "/faqs/a", username="x", password="long enough", role="admin").status_code == 403
    send(editor, "/faqs/a", "/faqs/a", do="publish", revision="1", **entry_form(answer_en="E"))
    assert world.services.faqs.answer("a", "en").answer == "E"
    assert send(world.client, "/faqs/a/archive", "/faqs/a").status_code == 303
    assert world.services.faqs.answer("a", "en") is None


def test_users_are_changed_and_the_last_admin_is_kept(world):
    log_in(world.client)
    editor = world.new_browser()
    log_in(editor, "editor", "editor-pass")
    assert send(world.client, "/users/editor", "/users", role="editor", active="no").status_code == 303
    assert editor.get("/faqs").status_code == 303 and log_in(editor, "editor", "editor-pass").status_code == 401
    answer = send(world.client, "/users/admin", "/users", role="editor", active="yes")
    assert answer.status_code == 400 and "One active admin must remain" in answer.text
    assert send(world.client, "/users", "/users", username="x", password="short", role="editor").status_code == 400
    changed = {"current": "demo-only-admin", "new": "a better password", "again": "a better password"}
    assert send(world.client, "/password", "/password", **{**changed, "current": "no"}).status_code == 400
    assert send(world.client, "/password", "/password", **changed).status_code == 303
    assert world.client.get("/faqs").status_code == 200  # this session goes on
    assert log_in(world.new_browser(), "admin", "a better password").status_code == 303


def test_outside_the_demo_the_demos_passwords_do_not_open(tmp_path):
    environ = {"TELLER_VAR_DIR": str(tmp_path)}
    with TestClient(create_app(load_settings(environ, dotenv=tmp_path / "none"), FakeEncoder)):
        pass  # the demo makes admin and editor
    real = {f"TELLER_{name}": "a real secret of a bank" for name in ("SECRET_KEY", "INTERNAL_TOKEN", "API_TOKEN")}
    environ |= real | {"TELLER_MODE": "production", "TELLER_ADMIN_PASSWORD": "a real admin password"}
    app = create_app(load_settings(environ, dotenv=tmp_path / "none"), FakeEncoder)
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as client:
        headers = {"Origin": "https://testserver"}

        def try_login(username: str, password: str):
            data = {"form_token": token_of(client, "/login"), "username": username, "password": password}
            return client.post("/login", data=data, headers=headers)

        assert "demo-only-admin" not in client.get("/login").text
        assert try_login("editor", "editor-pass").status_code == 401
        assert try_login("admin", "demo-only-admin").status_code == 401
        answer = try_login("admin", "a real admin password")
        assert answer.status_code == 303 and "Secure" in answer.headers["set-cookie"]


# Entries


def test_an_entry_is_added_found_edited_published_and_in_the_index_at_once(world):
    log_in(world.client)
    made = send(world.client, "/new-faq", "/new-faq", id="unblock-zebra", do="save", **entry_form())
    assert made.headers["location"] == "/faqs/unblock-zebra?note=saved"
    assert world.services.faqs.answer("unblock-zebra", "en") is None
    page = world.client.get("/faqs/unblock-zebra?note=saved")
    assert "Draft saved" in page.text and "zebra one\nzebra two</textarea>" in page.text
    assert "<strong>the app</strong>" in page.text  # the preview
    assert "unblock-zebra" in world.client.get("/faqs?q=zebra&status=draft").text
    assert "No entry matches" in world.client.get("/faqs?q=zebra&missing=zh").text

    form = entry_form(answer_en="Call us.")
    answer = send(world.client, "/faqs/unblock-zebra", "/faqs/unblock-zebra", revision="1", do="publish", **form)
    assert answer.headers["location"] == "/faqs/unblock-zebra?note=published"
    assert world.services.faqs.answer("unblock-zebra", "en").answer == "Call us."
    assert world.index_search("zebra two") == "unblock-zebra"
    history = world.client.get("/faqs/unblock-zebra/history").text
    assert "published" in history and "edited" in history and "created" in history
    assert "Use <strong>the app</strong>." in world.client.get("/faqs/unblock-zebra/versions/1").text


def test_a_question_asked_two_seconds_after_publish_gets_the_new_entry(world):
    log_in(world.client)
    retriever = Retriever(world.settings.var_path / "index", world.encoder.hash)
    query = world.encoder.encode(["giraffe money"])[0]
    send(world.client, "/new-faq", "/new-faq", id="g", do="publish", **entry_form(phrasings_en="giraffe money"))
    published_at = time.monotonic()
    while not (hits := retriever.search(query, 1)) or hits[0].score < 0.99:
        assert time.monotonic() - published_at < 2, "not live after two seconds"
        time.sleep(0.05)


def test_an_edit_that_came_second_shows_both_versions_and_loses_nothing(world):
    log_in(world.client)
    send(world.client, "/new-faq", "/new-faq", id="a", do="save", **entry_form())
    editor = world.new_browser()
    log_in(editor, "editor", "editor-pass")
    send(editor, "/faqs/a", "/faqs/a", revision="1", do="save", **entry_form(answer_en="The editor's text"))
    answer = send(world.client, "/faqs/a", "/faqs/a", revision="1", do="publish", **entry_form(answer_en="My own text"))
    assert answer.status_code == 409
    assert "editor saved this entry while you were editing" in answer.text
    assert "The editor&#39;s text" in answer.text and "My own text</textarea>" in answer.text
    assert 'name="revision" value="2"' in answer.text and world.services.faqs.answer("a", "en") is None
    answer = send(world.client, "/faqs/a", "/faqs/a", revision="2", do="save", **entry_form(answer_en="Merged"))
    assert answer.status_code == 303 and world.services.faqs.get("a").revision == 3


def test_what_breaks_a_rule_is_marked_and_nothing_typed_is_lost(world):
    log_in(world.client)
    form = entry_form(answer_en="", question_zh="问" * 301, phrasings_en="<script>alert(1)</script>")
    answer = send(world.client, "/new-faq", "/new-faq", id="bad id", **form)
    assert answer.status_code == 400 and world.services.faqs.is_empty()
    assert "Letters, digits, dot, dash and underscore only." in answer.text
    assert "Please fill this in." in answer.text and "At most 300 characters." in answer.text
    assert 'value="bad id"' in answer.text and "&lt;script&gt;" in answer.text and "<script>alert" not in answer.text
    for name in ("answer_en", "question_zh"):
        described = rf'id="{name}"[^>]*aria-describedby="[^"]*{name}-problem"[^>]*aria-invalid="true"'
        assert re.search(described, answer.text)
    send(world.client, "/new-faq", "/new-faq", id="a", **entry_form())
    answer = send(world.client, "/new-faq", "/new-faq", id="a", **entry_form())
    assert answer.status_code == 400 and "This id is in use." in answer.text


def test_markdown_is_shown_without_anything_that_runs(world):
    log_in(world.client)
    nasty = '<img src=x onerror=alert(1)> [x](javascript:alert(1)) ![p](https://t.test/p.png) [ok](https://bank.test)'
    send(world.client, "/new-faq", "/new-faq", id="a", **entry_form(answer_en=nasty))
    page = world.client.get("/faqs/a").text
    preview = page[page.index('class="prose"'):]
    preview = preview[:preview.index("</details>")]
    assert "<img" not in preview and 'href="javascript' not in preview and 'href="https://bank.test"' in preview


# Import, export


def test_a_csv_file_is_checked_then_applied(world):
    log_in(world.client)
    data = "id,category,question_en,answer_en\nzebra-fee,fees,What costs a zebra?,Nothing.\n".encode("utf-8-sig")
    files = {"file": ("faq.csv", io.BytesIO(data), "text/csv")}
    checked = send(world.client, "/import/check", "/import", files=files)
    assert checked.status_code == 200 and "Nothing has changed yet" in checked.text and "zebra-fee" in checked.text
    assert world.services.faqs.is_empty()
    key = re.search(r'name="key" value="([^"]+)"', checked.text).group(1)
    thief = world.new_browser()
    log_in(thief, "editor", "editor-pass")
    assert send(thief, "/import/apply", "/import", key=key, publish="yes").status_code == 400
    applied = send(world.client, "/import/apply", "/import", key=key, publish="yes")
    assert applied.status_code == 200 and "Done." in applied.text
    assert world.services.faqs.answer("zebra-fee", "en").answer == "Nothing."
    assert world.index_search("What costs a zebra?") == "zebra-fee"
    exported = world.client.get("/export.csv")
    assert exported.headers["content-disposition"].startswith("attachment") and b"zebra-fee" in exported.content


def test_a_bad_csv_file_is_explained_by_row(world):
    log_in(world.client)
    data = b"id,category,question_en,answer_en\nok,fees,Q?,A\nbad,fees,,A\n<b>,fees,Q,A\n"
    files = {"file": ("<i>.csv", io.BytesIO(data), "text/csv")}
    answer = send(world.client, "/import/check", "/import", files=files)
    assert answer.status_code == 400 and "Nothing was changed" in answer.text
    assert re.search(r"3<span.*?question_en.*?Please fill this in", answer.text, re.S)
    assert "<b>" not in answer.text and "<i>" not in answer.text and world.services.faqs.is_empty()
    assert send(world.client, "/import/check", "/import").status_code == 400
    huge = {"file": ("big.csv", io.BytesIO(b"x" * (6 * 1024 * 1024)), "text/csv")}
    assert send(world.client, "/import/check", "/import", files=huge).status_code == 413


# The index page


def test_a_failed_build_leaves_the_old_index_and_says_so(world):
    log_in(world.client)
    send(world.client, "/new-faq", "/new-faq", id="a", do="publish", **entry_form())
    panel = world.client.get("/index/panel").text
    assert "Up to date" in panel and "CPU" in panel and "fake" in panel
    working = world.encoder.encode

    def broken(texts):
        raise ModelError("out of order", "model_broken")

    world.encoder.encode = broken
    answer = send(world.client, "/faqs/a", "/faqs/a", revision="1", do="publish", **entry_form(question_en="Lion?"))
    assert answer.headers["location"].endswith("note=published_not_indexed")
    panel = world.client.get("/index/panel").text
    assert "The last build failed" in panel and "model_broken" in panel and "out of order" not in panel
    world.encoder.encode = working
    assert world.index_search("zebra two") == "a" and world.index_search("Lion?") is None
    assert send(world.client, "/index/rebuild", "/index").status_code == 303
    assert "Up to date" in world.client.get("/index/panel").text and world.index_search("Lion?") == "a"


def test_what_another_process_publishes_is_indexed_too(world):
    content = FaqContent("x", {"en": FaqText("walrus loan", "a")})
    world.services.faqs.create("walrus", content, "cli")
    world.services.faqs.publish("walrus", "cli")
    deadline = time.monotonic() + 10
    while world.index_search("walrus loan") != "walrus":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_without_an_encoder_the_pages_work_and_say_why_there_is_no_index(tmp_path):
    settings = load_settings({"TELLER_VAR_DIR": str(tmp_path)}, dotenv=tmp_path / "none")
    with TestClient(create_app(settings), follow_redirects=False) as client:
        log_in(client)
        made = send(client, "/new-faq", "/new-faq", id="a", do="publish", **entry_form())
        assert made.headers["location"].endswith("note=published_not_indexed")
        assert "No model was trained yet" in client.get("/index").text
        assert client.get("/index?q=hello").status_code == 200


def test_a_question_may_be_tried_on_the_live_index(world):
    log_in(world.client)
    send(world.client, "/new-faq", "/new-faq", id="unblock-zebra", do="publish", **entry_form())
    page = world.client.get("/index", params={"q": "zebra two"}).text
    assert "unblock-zebra" in page[page.index('id="try"'):] and "1.00" in page


# Handoffs


@pytest.fixture
def waiting(world) -> int:
    """A customer who asked for a person; the handoff's id."""
    conversations = world.services.conversations
    conversation = conversations.create("web", language="en")
    message, _ = conversations.accept(conversation.id, "web", "m1", "text", "<b>help</b> me, a person please", {})
    conversations.start(message.id)
    reply = {"text": "I am passing you **on**.", "language": "en", "kind": "handoff"}
    conversations.commit_turn(TurnCommit(message.id, conversation.id, replies=[reply], handoff="request_human"))
    return conversations.handoffs(("waiting",))[0].id


def test_an_agent_reads_takes_replies_and_returns(world, waiting):
    conversations = world.services.conversations
    conversation_id = conversations.handoff(waiting).conversation_id
    log_in(world.client)
    assert world.client.get("/api/handoffs").json() == {"waiting": 1}
    assert "&lt;b&gt;help&lt;/b&gt; me" in world.client.get("/handoffs").text
    page = world.client.get(f"/handoffs/{waiting}").text
    assert "Asked for a person" in page and "I am passing you <strong>on</strong>." in page and "<b>help" not in page
    answer = send(world.client, f"/handoffs/{waiting}/reply", f"/handoffs/{waiting}", text="too early")
    assert answer.status_code == 409 and "Take the conversation first" in answer.text

    assert send(world.client, f"/handoffs/{waiting}/take", f"/handoffs/{waiting}").status_code == 303
    assert conversations.get(conversation_id).state == "agent"
    assert world.client.get("/api/handoffs").json() == {"waiting": 0}
    sent = send(world.client, f"/handoffs/{waiting}/reply", f"/handoffs/{waiting}", text="Hello, 4111 1111 1111 1111?")
    assert sent.status_code == 303
    last = conversations.transcript(conversation_id)[-1]
    assert last["from"] == "agent" and last["text"].startswith("Hello, [card") and "4111 1111 1111" not in last["text"]
    assert "Hello, [card" in world.client.get(f"/handoffs/{waiting}/panel").text
    for text in ("", " \n ", "x" * 2001):
        assert send(world.client, f"/handoffs/{waiting}/reply", f"/handoffs/{waiting}", text=text).status_code == 400

    answer = send(world.client, f"/handoffs/{waiting}/return", f"/handoffs/{waiting}")
    assert answer.headers["location"] == "/handoffs?note=returned"
    assert conversations.get(conversation_id).state == "bot"
    assert "Nobody is waiting" in world.client.get("/handoffs").text
    late = send(world.client, f"/handoffs/{waiting}/reply", f"/handoffs/{waiting}?x", text="one more thing")
    assert late.status_code == 409 and "one more thing" in late.text


def test_two_agents_cannot_take_the_same_customer(world, waiting):
    log_in(world.client)
    send(world.client, "/users", "/users", username="ann", password="agent password", role="agent")
    ann = world.new_browser()
    log_in(ann, "ann", "agent password")
    assert send(ann, f"/handoffs/{waiting}/take", f"/handoffs/{waiting}").status_code == 303
    answer = send(world.client, f"/handoffs/{waiting}/take", f"/handoffs/{waiting}")
    assert answer.status_code == 409 and "Somebody else has taken this conversation" in answer.text
    page = world.client.get(f"/handoffs/{waiting}").text
    assert "ann is with this customer" in page and "<textarea" not in page
    assert send(world.client, f"/handoffs/{waiting}/reply", "/users", text="hi").status_code == 409
    assert world.client.get("/handoffs/999").status_code == 404 and world.client.get("/handoffs/x").status_code == 404


# The frame


def test_pages_come_with_strict_headers_and_nothing_inline_or_foreign(world):
    log_in(world.client)
    send(world.client, "/new-faq", "/new-faq", id="a", do="publish", **entry_form())
    paths = ["/faqs", "/new-faq", "/faqs/a", "/faqs/a/history", "/import", "/index", "/handoffs", "/users", "/none"]
    for path in paths:
        answer = world.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'") and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<style|style=|\son\w+=|<script(?! src=\"/static/)", answer.text), path
        assert not re.search(r"(src|href|action)=\"(https?:)?//", answer.text), path
        labelled = set(re.findall(r'<label for="([^"]+)"', answer.text))
        fields = re.findall(r"<(?:input|select|textarea)\b[^>]*>", answer.text)
        visible = [f for f in fields if 'type="hidden"' not in f and " hidden>" not in f and "checkbox" not in f]
        assert all(re.search(r'id="([^"]+)"', field).group(1) in labelled for field in visible), path
    assert world.client.get("/docs").status_code == 404 and world.client.get("/openapi.json").status_code == 404


def test_the_pages_speak_chinese_when_asked_or_when_the_browser_does(world):
    assert "登录" in world.client.get("/login", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).text
    assert "Log in" in world.client.get("/login").text
    assert world.client.get("/language/zh?next=/login").headers["location"] == "/login"
    assert "登录" in world.client.get("/login").text
    log_in(world.client)
    page = world.client.get("/faqs").text
    assert 'lang="zh-CN"' in page and "常见问题" in page and "还没有条目" in page


def test_health_and_odd_requests(world):
    assert world.client.get("/healthz").json() == {"status": "ok"}
    ready = world.client.get("/readyz")
    assert ready.status_code == 200 and ready.json()["status"] == "ready"
    log_in(world.client)
    odd = ["/faqs?number=x", "/faqs?number=99999999999999", "/faqs/%00", "/faqs?q=%00&category=%00", "/index?q=%00"]
    for path in odd:
        assert world.client.get(path).status_code in (200, 404), path
    assert world.client.get("/api/nothing").json()["error"]["code"] == "not_found"
    answer = world.client.post("/faqs/a", content=b"x" * (6 * 1024 * 1024), headers=ORIGIN)
    assert answer.status_code == 413
    world.services.engines["knowledge"].dispose()
    assert world.client.get("/readyz").status_code == 200  # the pool opens again
