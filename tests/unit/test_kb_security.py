"""Form tokens, the same-origin check, the brake on guessing, and redirects."""

from __future__ import annotations

import pytest

from bot.shared.errors import PermissionDenied
from bot.shared.tokens import Signer
from knowledge_base.admin.security import (
    TRIES_PER_ADDRESS,
    TRIES_PER_NAME,
    WINDOW_SECONDS,
    Cookies,
    LoginBrake,
    check_origin,
    safe_path,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_cookie_opens_only_as_it_was_signed():
    cookies, others = Cookies(Signer("one secret")), Cookies(Signer("another secret"))
    sealed = cookies.seal("session")
    assert cookies.open(sealed) == "session"
    for wrong in (None, "", "x", sealed[:-1], sealed + "x", others.seal("session"), cookies.form_token("session")):
        assert cookies.open(wrong) is None


def test_a_form_token_serves_its_own_session_for_a_while():
    clock = Clock()
    cookies = Cookies(Signer("secret", clock))
    token = cookies.form_token("mine")
    cookies.check_form("mine", token)
    for session, wrong in (("other", token), (None, token), ("mine", ""), ("mine", cookies.seal("mine"))):
        with pytest.raises(PermissionDenied) as refused:
            cookies.check_form(session, wrong)
        assert refused.value.code == "form_expired"
    clock.now += 24 * 3600
    with pytest.raises(PermissionDenied):
        cookies.check_form("mine", token)


def test_only_this_very_host_may_send_forms():
    check_origin("admin.bank:8080", "http://admin.bank:8080", None)
    check_origin("Admin.Bank", None, "https://admin.bank/faqs")
    refused = [
        ("admin.bank", "https://evil.test", "https://admin.bank/"),
        ("admin.bank", "null", None),
        ("admin.bank", None, None),
        ("admin.bank", "https://admin.bank.evil.test", None),
        ("admin.bank:8080", "http://admin.bank:9090", None),
        ("", "", ""),
        ("admin.bank", "https://user@admin.bank", None),
    ]
    for host, origin, referer in refused:
        with pytest.raises(PermissionDenied):
            check_origin(host, origin, referer)


def test_wrong_passwords_block_a_name_at_an_address_then_the_address_then_are_forgotten():
    clock = Clock()
    brake = LoginBrake(clock)
    for _ in range(TRIES_PER_NAME):
        brake.check("10.0.0.1", "ana")
        brake.wrong("10.0.0.1", "ana")
    with pytest.raises(PermissionDenied) as refused:
        brake.check("10.0.0.1", "ana")
    assert refused.value.code == "too_many_tries"
    brake.check("10.0.0.2", "ana")  # nobody can lock somebody else out
    brake.check("10.0.0.1", "ben")
    for number in range(TRIES_PER_ADDRESS):
        brake.wrong("10.0.0.1", f"name{number}")
    with pytest.raises(PermissionDenied):
        brake.check("10.0.0.1", "ben")
    clock.now += WINDOW_SECONDS + 1
    brake.check("10.0.0.1", "ana")


def test_a_right_password_forgets_the_wrong_ones():
    brake = LoginBrake(Clock())
    for _ in range(TRIES_PER_NAME - 1):
        brake.wrong("10.0.0.1", "ana")
    brake.right("10.0.0.1", "ana")
    for _ in range(TRIES_PER_NAME - 1):
        brake.wrong("10.0.0.1", "ana")
    brake.check("10.0.0.1", "ana")


@pytest.mark.parametrize(
    "path", [None, "", "faqs", "//evil.test", "https://evil.test", "/\\evil.test", "/a\nb", "javascript:alert(1)"]
)
def test_no_redirect_leads_elsewhere(path):
    assert safe_path(path) == "/faqs"


def test_own_paths_are_kept():
    assert safe_path("/faqs/card-unlock?note=saved") == "/faqs/card-unlock?note=saved"
