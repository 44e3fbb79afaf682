"""Teller's exceptions.

TellerError
├── SettingsError          a setting is missing, malformed or unsafe
├── StorageError           a database refused or could not be reached
│   └── ConflictError      somebody else changed the row first
├── NotFoundError          the thing named does not exist (or is not the caller's to see)
├── InvalidInputError      the caller's input is refused; `code` says why
│   └── PermissionDenied   the caller is known and may not do this
├── ModelError             a model file is missing, damaged or of another encoder
└── ServiceUnavailable     a process Teller depends on did not answer

Every error carries a short machine-readable `code`; clients get the code and a text of ours, never the exception's.
"""

from __future__ import annotations


class TellerError(Exception):
    """Base class. `code` is what clients and logs see."""

    code = "error"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code:
            self.code = code


class SettingsError(TellerError):
    code = "settings"


class StorageError(TellerError):
    code = "storage"


class ConflictError(StorageError):
    code = "conflict"


class NotFoundError(TellerError):
    code = "not_found"


class InvalidInputError(TellerError):
    code = "invalid_input"


class PermissionDenied(InvalidInputError):
    code = "permission_denied"


class ModelError(TellerError):
    code = "model"


class ServiceUnavailable(TellerError):
    code = "unavailable"
