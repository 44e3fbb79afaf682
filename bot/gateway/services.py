"""Everything the gateway's routes share, built once by `app.create_app`."""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversations.store import ConversationStore
from bot.gateway.hub import Hub
from bot.gateway.limits import Buckets
from bot.gateway.login import CustomerLookup, LoginThrottle, LoginVerifier
from bot.gateway.rasa import RasaClient
from bot.gateway.sessions import Sessions
from bot.gateway.texts import Texts
from bot.gateway.threads import Threads
from bot.gateway.turns import Turns
from bot.shared.settings import Settings
from bot.shared.tokens import Signer


@dataclass(frozen=True)
class Services:
    settings: Settings
    store: ConversationStore
    threads: Threads
    signer: Signer
    sessions: Sessions
    rasa: RasaClient
    hub: Hub
    turns: Turns
    texts: Texts
    messages_by_conversation: Buckets
    messages_by_address: Buckets
    sessions_by_address: Buckets
    login_throttle: LoginThrottle
    verify_login: LoginVerifier | None
    customer_lookup: CustomerLookup | None
