"""`python -m actions`: starts the action server on loopback and serves until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import socket
import sys

from actions.server import create_app
from bot.shared import logs
from bot.shared.errors import SettingsError
from bot.shared.settings import load_settings

HOST = "127.0.0.1"  # whatever TELLER_HOST says: only Rasa, on the same machine, calls it


def main() -> int:
    """Exit code 0 after a stop, 2 when it cannot start."""
    try:
        settings = load_settings()
        listener = _listen(settings.actions_port)
    except SettingsError as error:
        print(f"actions: {error}", file=sys.stderr)
        return 2
    logs.configure("actions", settings)
    app = create_app(settings)
    logging.getLogger("actions").info("action server on %s:%d", HOST, settings.actions_port)
    app.run(sock=listener, workers=1, access_log=False, motd=False)
    return 0


def _listen(port: int) -> socket.socket:
    """A bound socket. Sanic itself would report a busy port as a clean end."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait for old connections
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise SettingsError(f"port {port} is in use or refused ({error.strerror}); set TELLER_ACTIONS_PORT") from None
    return listener


if __name__ == "__main__":
    sys.exit(main())
