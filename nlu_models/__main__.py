"""`python -m nlu_models`: the life of the model, one command each."""

from __future__ import annotations

import sys

from bot.shared.errors import TellerError
from nlu_models.commands import app

if __name__ == "__main__":
    try:
        app()
    except TellerError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
