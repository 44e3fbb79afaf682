"""Errors of the model's life: bad data, bad files.

TellerError
├── DataError    a data file is missing, malformed or too small; the message names file and line
└── ModelError   a model file is missing, damaged or does not fit (bot.shared.errors)
"""

from __future__ import annotations

from bot.shared.errors import ModelError, TellerError

__all__ = ["DataError", "ModelError"]


class DataError(TellerError):
    code = "data"
