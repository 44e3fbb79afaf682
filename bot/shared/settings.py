"""All `TELLER_*` settings in one frozen dataclass.

Values come from the environment, then from a `.env` file in the project's root, then from the defaults below.
`.env.example` documents each of them; a test fails when one is missing there.
Outside demo mode (`TELLER_MODE=production`) a placeholder secret or an SQLite default refuses to start.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.shared.errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDER = "change-me"
DEMO_SECRET_PREFIX = "demo-only-"


def _setting(default: object, help: str, *, secret: bool = False):
    return field(default=default, metadata={"help": help, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """Every field `x_y` is read from `TELLER_X_Y`. Durations are seconds, ports are TCP ports."""

    mode: str = _setting("demo", "demo or production; production refuses placeholder secrets and demo passwords")
    host: str = _setting("127.0.0.1", "address the gateway and the admin listen on")
    port: int = _setting(8000, "gateway: demo page, chat widget, JSON API; the only public port")
    rasa_port: int = _setting(5005, "Rasa server, always on loopback")
    actions_port: int = _setting(5055, "action server, always on loopback")
    admin_port: int = _setting(8080, "admin pages, internal")
    var_dir: str = _setting("var", "folder for databases, models, index snapshots and logs")
    conversations_url: str = _setting("sqlite:///var/conversations.db", "database of conversations, inbox and outbox")
    knowledge_url: str = _setting("sqlite:///var/knowledge.db", "database of the FAQ knowledge base and its editors")
    bank_url: str = _setting("sqlite:///var/bank.db", "database of customers and accounts")
    secret_key: str = _setting(
        DEMO_SECRET_PREFIX + "secret-key", "signs session tokens, cookies and buttons", secret=True
    )
    internal_token: str = _setting(
        DEMO_SECRET_PREFIX + "internal", "shared by gateway, Rasa and action server", secret=True
    )
    api_token: str = _setting(DEMO_SECRET_PREFIX + "api", "bearer token of programs using the JSON API", secret=True)
    admin_password: str = _setting(DEMO_SECRET_PREFIX + "admin", "first password of the admin user", secret=True)
    base_model: str = _setting("nlu_models/pretrained", "base encoder: a path, or a hub name such as albert-base-v2")
    faiss_device: str = _setting(
        "auto", "auto, cpu or gpu; auto takes a GPU when there is one and the GPU build is installed"
    )
    token_seconds: int = _setting(900, "life of a widget token; the page renews it while the customer is logged in")
    idle_seconds: int = _setting(1800, "a chat without a message for this long is closed and forgotten by the widget")
    handoff_timeout_seconds: int = _setting(600, "how long a customer waits for a person before the bot returns")
    office_hours: str = _setting("Mon-Fri 09:00-18:00", "when people answer, told to a waiting customer")
    timezone: str = _setting("Europe/London", "time zone of the office hours and of dates in replies")
    emergency_phone: str = _setting("+44 20 7946 0999", "number given for a lost or stolen card, day and night")
    action_timeout_seconds: int = _setting(10, "how long Rasa waits for the action server")
    turn_timeout_seconds: int = _setting(30, "how long the gateway waits for a whole turn")
    rate_per_minute: int = _setting(60, "messages a minute one client may send")
    max_message_characters: int = _setting(2000, "longest message accepted")
    upset_threshold: float = _setting(0.70, "probability of negative sentiment above which the tone changes")
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR")
    pypi_index: str = _setting("", "a bank's own Python package mirror (empty: the installer's default)")
    npm_registry: str = _setting("", "a bank's own npm mirror (empty: npm's default)")

    @property
    def var_path(self) -> Path:
        """Absolute `var_dir`."""
        path = Path(self.var_dir)
        return path if path.is_absolute() else ROOT / path

    @property
    def is_demo(self) -> bool:
        return self.mode == "demo"

    def with_values(self, **values: object) -> Settings:
        """A copy with some fields replaced; validated."""
        changed = dataclasses.replace(self, **values)
        _validate(changed)
        return changed


def environment_name(field_name: str) -> str:
    """`rasa_port` -> `TELLER_RASA_PORT`."""
    return "TELLER_" + field_name.upper()


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Settings:
    """Reads settings from `environ` (default `os.environ`) over `dotenv` (default `.env` in the root).

    Raises SettingsError with the name of the offending variable.
    """
    values = _read_dotenv(dotenv if dotenv is not None else ROOT / ".env")
    values.update(environ if environ is not None else os.environ)
    known = {environment_name(f.name): f for f in dataclasses.fields(Settings)}
    unknown = sorted(name for name in values if name.startswith("TELLER_") and name not in known)
    if unknown:
        raise SettingsError(f"unknown setting {unknown[0]}; .env.example lists the known ones")
    arguments: dict[str, object] = {}
    for name, spec in known.items():
        if name not in values:
            continue
        arguments[spec.name] = _convert(name, values[name], type(spec.default))
    settings = _absolute_sqlite(Settings(**arguments))
    _validate(settings)
    return settings


def _convert(name: str, raw: str, kind: type) -> object:
    try:
        return kind(raw.strip())
    except ValueError:
        raise SettingsError(f"{name}={raw!r} is not {'a number' if kind in (int, float) else kind.__name__}") from None


def _absolute_sqlite(settings: Settings) -> Settings:
    """Relative SQLite paths are relative to the project's root, wherever the command was started; `var/` follows `var_dir`."""
    changes = {}
    for name in ("conversations_url", "knowledge_url", "bank_url"):
        url = getattr(settings, name)
        if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
            relative = url[len("sqlite:///") :]
            default = next(f.default for f in dataclasses.fields(Settings) if f.name == name)
            path = settings.var_path / Path(relative).name if url == default else ROOT / relative
            changes[name] = f"sqlite:///{path}"
    return dataclasses.replace(settings, **changes)


def _validate(settings: Settings) -> None:
    if settings.mode not in ("demo", "production"):
        raise SettingsError(f"TELLER_MODE={settings.mode!r} must be demo or production")
    if settings.faiss_device not in ("auto", "cpu", "gpu"):
        raise SettingsError(f"TELLER_FAISS_DEVICE={settings.faiss_device!r} must be auto, cpu or gpu")
    if not 0.0 < settings.upset_threshold <= 1.0:
        raise SettingsError("TELLER_UPSET_THRESHOLD must lie between 0 and 1")
    for spec in dataclasses.fields(Settings):
        value = getattr(settings, spec.name)
        if spec.name.endswith("port") and not 1 <= value <= 65535:
            raise SettingsError(f"{environment_name(spec.name)}={value} is not a port (1 to 65535)")
        if isinstance(spec.default, int) and value <= 0:
            raise SettingsError(f"{environment_name(spec.name)}={value} must be positive")
        if spec.metadata["secret"] and not settings.is_demo:
            if value.startswith((PLACEHOLDER, DEMO_SECRET_PREFIX)) or len(value) < 16:
                raise SettingsError(
                    f"{environment_name(spec.name)} is a placeholder or shorter than 16 characters; "
                    "set a real secret before TELLER_MODE=production"
                )


def _read_dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    values: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator:
            raise SettingsError(f"{path.name} line {number}: expected NAME=value")
        values[name.strip()] = value.strip().strip("'\"")
    return values
