"""Structured, redacted logs: readable lines on stderr, JSON lines in `var/logs/<process>.log`."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler

from bot.shared.redaction import redact
from bot.shared.settings import Settings

MAX_FILE_BYTES = 10_000_000
KEPT_FILES = 5

# What every record has; the rest of a record came in through `extra=` and is a field of ours.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
# Request lines carry tokens in their addresses and say nothing that our own records do not.
_QUIET = ("uvicorn.access", "httpx", "httpcore", "websockets", "alembic")


def configure(process: str, settings: Settings) -> None:
    """Sends this process's logs to stderr and to its file, both after redaction.

    Calling it again replaces the handlers, it never doubles them.
    """
    folder = settings.var_path / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    readable = logging.StreamHandler(sys.stderr)
    readable.setFormatter(ReadableFormatter(process))
    file = RotatingFileHandler(
        folder / f"{process}.log", maxBytes=MAX_FILE_BYTES, backupCount=KEPT_FILES, encoding="utf-8"
    )
    file.setFormatter(JsonFormatter(process))
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if getattr(handler, "is_tellers", False)]:
        root.removeHandler(handler)
        handler.close()
    for handler in (readable, file):
        handler.is_tellers = True
        root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # uvicorn's own handlers do not redact
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, process, level, logger, message, the `extra=` fields, error (a traceback)."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        content = {
            "at": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "process": self._process,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            content["error"] = self.formatException(record.exc_info)
        # Masked value by value: over the whole line, digits of neighbouring fields would read as one number.
        masked = {name: redact(value) if isinstance(value, str) else value for name, value in content.items()}
        return json.dumps(masked, ensure_ascii=False, default=lambda value: redact(str(value)))


class ReadableFormatter(logging.Formatter):
    """`09:30:00 INFO gateway bot.gateway.turns: turn done inbox_id=17`, then a traceback if there is one."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        line = f"{at} {record.levelname} {self._process} {record.name}: {redact(record.getMessage())}"
        line += "".join(f" {name}={redact(str(value))}" for name, value in _fields(record).items())
        if record.exc_info:
            line += "\n" + redact(self.formatException(record.exc_info))
        return line


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}
