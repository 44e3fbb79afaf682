"""Who may use these pages."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from bot.shared.errors import ConflictError, InvalidInputError
from knowledge_base.admin.pages import Admin, Form, Page
from knowledge_base.store import ROLES
from knowledge_base.store.users import MIN_PASSWORD

router = APIRouter()


@router.get("/users")
def user_list(page: Admin) -> Response:
    return _list(page)


@router.post("/users")
def create_user(page: Admin, form: Form) -> Response:
    username, role = page.text(form, "username").strip(), page.text(form, "role")
    try:
        page.services.users.create(username, page.text(form, "password"), role, page.user.username)
    except (InvalidInputError, ConflictError) as error:
        return _list(page, status=400, error=error.code, username=username, role=role)
    return page.redirect("/users?note=user_created")


@router.post("/users/{username}")
def change_user(page: Admin, username: str, form: Form) -> Response:
    try:
        active = page.text(form, "active") == "yes"
        page.services.users.change(username, page.text(form, "role"), active, page.user.username)
    except InvalidInputError as error:
        return _list(page, status=400, error=error.code)
    return page.redirect("/users?note=user_changed")


@router.post("/users/{username}/password")
def reset_password(page: Admin, username: str, form: Form) -> Response:
    try:
        page.services.users.set_password(username, page.text(form, "password"), page.user.username)
    except InvalidInputError as error:
        return _list(page, status=400, error=error.code)
    return page.redirect("/users?note=password_set")


def _list(page: Page, *, status: int = 200, error: str = "", username: str = "", role: str = "editor") -> Response:
    return page.render(
        "users.html", status, users=page.services.users.all(), roles=ROLES, error=error, username=username, role=role,
        min_password=MIN_PASSWORD,
    )
