"""Log in, log out, change one's password, choose a language."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from bot.shared.errors import InvalidInputError, PermissionDenied
from knowledge_base.admin.pages import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    YEAR_SECONDS,
    AnyUser,
    CurrentPage,
    Form,
    Page,
)
from knowledge_base.admin.security import safe_path
from knowledge_base.store import LANGUAGES

router = APIRouter()


@router.get("/")
def home(page: CurrentPage) -> Response:
    return page.redirect(_home(page))


@router.get("/login")
def login_form(page: CurrentPage, next: str = "") -> Response:
    if page.user is not None:
        return page.redirect(_home(page))
    return page.render("login.html", next=safe_path(next, ""), error="", username="")


@router.post("/login")
def log_in(page: CurrentPage, form: Form) -> Response:
    username, target = page.text(form, "username").strip()[:80], safe_path(page.text(form, "next"), "")
    address = page.request.client.host if page.request.client else "unknown"
    brake = page.services.brake
    try:
        brake.check(address, username)
    except PermissionDenied as error:
        return page.render("login.html", 429, next=target, error=error.code, username=username)
    user = page.services.users.verify(username, page.text(form, "password"))
    if user is None:
        brake.wrong(address, username)
        return page.render("login.html", 401, next=target, error="wrong_password", username=username)
    brake.right(address, username)
    page.user = user
    response = page.redirect(target or _home(page))
    page.keep_session(response, page.services.users.open_session(user.username))  # a new id: the visitor's is worthless
    return response


@router.post("/logout")
def log_out(page: CurrentPage) -> Response:
    page.services.users.close_session(page.session_id)
    response = page.redirect("/login")
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


@router.get("/language/{language}")
def choose_language(page: CurrentPage, language: str, next: str = "/") -> Response:
    response = page.redirect(safe_path(next, "/"))
    if language in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE, language, max_age=YEAR_SECONDS, httponly=True, samesite="lax", secure=page.is_secure
        )
    return response


@router.get("/password")
def password_form(page: AnyUser) -> Response:
    return page.render("password.html", error="")


@router.post("/password")
def change_password(page: AnyUser, form: Form) -> Response:
    users = page.services.users
    error = ""
    if users.verify(page.user.username, page.text(form, "current")) is None:
        error = "wrong_password"
    elif page.text(form, "new") != page.text(form, "again"):
        error = "passwords_differ"
    else:
        try:
            users.set_password(page.user.username, page.text(form, "new"), page.user.username)
        except InvalidInputError as refused:
            error = refused.code
    if error:
        return page.render("password.html", 400, error=error)
    response = page.redirect(f"{_home(page)}?note=password_changed")
    page.keep_session(response, users.open_session(page.user.username))  # the change ended every session, this one too
    return response


def _home(page: Page) -> str:
    return "/handoffs" if page.user is not None and not page.user.may("edit") else "/faqs"
